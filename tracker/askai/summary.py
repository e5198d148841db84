"""What a session comes down to for a decision: a few counts, times and labels, however long the session is.

Nothing that a shopper typed or that names a shopper gets in: of page names only their kind, of events only their type
when it looks like a label, and of everything else only numbers.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from tracker.sessions.model import Event, ShopperSession

RECENT_EVENTS = 12
COMMON_TYPES = 8


class KindTotals(TypedDict):
    """What happened on all pages of one kind."""

    pages: int
    dwell_s: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """The signals of one session. Times are whole seconds."""

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
    cart_emptied: bool = False
    """Something was put into the cart, and it is empty now."""
    page_kinds: Mapping[str, KindTotals] = field(default_factory=dict)
    event_types: Mapping[str, int] = field(default_factory=dict)
    """The most common types and how often each came."""
    recent: tuple[str, ...] = ()
    """The types of the last events, oldest first."""


def summarise(session: ShopperSession, now_ms: int) -> SessionSummary:
    """Sum up a session in one pass over its events. `now_ms` is the service's clock, ms since 1970."""
    kinds: dict[str, KindTotals] = {}
    pages = session.time_on_page.keys() | session.events.keys()
    for page in sorted(pages):
        totals = kinds.setdefault(page_kind(page), {"pages": 0, "dwell_s": 0, "events": 0})
        totals["pages"] += 1
        totals["dwell_s"] += session.time_on_page.get(page, 0) // 1000
        totals["events"] += len(session.events.get(page, ()))
    events = [event for _page, event in session.all_events()]
    times = [event["ts"] for event in events] or [0]
    newest = heapq.nlargest(RECENT_EVENTS, events, key=lambda event: event["ts"])
    types: Counter[str] = Counter()
    for kind, count in Counter(event["type"] for event in events).items():
        types[type_label(kind)] += count
    return SessionSummary(
        items_in_cart=session.items_in_cart,
        dwell_s=sum(session.time_on_page.values()) // 1000,
        span_s=(max(times) - min(times)) // 1000,
        idle_s=max(0, now_ms - session.updated_at) // 1000,
        pages=len(pages),
        events=len(events) + session.merge.dropped_events,
        checkout_seen=not kinds.keys().isdisjoint({"checkout", "order"}) or any(map(_leads_to_checkout, events)),
        cart_emptied=session.items_in_cart == 0 and any(map(_adds_to_cart, events)),
        page_kinds=kinds,
        event_types=dict(types.most_common(COMMON_TYPES)),
        recent=tuple(type_label(event["type"]) for event in reversed(newest)),
    )


_BEFORE_PATH = re.compile(r"[A-Za-z]*:?(?://[^/?#]*)?(?=/)")
_LOCALE = re.compile(r"[a-z]{2}(-[a-z]{2,4})?")
_KINDS = {
    "products": "product",
    "collections": "collection",
    "cart": "cart",
    "checkout": "checkout",
    "checkouts": "checkout",
    "orders": "order",
    "thank_you": "order",
    "search": "search",
    "account": "account",
    "pages": "content",
    "blogs": "content",
    "policies": "content",
}


def page_kind(name: str) -> str:
    """Say what kind of page a name stands for.

    Takes a path (`/en-de/products/x?variant=1`), the original script's name (`Product:/products/x`) or an address.
    """
    path = re.split(r"[?#]", _BEFORE_PATH.sub("", name[:512], count=1), maxsplit=1)[0]
    if not path.startswith("/"):
        return "other"
    parts = [part for part in path.lower().split("/") if part]
    if parts and _LOCALE.fullmatch(parts[0]):
        del parts[0]
    if not parts:
        return "home"
    # A product inside a collection is a product page; a checkout may stand behind the shop's number.
    for part, kind in _KINDS.items():
        if part == parts[0] or (part in parts and part in {"products", "checkouts", "thank_you"}):
            return kind
    return "other"


def type_label(event_type: str) -> str:
    """Give an event's type if it is a plain word; digits and signs could carry a number, an address or a token."""
    label = event_type.lower().replace("-", "_")
    return label if re.fullmatch(r"[a-z][a-z_]{0,23}", label) else "other"


_ADD_TO_CART = re.compile(r"add[-_ ]?to[-_ ]?cart|cart[-_ ]?add", re.IGNORECASE)


def _marks(event: Event, keys: Iterable[str]) -> list[str]:
    return [value[:200] for key in keys if isinstance(value := event.get(key), str)]


def _adds_to_cart(event: Event) -> bool:
    return any(map(_ADD_TO_CART.search, _marks(event, ("type", "id", "target", "classes"))))


def _leads_to_checkout(event: Event) -> bool:
    if any("checkout" in mark.lower() for mark in _marks(event, ("type", "id", "target", "name"))):
        return True
    href = event.get("href")
    return isinstance(href, str) and "checkout" in href and page_kind(href) == "checkout"
