"""What a session comes down to for a decision: a few counts, times and labels, however long the session is.

Nothing that a shopper typed or that names a shopper gets in: of page names only their kind and a shop's handles, of
events only their type if it is a known one, and of everything else only numbers.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Final, Literal, TypeAlias, TypedDict

from tracker.decisions.visit.event_types import POPUP_TYPES, VIEWS, steps_of, type_label
from tracker.decisions.visit.pages import NO_PAGE, PageKind, PageName
from tracker.sessions.model import Event, ShopperSession

RECENT_EVENTS: Final = 12
INTERESTS: Final = 3
LONG_IDLE_S: Final = 120
"""A shopper with something in the cart who does nothing for so long hesitates."""

Stage: TypeAlias = Literal["landed", "browsing", "product", "cart", "checkout_seen", "bought"]

_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_TS: Final = itemgetter("ts")
_TYPE: Final = itemgetter("type")


class KindTotals(TypedDict):
    """How many pages of one kind were seen, and for how long."""

    pages: int
    dwell_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The signals of one session. Times are whole seconds; moments are ms since 1970 by the shopper's clock."""

    stage: Stage = "landed"
    items_in_cart: int = 0
    dwell_s: int = 0
    """Time on all pages together."""
    span_s: int = 0
    """From the first event to the last, by the shopper's clock."""
    idle_s: int = 0
    """Since the last report, by the service's clock."""
    pages: int = 0
    events: int = 0
    """All events, including those that had to make room for newer ones."""
    checkout_seen: bool = False
    bought: bool = False
    cart_emptied: bool = False
    """Something was put into the cart, and it is empty now."""
    cart_adds: int = 0
    cart_visits: int = 0
    hesitating: bool = False
    """There is something in the cart, and the shopper looked at it again and again or left it for LONG_IDLE_S."""
    returning: bool = False
    """The script knows this browser from an earlier visit."""
    locale: str = ""
    """The shopper's language and country, such as de-AT."""
    interests: tuple[str, ...] = ()
    """What was looked at longest: `product linen-shirt`, `collection sale`."""
    popups_shown: int = 0
    popups_dismissed: int = 0
    popups_clicked: int = 0
    last_popup_ms: int = 0
    """When a popup was last shown, dismissed or clicked; 0 for never."""
    page_kinds: Mapping[PageKind, KindTotals] = field(default_factory=dict)
    recent: tuple[str, ...] = ()
    """The types of the last events, oldest first."""
    total: int | None = None
    """What the cart is worth, in hundredths of its currency; None if the script did not say."""
    currency: str = ""
    """Of the cart, such as EUR."""
    orders: int | None = None
    """How many orders the browser remembers; None if the script did not say."""
    page: PageName = NO_PAGE
    """The page where the shopper is now, for the owner's list of pages without popups. Never shown to a model."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 item`, `7 items`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def signals_of(session: ShopperSession, now_ms: int) -> Signals:
    """Return the signals of a session. `now_ms` is the service's clock, ms since 1970."""
    names = session.time_on_page.keys() | session.events.keys()
    pages = {name: PageName.parse(name) for name in sorted(names)}
    kinds, interests, cart_visits = _page_totals(session, pages)
    events = list(chain.from_iterable(session.events.values()))
    times = list(map(_TS, events)) or [0]
    types = Counter(map(_TYPE, events))
    newest = heapq.nlargest(RECENT_EVENTS, events, key=_TS)
    adds, to_checkout, returning, locale, last_popup_ms = _event_totals(events)

    bought = types["checkout_completed"] > 0 or "order" in kinds
    checkout_seen = bought or to_checkout or "checkout" in kinds
    idle_s = max(0, now_ms - session.updated_at) // 1000
    hesitating = session.items_in_cart > 0 and not checkout_seen and (cart_visits >= 2 or idle_s >= LONG_IDLE_S)
    return Signals(
        stage=_stage(bought, checkout_seen, session.items_in_cart, kinds, len(pages)),
        items_in_cart=session.items_in_cart,
        dwell_s=sum(session.time_on_page.values()) // 1000,
        span_s=(max(times) - min(times)) // 1000,
        idle_s=idle_s,
        pages=len(pages),
        events=len(events) + session.merge.dropped_events,
        checkout_seen=checkout_seen,
        bought=bought,
        cart_emptied=session.items_in_cart == 0 and adds > 0,
        cart_adds=adds,
        cart_visits=cart_visits,
        hesitating=hesitating,
        returning=returning,
        locale=locale,
        interests=interests,
        popups_shown=types["popup_shown"],
        popups_dismissed=types["popup_dismissed"],
        popups_clicked=types["popup_clicked"],
        last_popup_ms=last_popup_ms,
        page_kinds=kinds,
        recent=tuple(map(type_label, map(_TYPE, reversed(newest)))),
        page=_current_page(session, pages),
    )


def _page_totals(
    session: ShopperSession, pages: Mapping[str, PageName]
) -> tuple[dict[PageKind, KindTotals], tuple[str, ...], int]:
    """Return (totals by kind of page, interests, views of the cart)."""
    kinds: dict[PageKind, KindTotals] = {}
    weights: Counter[str] = Counter()
    cart_visits = 0
    for name, page in pages.items():
        time, events = session.time_on_page.get(name, 0), session.events.get(name, ())
        totals = kinds.setdefault(page.kind, {"pages": 0, "dwell_s": 0})
        totals["pages"] += 1
        totals["dwell_s"] += time // 1000
        if page.kind == "cart":
            cart_visits += sum(map(VIEWS.__contains__, map(_TYPE, events)))
        if len(page.parts) > 1 and (label := page.interest()) is not None:
            weights[label] += time + len(events)
    return kinds, tuple(map(itemgetter(0), weights.most_common(INTERESTS))), cart_visits


def _event_totals(events: list[Event]) -> tuple[int, bool, bool, str, int]:
    """Return (additions to the cart, leads to the checkout, returning, locale, last_popup_ms)."""
    adds, to_checkout, returning, last_popup_ms = 0, False, False, 0
    newest_locale: tuple[int, str] = (0, "")
    for event in events:
        steps = steps_of(event)
        adds += steps.adds_to_cart
        to_checkout = to_checkout or steps.to_checkout
        # The storefront script counts a browser's visits.
        visit, locale = event.get("visit"), event.get("locale")
        returning = returning or (type(visit) is int and visit > 1)
        if isinstance(locale, str):
            newest_locale = max(newest_locale, (event["ts"], locale))
        if event["type"] in POPUP_TYPES:
            last_popup_ms = max(last_popup_ms, event["ts"])
    locale = newest_locale[1]
    return adds, to_checkout, returning, locale if _LOCALE.fullmatch(locale) else "", last_popup_ms


def _stage(bought: bool, checkout_seen: bool, items: int, kinds: Mapping[PageKind, KindTotals], pages: int) -> Stage:
    if bought:
        return "bought"
    if checkout_seen:
        return "checkout_seen"
    if items > 0:
        return "cart"
    if "product" in kinds:
        return "product"
    return "browsing" if pages > 1 else "landed"


def _current_page(session: ShopperSession, pages: Mapping[str, PageName]) -> PageName:
    """Return the page of the newest event; on each page the newest event stands last."""
    newest, current = -1, NO_PAGE
    for name, events in session.events.items():
        if events[-1]["ts"] > newest:
            newest, current = events[-1]["ts"], pages[name]
    return current
