"""Orders that no visit is known of yet: they wait a few days for it, in a Cell, and are counted as unmatched.

The cell holds {orders: {id: record with its key}, unmatched: {day: count}, late: {day: count}}; days are the shop's.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from tracker.durable.cell import Cell, CellChange, CellError
from tracker.insights.orders import OrderState
from tracker.sessions.store import StoreError

WAIT_MS: Final = 3 * 86_400_000
"""So long an order waits for its visit. The pixel reports within seconds, a browser that was offline within a day."""
MOST_WAITING: Final = 1_000
"""The most orders that wait. All of them are written anew with each one, which takes about 5 ms."""
_DAYS_KEPT: Final = 400


class OrdersCannotWaitError(StoreError):
    """The orders that wait cannot be read or written now."""

    code = "orders_cannot_wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """Orders without a known visit, by the shop's day."""

    orders: Mapping[str, int] = field(default_factory=dict)
    """Each order once, by the day on which it was placed; those that still wait are among them."""
    late: Mapping[str, int] = field(default_factory=dict)
    """Changes of older orders, as refunds are, whose visit is not kept any more: by the day on which they came."""


@dataclass(slots=True)
class _Content:
    orders: dict[str, OrderState]
    unmatched: Counter[str]
    late: Counter[str]

    @classmethod
    def of(cls, value: bytes | None) -> _Content:
        try:
            read = json.loads(value or b"{}")
        except ValueError:
            read = {}  # Written by nobody of ours; what waited is in the orders' next webhooks.
        record = read if isinstance(read, dict) else {}
        orders = {}
        for order_hash, one in _mapping(record, "orders").items():
            try:
                orders[order_hash] = OrderState.from_record(one["key"], one)
            except (KeyError, TypeError, ValueError):
                continue
        return cls(orders, _counts(record, "unmatched"), _counts(record, "late"))

    def to_value(self) -> bytes:
        orders = {order_hash: {"key": one.key, **one.to_record()} for order_hash, one in self.orders.items()}
        record = {"orders": orders, "unmatched": _newest(self.unmatched), "late": _newest(self.late)}
        return json.dumps(record, separators=(",", ":")).encode()


class WaitingOrders:
    """The orders that wait. Every method may raise OrdersCannotWaitError, and has then changed nothing."""

    def __init__(self, cell: Cell, zone: tzinfo = UTC) -> None:
        """`zone` is the shop's, whose days are counted."""
        self._cell = cell
        self._zone = zone

    def with_key(self, keys: Iterable[str]) -> list[OrderState]:
        """Return the waiting orders of these checkouts. Needs no lock: nearly always there is none."""
        wanted = set(keys)
        return [one for one in self._content().orders.values() if one.key and one.key in wanted]

    def known(self, order_hash: str) -> OrderState | None:
        """Return what waits of an order."""
        return self._content().orders.get(order_hash)

    def put(self, order: OrderState, now_ms: int) -> OrderState:
        """Let an order wait, merged with what waits of it already; return that. Those that waited too long leave."""

        def changed(value: bytes | None) -> bytes:
            content = _Content.of(value)
            old = content.orders.get(order.order_hash)
            content.orders[order.order_hash] = order if old is None else old.merged(order)
            by_age = sorted(content.orders.values(), key=lambda one: (one.at_ms, one.order_hash))
            for number, one in enumerate(by_age):
                if one.at_ms >= now_ms - WAIT_MS and number >= len(by_age) - MOST_WAITING:
                    break
                del content.orders[one.order_hash]
                content.unmatched[self._day(one.at_ms)] += one.counts
            return content.to_value()

        left = _Content.of(self._update(changed)).orders
        return left.get(order.order_hash, order)

    def remove(self, order: OrderState) -> None:
        """Take out an order, of which this state was joined or erased, unless more of it has come meanwhile."""

        def changed(value: bytes | None) -> bytes:
            content = _Content.of(value)
            old = content.orders.get(order.order_hash)
            if value is None or old is None or old.merged(order) != order:
                return value or b"{}"
            del content.orders[order.order_hash]
            return content.to_value()

        self._update(changed)

    def count_late(self, now_ms: int) -> None:
        """Count a change of an order whose visit is not kept any more."""

        def changed(value: bytes | None) -> bytes:
            content = _Content.of(value)
            content.late[self._day(now_ms)] += 1
            return content.to_value()

        self._update(changed)

    def version(self) -> str:
        """Return a text that changes with everything that waits and is counted; "" where it cannot be read."""
        try:
            return f"{zlib.crc32(self._cell.get() or b''):x}"
        except CellError:
            return ""

    def unmatched(self) -> Unmatched:
        """Return the orders without a known visit."""
        content = self._content()
        waiting = Counter(self._day(one.at_ms) for one in content.orders.values() if one.counts)
        return Unmatched(orders=content.unmatched + waiting, late=content.late)

    def unmatched_or_none(self) -> Mapping[str, int] | None:
        """Return `unmatched().orders`, None where it cannot be read: no figure beside it has to wait for that."""
        try:
            return self.unmatched().orders
        except OrdersCannotWaitError:
            return None

    def _content(self) -> _Content:
        try:
            return _Content.of(self._cell.get())
        except CellError as error:
            raise OrdersCannotWaitError(f"Orders cannot wait for their visits now: {error}.") from error

    def _update(self, change: CellChange) -> bytes:
        try:
            return self._cell.update(change)
        except CellError as error:
            raise OrdersCannotWaitError(f"Orders cannot wait for their visits now: {error}.") from error

    def _day(self, at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1000, self._zone).date().isoformat()


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _counts(record: Mapping[str, Any], key: str) -> Counter[str]:
    return Counter({day: count for day, count in _mapping(record, key).items() if type(count) is int})


def _newest(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted((+counts).items())[-_DAYS_KEPT:])
