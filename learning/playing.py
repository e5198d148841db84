"""Playing the labelled visits through the real engine: to learn from their moments, and to judge a scorecard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, get_args

from learning.fitting import LearningVisit, Moment
from tracker.decisions.browser_memory import NO_MEMORY, BrowserMemory
from tracker.decisions.case import Case
from tracker.decisions.decision import Decision
from tracker.decisions.engine import Engine
from tracker.decisions.model.asking import Admit, anybody
from tracker.decisions.rehearsal.example import Example, read_examples
from tracker.decisions.rehearsal.judging import Judged, judge
from tracker.decisions.rehearsal.player import HandClock
from tracker.decisions.rehearsal.stage import FixedShop, Stage
from tracker.decisions.scorecard.scorecard import LEARNED, Card, Discretion, Scorecard
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.signals import Why
from tracker.storage.memory import MemoryStore

HERE: Final = Path(__file__).parent
BEGIN_MS: Final = 1_760_000_000_000
"""When every visit begins: in the morning of 2025-10-09 (UTC), so that a visit is always played the same."""


def labelled_visits() -> list[Example]:
    """Return all labelled visits, those of the first set first."""
    found = [one for name in ("cases.json", "more.json") for one in read_examples((HERE / name).read_bytes())]
    assert all(one.label is not None for one in found)
    return found


def shop_of_the_visits() -> Shop:
    """Return the shop that the labelled visits happen in."""
    return parse_shop((HERE / "shop.toml").read_bytes())


@dataclass(frozen=True, slots=True)
class Setting:
    """The shop in which visits are played."""

    shop: Shop = field(default_factory=shop_of_the_visits)

    def judged(self, examples: Iterable[Example], scorecard: Scorecard, level: Discretion) -> list[Judged]:
        """Play each visit with this scorecard and return its verdict."""
        shop = replace(self.shop, discretion=level)
        clock, store = HandClock(BEGIN_MS), MemoryStore()
        stage = Stage(store, Engine(store, FixedShop(shop), clock=clock, scorecard=scorecard), clock)
        return [judge(example, stage.play(example.visit), shop) for example in examples]

    def learnt_from(self, examples: Iterable[Example]) -> list[LearningVisit]:
        """Play each visit to its end without a popup, and keep the moments that reach the scorecard."""
        return [LearningVisit(example, tuple(self._moments(example))) for example in examples]

    def _moments(self, example: Example) -> list[Moment]:
        clock, store = HandClock(BEGIN_MS), MemoryStore()
        engine = _ListeningEngine(store, self.shop, clock)
        Stage(store, engine, clock).play(example.visit)
        return engine.moments


class _Listener(Scorecard):
    """A scorecard that keeps the numbers that it is asked about, and never proposes a popup."""

    heard: list[Mapping[str, float]]

    def __init__(self) -> None:
        never = dict.fromkeys(get_args(Discretion), math.inf)
        super().__init__(caps={}, typical={}, help=Card(0, {}), answers={}, thresholds=never)
        object.__setattr__(self, "heard", [])  # a scorecard is frozen

    def about(self, numbers: Mapping[str, float]) -> dict[str, float]:
        self.heard.append(numbers)
        return dict.fromkeys((*LEARNED, "payment"), 0.5)


class _ListeningEngine(Engine):
    """The real engine with a scorecard that listens: it keeps the moments that reach the scorecard."""

    def __init__(self, store: MemoryStore, shop: Shop, clock: HandClock) -> None:
        self._listener = _Listener()
        super().__init__(store, FixedShop(shop), clock=clock, scorecard=self._listener)
        self.moments: list[Moment] = []

    def advise(
        self, session_id: str, why: Why = "", memory: BrowserMemory = NO_MEMORY, admit: Admit = anybody
    ) -> Decision:
        """Decide as the engine does, and keep the moment if the scorecard was asked."""
        session = self._store.get(session_id)
        assert session is not None
        decision = super().advise(session_id, why, memory, admit)
        if self._listener.heard:
            case = Case.of(session, self._shop.current(), self._clock(), why, memory)
            self.moments.append(Moment(dict(self._listener.heard.pop()), case.messages))
        return decision
