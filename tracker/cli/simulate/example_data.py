"""The example shop's days, written into the store and taken out again: `flask simulate --days N` and `--clear`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from tracker.cli.terminal import note, progress_bar
from tracker.decisions.holdout.offer import Offer
from tracker.decisions.shop.shop import Shop
from tracker.insights.orders import purchases
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreBusyError

if TYPE_CHECKING:
    from tracker.demo.example_days import Plan

_S = TypeVar("_S")
_T = TypeVar("_T")

_TRIES: Final = 20
_WRITERS: Final = 48
"""Threads that write at once: the store makes their writes durable together."""


@dataclass(slots=True)
class Written:
    """What the example days hold."""

    visits: int = 0
    shown: int = 0
    """Browsers that were offered a popup, and saw it."""
    held: int = 0
    """Browsers that were offered one, and were held back."""
    orders: int = 0


def write_days(store: SessionStore, shop: Shop, plan: Plan, now_ms: int, *, quiet: bool) -> Written:
    """Play the days by the rules of the shop's file, without a model, and store their visits. Raises StoreError."""
    from tracker.demo.example_days import play_days  # noqa: PLC0415  the demo is loaded only where it is used

    written = Written()

    def write(session: ShopperSession) -> ShopperSession:
        return store.update(session.session, lambda _stored: session)

    about = plan.days * plan.a_day * 6 // 5
    with progress_bar("simulating", quiet) as progress:
        for session in _at_once(write, play_days(plan, shop, now_ms)):
            written.visits += 1
            written.orders += len(purchases(session))
            offer = Offer.of(session.decisions)
            if offer is not None and offer.first:
                written.held += offer.arm == "held"
                written.shown += offer.arm == "shown"
            progress(written.visits, max(about, written.visits))
        progress(1, 1)
    return written


def clear_examples(store: SessionStore, *, quiet: bool) -> int:
    """Delete every simulated shopper's visit; return how many there were. Raises StoreError."""
    found = [session.session for session in store.iterate() if session.example]
    count = 0
    with progress_bar("clearing", quiet or not found) as progress:
        for number, was_there in enumerate(_at_once(store.delete, found), 1):
            count += was_there
            progress(number, len(found))
    if found and not quiet:
        note("their lines are gone from the session file within a minute")
    return count


def _at_once(work: Callable[[_S], _T], items: Iterable[_S]) -> Iterator[_T]:
    """Yield the result of every item in order, worked at by several threads; few items are taken ahead."""
    waiting: list[Future[_T]] = []
    each = iter(items)
    with ThreadPoolExecutor(_WRITERS) as pool:
        while batch := list(islice(each, _WRITERS * 4)):
            ready, waiting = waiting, [pool.submit(_patiently, work, item) for item in batch]
            for one in ready:
                yield one.result()
        for one in waiting:
            yield one.result()


def _patiently(work: Callable[[_S], _T], item: _S) -> _T:
    """Return the result of the work, which a running service may hold up: a busy store is tried again for a while."""
    for _ in range(_TRIES):
        try:
            return work(item)
        except StoreBusyError as error:
            time.sleep(error.retry_after)
    return work(item)
