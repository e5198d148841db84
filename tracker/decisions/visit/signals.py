"""What a session comes down to for a decision: counts, times and labels, however long the session is.

Nothing that a shopper typed or that names a shopper gets in: of page names only their kind and a shop's handles, of
events only their type if it is a known one, and of everything else only numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, Literal, TypeAlias, TypedDict

from tracker.decisions.visit.event_types import whole
from tracker.decisions.visit.numbers import numbers_of
from tracker.decisions.visit.pages import NO_PAGE, PageKind, PageName
from tracker.decisions.visit.reading import Reading, read
from tracker.sessions.model import ShopperSession

INTERESTS: Final = 3
LONG_IDLE_S: Final = 120
"""A shopper with something in the cart who does nothing for so long hesitates."""

Stage: TypeAlias = Literal["landed", "browsing", "product", "cart", "checkout_seen", "bought"]

Why: TypeAlias = Literal["cart", "idle", "exit", "back", "turn_away", "again", "page", ""]
"""Why a script asks: the cart changed, nothing was touched for a while, the shopper moves to leave, came back to the
tab, turned away from a page, clicks the same thing again and again, or opened a page; "" if the script does not say."""

DEVICES: Final = frozenset({"phone", "tablet", "desktop"})
CAMPAIGNS: Final = frozenset({"email", "paid", "social", "other"})
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


class KindTotals(TypedDict):
    """How many pages of one kind were seen, and for how long."""

    pages: int
    dwell_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The signals of one session. Times are whole seconds; moments are ms since 1970 by the service's clock."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    """What the scorecard weighs, see `visit.numbers`; empty before the first page."""
    by_storefront: bool = True
    """The storefront script tells of this visit, which draws buttons; another script shows a text and nothing else."""
    why: Why = ""
    stage: Stage = "landed"
    items_in_cart: int = 0
    total: int | None = None
    """The value of the cart in hundredths of its currency, as the shop told it last; None if it told none."""
    currency: str = ""
    dwell_s: int = 0
    """Time on all pages together."""
    span_s: int = 0
    """From the first event to the last, by the shopper's clock."""
    idle_s: int = 0
    """Since the shopper's last act."""
    pages: int = 0
    events: int = 0
    """All events, including those that had to make room for newer ones."""
    signs: int = 0
    """How many hints there were that something may be in the way, see `visit.signs`."""
    in_checkout: bool = False
    """The checkout was begun, and no page of the shop was opened since."""
    bought: bool = False
    cart_adds: int = 0
    cart_looks: int = 0
    hesitating: bool = False
    """There is something in the cart, and the shopper looked at it again and again, moved to leave, came back from the
    checkout, or did nothing for LONG_IDLE_S."""
    visit: int = 1
    """The number of this browser's visit."""
    returning: bool = False
    """The script knows this browser from an earlier visit."""
    orders: int | None = None
    """How many purchases this browser remembers; None if the script does not say."""
    locale: str = ""
    """The shopper's language and country, such as de-AT."""
    device: str = ""
    campaign: str = ""
    """The class of the campaign that the visit began with."""
    interests: tuple[str, ...] = ()
    """What was looked at longest: `product linen-shirt`, `collection sale`."""
    popups_shown: int = 0
    popups_dismissed: int = 0
    popups_clicked: int = 0
    last_popup_ms: int = 0
    """When a popup was last shown, dismissed or clicked; 0 for never."""
    page_kinds: Mapping[PageKind, KindTotals] = field(default_factory=dict)
    page: PageName = NO_PAGE
    """The page where the shopper is now."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 item`, `7 items`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def signals_of(session: ShopperSession, now_ms: int, why: Why = "") -> Signals:
    """Return the signals of a session. `now_ms` is the service's clock, ms since 1970."""
    return signals_from(session, read(session, now_ms), why)


def signals_from(session: ShopperSession, reading: Reading, why: Why = "") -> Signals:
    """Return the signals of a session that was read already."""
    names = session.time_on_page.keys() | session.events.keys()
    pages = {name: PageName.parse(name) for name in sorted(names)}
    kinds, interests = _page_totals(session, pages)
    counts, arrival = reading.counts, reading.arrival
    bought = counts["checkout_completed"] > 0 or "order" in kinds
    # A checkout that is known by its time alone: another script's, which does not tell the order of pages.
    in_checkout = reading.in_checkout or ("checkout" in kinds and not reading.checkout_ms)
    cart_looks = sum(look.page.kind == "cart" for look in reading.looks) + counts["drawers"]
    idle_s = max(0, reading.now_ms - reading.last_act_ms) // 1000 if reading.last_act_ms else 0
    slows = cart_looks >= 2 or counts["exit_intent"] > 0 or reading.back_ms > 0 or idle_s >= LONG_IDLE_S
    return Signals(
        numbers=numbers_of(reading, why),
        by_storefront=reading.by_storefront,
        why=why,
        stage=_stage(bought, in_checkout, session.items_in_cart, kinds, len(pages)),
        items_in_cart=session.items_in_cart,
        total=whole(reading.cart["total"]) if type(reading.cart.get("total")) is int else None,
        currency=_text(reading.cart.get("currency"), _CURRENCY),
        dwell_s=sum(session.time_on_page.values()) // 1000,
        span_s=(reading.newest_ms - reading.begin_ms) // 1000,
        idle_s=idle_s,
        pages=len(pages),
        events=session.event_count() + session.merge.dropped_events,
        signs=reading.signs,
        in_checkout=in_checkout,
        bought=bought,
        cart_adds=counts["adds"],
        cart_looks=cart_looks,
        hesitating=session.items_in_cart > 0 and not bought and not in_checkout and slows,
        visit=reading.visit,
        returning=reading.visit > 1,
        orders=arrival.get("buys"),
        locale=_text(arrival.get("locale"), _LOCALE),
        device=_one_of(arrival.get("device"), DEVICES),
        campaign=_one_of(arrival.get("campaign"), CAMPAIGNS),
        interests=interests,
        popups_shown=counts["popup_shown"],
        popups_dismissed=counts["popup_dismissed"],
        popups_clicked=counts["popup_clicked"],
        last_popup_ms=reading.last_popup_ms and reading.last_popup_ms + reading.skew_ms,
        page_kinds=kinds,
        page=reading.page,
    )


def _page_totals(
    session: ShopperSession, pages: Mapping[str, PageName]
) -> tuple[dict[PageKind, KindTotals], tuple[str, ...]]:
    """Return (totals by kind of page, interests)."""
    kinds: dict[PageKind, KindTotals] = {}
    weights: Counter[str] = Counter()
    for name, page in pages.items():
        time, events = session.time_on_page.get(name, 0), session.events.get(name, ())
        totals = kinds.setdefault(page.kind, {"pages": 0, "dwell_s": 0})
        totals["pages"] += 1
        totals["dwell_s"] += time // 1000
        if len(page.parts) > 1 and (label := page.interest()) is not None:
            weights[label] += time + len(events)
    return kinds, tuple(map(itemgetter(0), weights.most_common(INTERESTS)))


def _stage(bought: bool, in_checkout: bool, items: int, kinds: Mapping[PageKind, KindTotals], pages: int) -> Stage:
    if bought:
        return "bought"
    if in_checkout:
        return "checkout_seen"
    if items > 0:
        return "cart"
    if "product" in kinds:
        return "product"
    return "browsing" if pages > 1 else "landed"


def _text(value: object, pattern: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _one_of(value: object, known: frozenset[str]) -> str:
    return value if isinstance(value, str) and value in known else ""
