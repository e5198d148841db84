"""What a session comes down to for a decision: a few counts, times and labels, however long the session is.

Nothing that a shopper typed or that names a shopper gets in: of page names only their kind and a shop's handles, of
events only their type when it is a known one, and of everything else only numbers.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, TypedDict

from tracker.decisions.pages import interest, page_kind, path_of
from tracker.sessions.model import Event, ShopperSession

RECENT_EVENTS = 12
COMMON_TYPES = 8
INTERESTS = 3
LONG_IDLE_S: Final = 120
"""From here on, a shopper who left something in the cart and does nothing hesitates."""

Stage: TypeAlias = Literal["landed", "browsing", "product", "cart", "checkout_seen", "bought"]


class KindTotals(TypedDict):
    """What happened on all pages of one kind."""

    pages: int
    dwell_s: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
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
    """All events, those that had to make room for newer ones too."""
    checkout_seen: bool = False
    bought: bool = False
    cart_emptied: bool = False
    """Something was put into the cart, and it is empty now."""
    cart_adds: int = 0
    cart_visits: int = 0
    hesitating: bool = False
    """The cart was looked at again and again, or left standing, with something in it."""
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
    """When one was shown, dismissed or clicked last; 0 for never."""
    page_kinds: Mapping[str, KindTotals] = field(default_factory=dict)
    event_types: Mapping[str, int] = field(default_factory=dict)
    """The most common types and how often each came."""
    recent: tuple[str, ...] = ()
    """The types of the last events, oldest first."""
    path: str = ""
    """Where the shopper is now, for the owner's list of pages without popups. Never shown to a model."""


def counted(number: int, noun: str) -> str:
    """Say how many, as people do: `1 item`, `7 items`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summarise(session: ShopperSession, now_ms: int) -> SessionSummary:
    """Sum up a session in one pass over its events. `now_ms` is the service's clock, ms since 1970."""
    kinds: dict[str, KindTotals] = {}
    interests: Counter[str] = Counter()
    pages = session.time_on_page.keys() | session.events.keys()
    for page in sorted(pages):
        time, count = session.time_on_page.get(page, 0), len(session.events.get(page, ()))
        totals = kinds.setdefault(page_kind(page), {"pages": 0, "dwell_s": 0, "events": 0})
        totals["pages"] += 1
        totals["dwell_s"] += time // 1000
        totals["events"] += count
        if (label := interest(page)) is not None:
            interests[label] += time + count
    events = [event for _page, event in session.all_events()]
    times = [event["ts"] for event in events] or [0]
    newest = heapq.nlargest(RECENT_EVENTS, events, key=lambda event: event["ts"])
    counts = Counter(event["type"] for event in events)
    types: Counter[str] = Counter()
    for kind, count in counts.items():
        types[type_label(kind)] += count

    bought = counts["checkout_completed"] > 0 or "order" in kinds
    checkout_seen = bought or "checkout" in kinds or any(map(_leads_to_checkout, events))
    adds = sum(map(_adds_to_cart, events))
    idle_s = max(0, now_ms - session.updated_at) // 1000
    cart_visits = _visits(session, "cart")
    hesitating = session.items_in_cart > 0 and not checkout_seen and (cart_visits >= 2 or idle_s >= LONG_IDLE_S)
    return SessionSummary(
        stage=_stage(bought, checkout_seen, session.items_in_cart, kinds),
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
        returning=any(map(_is_later_visit, events)),
        locale=_locale(events),
        interests=tuple(label for label, _weight in interests.most_common(INTERESTS)),
        popups_shown=counts["popup_shown"],
        popups_dismissed=counts["popup_dismissed"],
        popups_clicked=counts["popup_clicked"],
        last_popup_ms=max((event["ts"] for event in events if event["type"] in _POPUP_TYPES), default=0),
        page_kinds=kinds,
        event_types=dict(types.most_common(COMMON_TYPES)),
        recent=tuple(type_label(event["type"]) for event in reversed(newest)),
        path=_current_path(session),
    )


_POPUP_TYPES = frozenset({"popup_shown", "popup_dismissed", "popup_clicked"})
_VIEWS = frozenset({"view", "page_view", "pageview"})
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_ADD_TO_CART = re.compile(r"add[-_ ]?to[-_ ]?cart|cart[-_ ]?add", re.IGNORECASE)


def _stage(bought: bool, checkout_seen: bool, items: int, kinds: Mapping[str, KindTotals]) -> Stage:
    if bought:
        return "bought"
    if checkout_seen:
        return "checkout_seen"
    if items > 0:
        return "cart"
    if "product" in kinds:
        return "product"
    return "browsing" if sum(totals["pages"] for totals in kinds.values()) > 1 else "landed"


def _visits(session: ShopperSession, kind: str) -> int:
    """Count how often pages of a kind were come to."""
    return sum(
        event["type"] in _VIEWS
        for page, events in session.events.items()
        if page_kind(page) == kind
        for event in events
    )


def _is_later_visit(event: Event) -> bool:
    # The storefront script counts a browser's visits.
    visit = event.get("visit")
    return type(visit) is int and visit > 1


def _locale(events: Iterable[Event]) -> str:
    """Give the newest locale that a script named, if it has the form of one."""
    named = [(event["ts"], event["locale"]) for event in events if isinstance(event.get("locale"), str)]
    newest = max(named, default=(0, ""))[1]
    return newest if _LOCALE.fullmatch(newest) else ""


def _current_path(session: ShopperSession) -> str:
    page = max(session.events.items(), key=lambda item: item[1][-1]["ts"], default=("", []))[0]
    return path_of(page)


_TYPE_WORDS: Final = """
    view page pageview leave hide show visit click tap press touch key scroll depth hover move focus blur input change
    submit form select copy paste resize rage exit intent search filter sort product collection variant option size
    color image gallery zoom video play pause end review tab menu nav link button banner modal drawer wishlist compare
    add remove update clear empty to from the in of cart item line quantity checkout start started begin step shipping
    payment complete completed popup shown dismissed clicked open opened close closed idle active visible hidden
    heartbeat ping error session load loaded unload back forward
    """
_KNOWN_TYPE_WORDS: Final = frozenset(_TYPE_WORDS.split())


def type_label(event_type: str) -> str:
    """Give an event's type if it is made of words for what one does in a shop.

    A type is a text of the browser's like any other: another one could carry a name, a token or an instruction.
    """
    label = re.sub(r"[-_ :.]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", event_type[:64])).lower()
    return label if len(label) <= 24 and _KNOWN_TYPE_WORDS.issuperset(label.split("_")) else "other"


def _marks(event: Event, keys: Iterable[str]) -> list[str]:
    return [value[:200] for key in keys if isinstance(value := event.get(key), str)]


def _adds_to_cart(event: Event) -> bool:
    return any(map(_ADD_TO_CART.search, _marks(event, ("type", "id", "target", "classes"))))


def _leads_to_checkout(event: Event) -> bool:
    if any("checkout" in mark.lower() for mark in _marks(event, ("type", "id", "target", "name"))):
        return True
    href = event.get("href")
    return isinstance(href, str) and "checkout" in href and page_kind(href) == "checkout"
