"""Joining orders with the visits that they came from, whichever of the two is known first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal, TypeAlias

from tracker.insights.orders import OrderState, orders_of, with_order
from tracker.insights.waiting import WAIT_MS, WaitingOrders
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreError

log = logging.getLogger(__name__)

SessionOf: TypeAlias = Callable[[str], str | None]
"""From the key of a checkout, or the hash of an order's id, to the id of the session that holds it.

It knows everything that any process has stored before the call.
"""

Outcome: TypeAlias = Literal["joined", "waiting", "late"]
"""The order is in its visit's record; it waits for its visit; its visit is not kept any more."""


class _NoSuchVisitError(Exception):
    """The session was deleted meanwhile, or does not hold the order that was refunded."""


class Orders:
    """Takes in orders. Every method may raise a StoreError, and may then be called again."""

    def __init__(
        self, store: SessionStore, waiting: WaitingOrders, session_of: SessionOf, clock: Callable[[], int]
    ) -> None:
        """`clock` returns ms since 1970."""
        self._store = store
        self._waiting = waiting
        self._session_of = session_of
        self._clock = clock

    def take(self, order: OrderState) -> Outcome:
        """Take in a state of an order, or a refund. Repeats and older states change nothing."""
        known = self._waiting.known(order.order_hash)
        if self._joined(order if known is None else known.merged(order), was_waiting=known is not None):
            return "joined"
        now_ms = self._clock()
        if order.at_ms < now_ms - WAIT_MS:
            # It waited before, or was placed before this service was there: counted once, if ever.
            self._waiting.count_late(now_ms)
            return "late"
        order = self._waiting.put(order, now_ms)
        # Its visit may have been stored between the search and this: whoever comes second sees the other one.
        return "joined" if self._joined(order, was_waiting=True) else "waiting"

    def checkout_seen(self, session_id: str, keys: Iterable[str]) -> None:
        """Join the orders that wait for these checkouts, which a report of the session has just named.

        The report is stored, so no failure passes: the order's next webhook, or the next report, joins it.
        """
        try:
            for order in self._waiting.with_key(keys):
                self._join(session_id, order, was_waiting=True)
        except StoreError as error:
            log.warning("an order that waits for its visit could not be joined: %s", error)

    def erase(self, order_hashes: Iterable[str]) -> int:
        """Delete the visits of these orders, and what waits of the orders; return how many visits there were."""
        count = 0
        for order_hash in order_hashes:
            known = self._waiting.known(order_hash)
            if known is not None:
                self._waiting.remove(known)
            session_id = self._session_of(order_hash)
            count += session_id is not None and self._store.delete(session_id)
        return count

    def _joined(self, order: OrderState, *, was_waiting: bool) -> bool:
        session_id = (self._session_of(order.key) if order.key else None) or self._session_of(order.order_hash)
        return session_id is not None and self._join(session_id, order, was_waiting=was_waiting)

    def _join(self, session_id: str, order: OrderState, *, was_waiting: bool) -> bool:
        def joined(stored: ShopperSession | None) -> ShopperSession:
            if stored is None:
                raise _NoSuchVisitError
            if order.key:
                return with_order(stored, order)
            for one in orders_of(stored):
                if one.order_hash == order.order_hash:
                    return with_order(stored, replace(order, key=one.key))
            raise _NoSuchVisitError

        try:
            self._store.update(session_id, joined)
        except _NoSuchVisitError:
            return False
        if was_waiting:
            self._waiting.remove(order)
        return True
