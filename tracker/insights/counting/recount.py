"""Sums counted anew from every visit: what all other sums must equal. For small stores, and for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from itertools import islice

from tracker.decisions.holdout.epoch import Epoch
from tracker.insights.orders import checkout_keys, orders_of
from tracker.insights.port import Counted
from tracker.insights.sums import Sums
from tracker.insights.tally import tally
from tracker.insights.waiting import WaitingOrders
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore


def recount(sessions: Iterable[ShopperSession], zone: tzinfo) -> Sums:
    """Return the sums of these visits."""
    sums = Sums()
    for session in sessions:
        sums.exchange(None, tally(session, zone))
    return sums


class Recounted:
    """An Insights that reads every visit at every call; the visits that were pruned are not in it."""

    def __init__(
        self,
        store: SessionStore,
        zone: tzinfo,
        epoch: Callable[[], Epoch | None],
        waiting: WaitingOrders | None = None,
    ) -> None:
        """`epoch` returns the epoch of now. Without `waiting`, nobody can tell how many orders are unmatched."""
        self._store = store
        self.zone = zone
        self._epoch = epoch
        self._waiting = waiting

    def version(self) -> str:
        newest = next(iter(self._store.iterate()), None)
        waiting = "" if self._waiting is None else self._waiting.version()
        return waiting if newest is None else f"{newest.updated_at}.{newest.session}.{waiting}"

    def counted(self) -> Counted:
        version = self.version()
        return Counted(
            sums=recount(self._store.iterate(), self.zone),
            epoch=self._epoch(),
            unmatched=None if self._waiting is None else self._waiting.unmatched_or_none(),
            version=version,
        )

    def session_of(self, key: str) -> str | None:
        for session in islice(self._store.iterate(), 2_000):
            orders = orders_of(session)
            if key in checkout_keys(session.events) or any(key in (one.key, one.order_hash) for one in orders):
                return session.session
        return None
