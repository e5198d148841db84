"""What a changed file would have changed in the last days: each question of then, answered by both files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Final

from tracker.decisions.engine import Engine
from tracker.decisions.rehearsal.stage import FixedShop
from tracker.decisions.review.backtest import backtest
from tracker.decisions.shop.shop import Shop
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore

DAYS: Final = 7
_DAY_MS: Final = 86_400_000
MOST_VISITS: Final = 300
"""The newest so many visits are looked at: each question takes some milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The questions of the last days, and which of them the changed file answers in another way."""

    visits: int
    questions: int
    changed: int
    lines: tuple[tuple[int, str | None, str | None], ...]
    """(how often, the message before, the message now); None for no popup."""
    is_partial: bool
    """There were more visits than were looked at."""


def try_file(store: SessionStore, engine: Engine, clock: Callable[[], int], *, before: Shop, now: Shop) -> Trial:
    """Answer every question of the last seven days by two states of the owner's file. Stores nothing, asks no model."""
    since_ms = clock() - DAYS * _DAY_MS
    recent = takewhile(lambda one: one.updated_at >= since_ms, store.iterate())
    sessions = [one for one in islice(recent, MOST_VISITS + 1) if one.decisions]
    engines = [engine.on_stage(store, FixedShop(shop), clock) for shop in (before, now)]
    pairs = [pair for session in sessions[:MOST_VISITS] for pair in _answers(engines, session)]
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    return Trial(
        visits=min(len(sessions), MOST_VISITS),
        questions=len(pairs),
        changed=len(changed),
        lines=tuple((count, old, new) for (old, new), count in Counter(changed).most_common()),
        is_partial=len(sessions) > MOST_VISITS,
    )


def _answers(engines: list[Engine], session: ShopperSession) -> Iterator[tuple[str | None, str | None]]:
    """Yield (the message by the one engine, by the other) of every question that can be judged."""
    for old, new in zip(*(backtest(engine, session) for engine in engines), strict=True):
        if old.now is not None and new.now is not None:
            yield old.now.pick, new.now.pick
