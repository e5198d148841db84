"""Orders: what is kept of a purchase, how two states of it merge, and the key that links it with a visit.

Kept of an order are its key, a hash of its id, its total in the shop's currency, its times, and whether it was
cancelled. Nothing of its customer is read. Its record in a session stands under `orders`, by the key: {id, minor,
currency, at, updated, cancelled?, refunds?: {id: [at, minor, currency]}}; times are ms since 1970.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

from tracker.insights.money import minor_units
from tracker.sessions.model import MAX_INTEGER, Event, ShopperSession

OrderRecord: TypeAlias = dict[str, Any]
"""An order as a session's record holds it."""

CHECKOUT_EVENTS: Final = frozenset({"checkout_started", "checkout_completed"})
"""The pixel's events: each may carry the key of its checkout."""

MOST_REFUNDS: Final = 20
"""Refunds that an order keeps while no state of it includes them: the newest."""
MOST_ORDERS: Final = 20
"""Orders that a session keeps: the newest. A browser places one in a visit, seldom two."""

_KEY: Final = re.compile(r"[0-9a-f]{16}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class UnreadableOrderError(ValueError):
    """The body is no order or refund. The message names the first field that is missing."""


class Refund(NamedTuple):
    """Money that was paid back: when (ms since 1970), and how much of which currency."""

    at_ms: int
    minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """An order as far as it is known. Moments are ms since 1970.

    A refund that arrives alone is an order of which nothing else is known: `updated_ms` is 0.
    """

    key: str
    """The key of its checkout, "" if it had none: orders by telephone, at a till, or made by another app."""
    order_hash: str
    minor: int = 0
    """Its total in minor units of `currency`, as of `updated_ms`."""
    currency: str = ""
    at_ms: int = 0
    updated_ms: int = 0
    cancelled: bool = False
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    """By the hash of its id, every refund that came after `updated_ms`: the total does not include it yet."""

    @property
    def counts(self) -> bool:
        """Whether it counts as an order: it is known, and was not cancelled."""
        return self.updated_ms > 0 and not self.cancelled

    @property
    def net_minor(self) -> int:
        """The total without what was paid back since; 0 for an order that does not count."""
        back = sum(refund.minor for refund in self.refunds.values() if refund.currency == self.currency)
        return max(0, self.minor - back) if self.counts else 0

    def merged(self, other: OrderState) -> OrderState:
        """Return the newer state of the two, and the refunds that it does not include.

        It does not matter in which order, and how often, the states of an order are merged.
        """
        newer = max(self, other, key=OrderState._rank)
        refunds: dict[str, Refund] = {}
        for refund_hash, refund in (*self.refunds.items(), *other.refunds.items()):
            if refund.at_ms > newer.updated_ms:
                refunds[refund_hash] = max(refund, refunds.get(refund_hash, refund))
        if len(refunds) > MOST_REFUNDS:
            newest = sorted(refunds.items(), key=lambda item: (item[1], item[0]))[-MOST_REFUNDS:]
            refunds = dict(newest)
        key = newer.key or max(self.key, other.key)
        return replace(newer, key=key, refunds=dict(sorted(refunds.items())))

    def _rank(self) -> tuple[Any, ...]:
        # Shopify's times are whole seconds. Of two states of one second any may win, as long as it is always the same
        # one; what lowers the sum is rather the later one.
        return self.updated_ms, self.cancelled, -self.minor, self.at_ms, self.currency, self.key

    def to_record(self) -> OrderRecord:
        """Return the record; the key is not in it, because it stands under its key."""
        record: OrderRecord = {
            "id": self.order_hash,
            "minor": self.minor,
            "currency": self.currency,
            "at": self.at_ms,
            "updated": self.updated_ms,
        }
        if self.cancelled:
            record["cancelled"] = True
        if self.refunds:
            record["refunds"] = {refund_hash: list(refund) for refund_hash, refund in self.refunds.items()}
        return record

    @classmethod
    def from_record(cls, key: str, record: object) -> OrderState:
        """Read a record. Raises ValueError for anything that `to_record` cannot have made."""
        match record:
            case {
                "id": str(order_hash),
                "minor": int(minor),
                "currency": str(currency),
                "at": int(at_ms),
                "updated": int(updated_ms),
                **more,
            }:
                listed = more.get("refunds", {})
                refunds = listed.items() if isinstance(listed, dict) else ()
                return cls(
                    key=key,
                    order_hash=order_hash,
                    minor=minor,
                    currency=currency,
                    at_ms=at_ms,
                    updated_ms=updated_ms,
                    cancelled=more.get("cancelled") is True,
                    refunds={refund_hash: _refund_from(refund) for refund_hash, refund in refunds},
                )
        raise ValueError("not the record of an order")


def _refund_from(record: object) -> Refund:
    match record:
        case [int(at_ms), int(minor), str(currency)]:
            return Refund(at_ms, minor, currency)
    raise ValueError("not the record of a refund")


# --- Keys -------------------------------------------------------------------------------------------------------------


def checkout_key(token: object) -> str:
    """Return the key of a checkout, from the token that pixel and webhook both know; "" where there is none.

    Nobody can tell the token from it, and so neither the checkout nor the customer.
    """
    if not isinstance(token, str) or not token:
        return ""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:16]


