"""A tally: what a visit comes down to in all figures, from its merged record and nothing else.

Its record is a list, which stands near the beginning of the session's record, so that sums can be read without the
rest of it: [form, day, lot, marks, epoch, sales, popups, model, keys]. `day` counts from the year 1, as Python does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, tzinfo
from enum import IntFlag
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

from tracker.decisions.holdout.epoch import lot_of
from tracker.decisions.holdout.offer import Offer
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.visit.pages import PageName
from tracker.insights.orders import Purchase, checkout_keys, orders_of, purchases
from tracker.sessions.model import ShopperSession, is_lot

FORM: Final = 1
"""Another form of the list gets another number: a tally of another form is made anew from the record."""

FURTHEST_MS: Final = 2 * 86_400_000
"""The first event of a visit may lie so far from its arrival; a browser's clock beyond that is not believed."""

_LATEST_MS: Final = 253_370_764_800_000
"""The year 9999, behind which Python knows no day."""

_MOST_POPUPS: Final = 20
_MOST_KEYS: Final = 20
KEY_CHARS: Final = 16
"""A tally holds a checkout's key, and as much of the hash of an order."""
_ID_MOST: Final = 64


class Mark(IntFlag):
    """What happened in a visit at least once."""

    PRODUCT = 1
    CART = 2
    CHECKOUT = 4
    ORDERED = 8
    LEFT = 16
    """Its cart was full when last heard of, and nothing was ordered."""
    EXAMPLE = 32
    OFFERED = 64
    """A popup would have been shown, whichever group the browser is in."""
    FIRST = 128
    """The browser had not been offered one before in this epoch: it is counted from now on."""
    HELD = 256
    """What would have been shown was replaced by silence."""


class Fate(IntFlag):
    """What became of a message in a visit."""

    SHOWN = 1
    CLICKED = 2
    CLOSED = 4
    APPLIED = 8
    """Its code was applied or copied."""
    BOUGHT = 16
    """Something was ordered after it was shown."""
    DROPPED = 32
    """It was decided for, and the script did not draw it after all."""
    WITHHELD = 64
    """It would have been shown, and the browser was held out."""


class Sale(NamedTuple):
    """One purchase of a visit."""

    minor: int
    currency: str
    """"": its worth was not reported."""
    compared: bool
    """Whether it came after the offer that it is counted for."""


class Tally(NamedTuple):
    """A visit as figures know it."""

    form: int
    day: int
    lot: int
    marks: int
    epoch: str
    """The epoch for which its orders are compared; "" for none."""
    sales: list[int | str]
    """minor, currency, 1 if it is compared: of each purchase."""
    popups: list[int | str]
    """The id and the fates of each message."""
    model: list[int]
    """Calls of the model, tokens of its questions, and of its answers; empty for none."""
    keys: list[str]
    """The keys by which its orders are found."""

    def each_sale(self) -> Iterator[Sale]:
        listed: Iterator[Any] = iter(self.sales)
        return (Sale(minor, currency, bool(compared)) for minor, currency, compared in zip(*[listed] * 3, strict=True))

    def each_popup(self) -> Iterator[tuple[str, int]]:
        listed: Iterator[Any] = iter(self.popups)
        return zip(listed, listed, strict=True)


def tally(session: ShopperSession, zone: tzinfo) -> Tally:
    """Return the tally of a session; the day stays the one of the tally that the session already has."""
    bought = purchases(session)
    offer = Offer.of(session.decisions) if session.decisions else None
    types = {event["type"] for events in session.events.values() for event in events}
    return Tally(
        form=FORM,
        day=_day(session, zone),
        lot=lot_of(session) if offer is None else offer.lot,
        marks=_marks(session, types, offer, bool(bought)),
        epoch=offer.epoch if offer is not None else session.offered,
        sales=_sales(session, offer, bought),
        popups=_popups(session, types, offer, bought),
        model=_model(session),
        keys=_keys(session),
    )


def known(record: object) -> Tally | None:
    """Return the tally of a record; None if it is of another form, or none."""
    match record:
        case [int(form), int(), int(lot), int(marks), str(), list(sales), list(popups), list(model), list()]:
            if form == FORM and is_lot(lot) and 0 <= marks < 2 * _HELD and _is_whole(sales, popups, model):
                return Tally._make(record)
    return None


def _is_whole(sales: list[Any], popups: list[Any], model: list[Any]) -> bool:
    return len(sales) % 3 == 0 and len(popups) % 2 == 0 and len(model) in {0, 3}


def local_day(ms: int, zone: tzinfo) -> date:
    """Return the day at this moment (ms since 1970) in a zone."""
    return datetime.fromtimestamp(ms / 1000, zone).date()


