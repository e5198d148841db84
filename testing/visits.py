"""Visits for tests of figures: made by chance, with lots, offers, popups, orders and calls of the model."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from tracker.decisions.holdout.epoch import lot_of
from tracker.decisions.holdout.offer import Offer
from tracker.insights.orders import OrderState, with_order
from tracker.sessions.model import Event, ShopperSession

DAY = 86_400_000
MORNING = 1_790_000_000_000
"""2026-09-21, 14:13 UTC."""

_MESSAGES = ("shipping", "size", "welcome")
_POPUPS = ("popup_shown", "popup_clicked", "popup_dismissed", "popup_dropped")


def visit(session_id: str = "a-visit-0001", at: int = MORNING, **changes: Any) -> ShopperSession:
    """Return a visit that opened one page, with changes."""
    events: dict[str, list[Event]] = {"/": [{"type": "view", "ts": at}]}
    return replace(ShopperSession(session=session_id, events=events, updated_at=at), **changes)


def offered(session: ShopperSession, epoch: str, at: int | None = None, **changes: Any) -> ShopperSession:
    """Return the visit with an offer in its decision log."""
    fields: dict[str, Any] = {
        "arm": "shown",
        "message_id": "size",
        "percent": 20.0,
        "first": True,
        "lot": lot_of(session),
        **changes,
    }
    offer = Offer(at_ms=session.updated_at if at is None else at, epoch=epoch, **fields)
    return replace(session, decisions={**session.decisions, "offer": offer.to_record()})


def ordered(
    session: ShopperSession, minor: int, at: int, key: str = "00ff00ff00ff00ff", **changes: Any
) -> ShopperSession:
    """Return the visit with an order."""
    state = OrderState(key=key, order_hash=f"{minor:064x}", minor=minor, currency="EUR", at_ms=at, updated_ms=at)
    return with_order(session, replace(state, **changes))


def some_visit(chance: random.Random, session_id: str, at: int) -> ShopperSession:
    """Return a visit made by chance."""
    begun, lot = at - chance.randrange(3 * DAY), chance.choice([None, *range(20)])
    session = visit(session_id, begun, updated_at=at, lot=lot)
    page: list[Event] = [{"type": "view", "ts": at}]
    for kind in chance.sample(_POPUPS, chance.randrange(3)):
        said = chance.choice(_MESSAGES)
        page += [{"type": kind, "ts": at + 1, "message_id": said, "action": "apply"}]
    if chance.random() < 0.3:
        total = chance.choice([None, "59.90"])
        page += [{"type": "checkout_completed", "ts": at + 2, "total": total, "currency": "EUR"}]
    session = replace(
        session,
        events={**session.events, chance.choice(["/products/x", "/cart", "/checkouts/1"]): page},
        items_in_cart=chance.randrange(3),
        offered=chance.choice(["", "", "one"]),
        example=chance.random() < 0.2,
    )
    if chance.random() < 0.5:
        arm = chance.choice(["shown", "held"])
        session = offered(session, chance.choice(["one", "two"]), at, arm=arm, first=chance.random() < 0.7)
    if chance.random() < 0.3:
        session = ordered(session, chance.choice([990, 4990, 1_000_000]), at + chance.randrange(-DAY, DAY))
    return session