def order_hash(order_id: object) -> str:
    """Return the hash under which an order's id is kept. Raises UnreadableOrderError if it is no id."""
    if isinstance(order_id, bool) or not re.fullmatch(r"[0-9]{1,30}", str(order_id), re.ASCII):
        raise UnreadableOrderError("id")
    return hashlib.sha256(str(order_id).encode()).hexdigest()


def checkout_keys(events: Mapping[str, Iterable[Event]]) -> frozenset[str]:
    """Return the keys that the pixel's events of a report or a session carry."""
    return frozenset(
        event["key"]
        for listed in events.values()
        for event in listed
        if event["type"] in CHECKOUT_EVENTS and is_checkout_key(event.get("key"))
    )


def is_checkout_key(value: object) -> bool:
    """Return whether the value is a key as `checkout_key` makes it."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


# --- Orders in a session ----------------------------------------------------------------------------------------------


def orders_of(session: ShopperSession) -> Iterator[OrderState]:
    """Yield the orders of a session that can be read; any other record is passed over, and stays as it is."""
    for key, record in session.orders.items():
        try:
            yield OrderState.from_record(key, record)
        except ValueError:
            continue


def with_order(session: ShopperSession, order: OrderState) -> ShopperSession:
    """Return the session with this state of an order merged in; the very object `session` if that changes nothing.

    Of two orders of one checkout, which Shopify never makes, the earlier one is kept.
    """
    known = {one.key: one for one in orders_of(session)}
    old = known.get(order.key, order)
    same = old.order_hash == order.order_hash
    known[order.key] = old.merged(order) if same else min(old, order, key=lambda one: (one.at_ms, one.order_hash))
    newest = sorted(known.values(), key=lambda one: (one.at_ms, one.key))[-MOST_ORDERS:]
    unread = {key: record for key, record in session.orders.items() if key not in known}
    records = {**unread, **{one.key: one.to_record() for one in newest}}
    return session if records == session.orders else replace(session, orders=dict(sorted(records.items())))


class Purchase(NamedTuple):
    """One purchase of a visit: when (ms since 1970), and its worth; None for a total that nobody reported."""

    at_ms: int
    minor: int | None
    currency: str


def purchases(session: ShopperSession) -> list[Purchase]:
    """Return the purchases of a visit, each one once: from its orders, and from what only the pixel reported."""
    states = {order.key: order for order in orders_of(session)}
    found = [Purchase(one.at_ms, one.net_minor, one.currency) for one in states.values() if one.counts]
    reported: dict[object, Event] = {}
    for _page, event in session.all_events():
        if event["type"] == "checkout_completed" and event.get("key") not in states:
            # A shop's own script may report it without a key, and twice.
            reported.setdefault(event.get("key") or (event.get("n") or event["ts"]), event)
    for event in reported.values():
        currency = event.get("currency")
        minor = minor_units(event.get("total"), currency)
        found.append(Purchase(event["ts"], minor, currency if minor is not None and isinstance(currency, str) else ""))
    return sorted(found, key=lambda one: one.at_ms)


# --- Reading what Shopify sends ---------------------------------------------------------------------------------------


def read_order(body: Mapping[str, Any]) -> OrderState:
    """Return the order of a webhook's body. Raises UnreadableOrderError.

    The total is `current_total_price`, which refunds and edits change; both totals are in the shop's own currency.
    """
    currency = body.get("currency")
    minor = minor_units(body.get("current_total_price"), currency)
    if minor is None:
        minor = minor_units(body.get("total_price"), currency)
    if minor is None or not isinstance(currency, str):
        raise UnreadableOrderError("current_total_price")
    at_ms = _moment(body.get("created_at")) or _moment(body.get("processed_at"))
    updated_ms = max(_moment(body.get("updated_at")), at_ms)
    if not at_ms:
        raise UnreadableOrderError("created_at")
    return OrderState(
        key=checkout_key(body.get("checkout_token")),
        order_hash=order_hash(body.get("id")),
        minor=minor,
        currency=currency,
        at_ms=at_ms,
        updated_ms=updated_ms,
        cancelled=body.get("cancelled_at") is not None,
    )


def read_refund(body: Mapping[str, Any]) -> OrderState:
    """Return the refund of a webhook's body, as a state of its order. Raises UnreadableOrderError."""
    at_ms = _moment(body.get("created_at")) or _moment(body.get("processed_at"))
    if not at_ms:
        raise UnreadableOrderError("created_at")
    paid_back: dict[str, int] = {}
    transactions = body.get("transactions")
    for one in transactions if isinstance(transactions, list) else ():
        if isinstance(one, dict) and one.get("kind") == "refund" and one.get("status") == "success":
            minor = minor_units(one.get("amount"), one.get("currency"))
            if minor is not None:
                paid_back[one["currency"]] = paid_back.get(one["currency"], 0) + minor
    refund_hash = order_hash(body.get("id"))[:16]
    refunds = {
        f"{refund_hash}.{currency}": Refund(at_ms, minor, currency) for currency, minor in sorted(paid_back.items())
    }
    return OrderState(key="", order_hash=order_hash(body.get("order_id")), at_ms=at_ms, refunds=refunds)


def _moment(text: object) -> int:
    """Return a time of Shopify's, in ISO 8601, in ms since 1970; 0 if there is none."""
    if not isinstance(text, str):
        return 0
    try:
        date = datetime.fromisoformat(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(0, round(date.timestamp() * 1000)), MAX_INTEGER)
    except (ValueError, OverflowError):
        return 0