def _day(session: ShopperSession, zone: tzinfo) -> int:
    before = known(session.tally)
    if before is not None:
        return before.day
    arrived = min(session.updated_at, _LATEST_MS)
    first = min((events[0]["ts"] for events in session.events.values() if events), default=arrived)
    if not session.example:
        # A simulated shopper's whole visit may lie weeks ago.
        first = min(max(first, arrived - FURTHEST_MS), arrived + FURTHEST_MS)
    return local_day(min(max(first, 0), _LATEST_MS), zone).toordinal()


# As plain numbers, because arithmetic with flags costs five times as much.
_PRODUCT, _CART, _CHECKOUT, _ORDERED, _LEFT, _EXAMPLE, _OFFERED, _FIRST, _HELD = map(int, Mark)


def _marks(session: ShopperSession, types: set[str], offer: Offer | None, has_bought: bool) -> int:
    kinds = {_kind_of(name) for pages in (session.events, session.time_on_page) for name in pages}
    marks = 0
    if has_bought or "order" in kinds:
        marks = _ORDERED | _CHECKOUT | _CART | _PRODUCT
    elif "checkout" in kinds or "checkout_started" in types or "checkout_completed" in types:
        marks = _CHECKOUT | _CART | _PRODUCT
    elif session.items_in_cart > 0 or "add_to_cart" in types:
        marks = _CART | _PRODUCT
    elif "product" in kinds:
        marks = _PRODUCT
    if session.items_in_cart > 0 and not marks & _ORDERED:
        marks |= _LEFT
    if session.example:
        marks |= _EXAMPLE
    if offer is not None:
        marks |= _OFFERED | (_FIRST if offer.first else 0) | (_HELD if offer.arm == "held" else 0)
    return marks


@lru_cache(maxsize=4096)
def _kind_of(page: str) -> str:
    return PageName.parse(page).kind


def _sales(session: ShopperSession, offer: Offer | None, bought: Iterable[Purchase]) -> list[int | str]:
    # In a visit whose browser was offered something before, every order is compared; else those after the offer.
    after_ms = offer.at_ms if offer is not None and offer.first else 0
    is_compared = offer is not None or bool(session.offered)
    sales: list[int | str] = []
    for one in bought:
        sales += [one.minor or 0, one.currency, int(is_compared and one.at_ms >= after_ms)]
    return sales


_SHOWN, _CLICKED, _CLOSED, _APPLIED, _BOUGHT, _DROPPED, _WITHHELD = map(int, Fate)
_FATE_OF: Final = {
    "popup_shown": _SHOWN,
    "popup_clicked": _SHOWN | _CLICKED,
    "popup_dismissed": _SHOWN | _CLOSED,
    "popup_dropped": _DROPPED,
}


def _popups(session: ShopperSession, types: set[str], offer: Offer | None, bought: list[Purchase]) -> list[int | str]:
    fates: dict[str, int] = {}
    shown_ms: dict[str, int] = {}
    for event in () if types.isdisjoint(_FATE_OF) else chain.from_iterable(session.events.values()):
        fate = _FATE_OF.get(event["type"])
        message_id = event.get("message_id")
        if fate is None or not isinstance(message_id, str) or not 0 < len(message_id) <= _ID_MOST:
            continue
        if fate & _CLICKED and event.get("action") in {"apply", "copy"}:
            fate |= _APPLIED
        fates[message_id] = fates.get(message_id, 0) | fate
        if fate & _SHOWN:
            shown_ms[message_id] = min(event["ts"], shown_ms.get(message_id, event["ts"]))
    for message_id, at_ms in shown_ms.items():
        if any(one.at_ms >= at_ms for one in bought):
            fates[message_id] |= _BOUGHT
    if offer is not None and offer.arm == "held" and 0 < len(offer.message_id) <= _ID_MOST:
        fates[offer.message_id] = fates.get(offer.message_id, 0) | _WITHHELD
    listed: list[int | str] = []
    for popup in sorted(fates.items())[:_MOST_POPUPS]:
        listed += popup
    return listed


def _model(session: ShopperSession) -> list[int]:
    if not session.decisions.get("asked"):
        return []
    log = DecisionLog.of(session)
    costs = [entry.call.cost for entry in log.newest_first() if entry.call is not None and entry.call.cost is not None]
    return [log.asked, sum(cost.prompt_tokens for cost in costs), sum(cost.completion_tokens for cost in costs)]


def _keys(session: ShopperSession) -> list[str]:
    keys = set(checkout_keys(session.events))
    for order in orders_of(session):
        keys |= {order.key, order.order_hash[:KEY_CHARS]}
    return sorted(filter(None, keys))[:_MOST_KEYS]
