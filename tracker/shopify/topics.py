"""The topics of Shopify's webhooks, and what is done about each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from tracker.insights.joining import Orders, Outcome
from tracker.insights.orders import OrderState, UnreadableOrderError, order_hash, read_order, read_refund

log = logging.getLogger(__name__)

Body: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = Outcome | Literal["erased", "acknowledged", "ignored", "unreadable"]

ANSWERS: Final[Mapping[Answer, str]] = {
    "joined": "the order is in the record of its visit",
    "waiting": "no visit of this order is known yet; it waits for three days and counts as unmatched until then",
    "late": "its visit is not kept any more, so this change of an older order is only counted",
    "erased": "the visits of these orders are deleted",
    "acknowledged": "nothing is kept under a name, so nothing is to be done",
    "ignored": "a test, or a topic that this service does not use",
    "unreadable": "the body is no order; nothing was kept, and sending it again would not help",
}
"""What each answer means."""

READERS: Final[Mapping[str, Callable[[Body], OrderState]]] = {
    "orders/create": read_order,
    "orders/updated": read_order,
    "orders/cancelled": read_order,
    "refunds/create": read_refund,
}
"""Topic -> how its body is read. Every one of them may come alone, repeatedly and in any order."""

REDACTIONS: Final = frozenset({"customers/redact", "customers/data_request", "shop/redact"})
"""The topics that Shopify asks every app to take for the sake of privacy."""


def take(orders: Orders, topic: str, body: Body) -> Answer:
    """Do what a webhook asks for; return what that was. Raises a StoreError."""
    if body.get("test") is True:
        return "ignored"
    if topic in REDACTIONS:
        return _redact(orders, topic, body)
    reader = READERS.get(topic)
    if reader is None:
        return "ignored"
    try:
        order = reader(body)
    except UnreadableOrderError as error:
        log.warning("a webhook could not be read: %s is missing or none", error, extra={"topic": topic})
        return "unreadable"
    return orders.take(order)


def _redact(orders: Orders, topic: str, body: Body) -> Answer:
    """Erase the visits of the orders that Shopify names: they are all that is kept of a customer."""
    named = body.get("orders_to_redact")
    hashes = []
    for order_id in named if isinstance(named, list) else ():
        try:
            hashes.append(order_hash(order_id))
        except UnreadableOrderError:
            continue
    if not hashes:
        return "acknowledged"
    erased = orders.erase(hashes)
    log.info("erased %d visits of %d orders, as Shopify asked", erased, len(hashes), extra={"topic": topic})
    return "erased"
