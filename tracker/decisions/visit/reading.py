"""The reading: one pass over a visit's events, in order of time, into looks at pages, acts and changes of the cart.

It knows the events of the storefront script, and reads other scripts' events as far as they tell the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, NamedTuple

from tracker.decisions.visit.acts import ACT_TOPICS, LEADS_ON, SUBJECT_TOPICS, Topic, act_of
from tracker.decisions.visit.event_types import (
    ARRIVAL,
    CART_CHANGES,
    CHOICES,
    MAX_COUNT,
    MAX_TEXT,
    NOT_BY_SHOPPER,
    POPUP_TYPES,
    RESTING,
    VIEWS,
    WORDS,
    whole,
)
from tracker.decisions.visit.look import Look
from tracker.decisions.visit.pages import NO_PAGE, PageName
from tracker.decisions.visit.signs import SIGN_EVENTS, SIGN_WITH_CART, is_click_a_sign, is_page_a_sign
from tracker.decisions.visit.skew import skew_of
from tracker.sessions.model import Event, ShopperSession

_BROWSED: Final = frozenset({"picture", "colour"})
"""What shoppers click through for pleasure: a run of such clicks says nothing."""

SLOW_CLICK_MS: Final = 6_000
"""A second click on an option after so long was thought over."""
SLOW_REMOVAL_MS: Final = 10_000
"""A removal so long after the last change corrects no slip of the finger."""
SAME_ACT_MS: Final = 2_000
"""A choice so soon after a click of the same kind is that click's own."""


class Drop(NamedTuple):
    """A popup that was not drawn after all: when the script said so, and whether its message rests in this browser."""

    at_ms: int
    rests: bool


@dataclass(slots=True)
class Reading:
    """A visit as it was read so far. Moments are ms since 1970 by the shopper's clock; 0 for what has not happened."""

    items: int = 0
    """How many items the cart holds now."""
    page: PageName = NO_PAGE
    """The page of the newest event, as long as that is not the checkout's."""
    looks: list[Look] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    """Clicks and choices by what they are about."""
    counts: Counter[str] = field(default_factory=Counter)
    """Events by type, and: adds, removals, slow_removals, refills, turns (from adding to removing or back), drawers
    (looks at the cart elsewhere than on its page), searches (elsewhere than on the search page)."""
    since_add: Counter[str] = field(default_factory=Counter)
    """Acts since something was last added to the cart."""
    topics: list[Topic] = field(default_factory=list)
    """The topic of every page opened and every act done that is a sign of one, in order."""
    away_s: list[float] = field(default_factory=list)
    """How long each absence from the tab lasted."""
    drawn: set[str] = field(default_factory=set)
    """The ids of the messages that were reported as shown, dismissed or clicked."""
    dropped: dict[str, Drop] = field(default_factory=dict)
    """What was last reported of each message that was not drawn after all, by its id."""
    arrival: dict[str, Any] = field(default_factory=dict)
    """What the views say of the browser: visit, buys, locale, device, campaign, discount; the newest counts."""
    by_storefront: bool = False
    """Whether the storefront script tells of this visit: it alone counts a browser's visits."""
    tells_carts: bool = False
    """Whether the script tells of changes of the cart, as the storefront script does."""
    cart: dict[str, Any] = field(default_factory=dict)
    """What the last change of the cart told: total, currency, duplicates."""
    now_ms: int = 0
    """The moment up to which it was read."""
    skew_ms: int = 0
    """How far the shopper's clock is behind the service's."""
    begin_ms: int = 0
    newest_ms: int = 0
    last_act_ms: int = 0
    changed_ms: int = 0
    """When the cart changed last."""
    checkout_ms: int = 0
    """When the checkout was last begun."""
    back_ms: int = 0
    """When a page of the shop was opened after that."""
    checkout_click_ms: int = 0
    last_popup_ms: int = 0
    """When a popup was last shown, dismissed or clicked."""
    signs: int = 0
    """How many signs there were (see `signs`)."""
    most_items: int = 0
    largest_add: int = 0
    pages_since_add: int = 0
    same_clicks: int = 0
    """The longest run of clicks on one thing."""
    presses: int = 0
    """The most clicks on one thing of a page that should have changed something and did not."""
    slow_clicks: Counter[str] = field(default_factory=Counter)
    """Clicks that were thought over, by what they are about."""
    _direction: int = 0
    _run: tuple[str, int] = ("", 0)
    _last_click: tuple[str, int] = ("", 0)
    _pressed: Counter[tuple[str, str]] = field(default_factory=Counter)
    _seen: set[str] = field(default_factory=set)

    @property
    def visit(self) -> int:
        """Return the number of this browser's visit, 1 for its first and where no script counts them."""
        return whole(self.arrival.get("visit")) or 1

    @property
    def in_checkout(self) -> bool:
        """Whether the checkout was begun and no page of the shop opened since."""
        return self.checkout_ms > 0 and not self.back_ms

    def take(self, page: PageName, event: Event) -> None:
        """Read the next event."""
        now, kind = event["ts"], event["type"]
        self.begin_ms = self.begin_ms or now
        self.newest_ms = now
        if page.kind != "checkout":
            self.page = page
        done = ""
        if kind in VIEWS:
            self._view(page, event, now)
        elif kind == "click" or kind in CHOICES:
            self.counts[kind] += kind in CHOICES
            done = self._click(page, event, now)
        elif kind in CART_CHANGES:
            done = self._cart(event, now)
        elif kind == "presence":
            done = self._away(whole(event.get("hidden")), now)
        else:
            self._other(kind, page, event, now)
            done = WORDS.get(kind, "")
        if done and self.looks:
            self.looks[-1].done.append(done)
        if kind in SIGN_EVENTS or (kind in SIGN_WITH_CART and (self.items or self.signs)):
            self.signs += 1
        if kind not in NOT_BY_SHOPPER:
            self.last_act_ms = now
            if kind not in VIEWS and kind != "presence" and self.looks:
                self.looks[-1].acts += 1

    def open(self, page: PageName, now: int) -> None:
        """Begin a look at a page."""
        if self.looks and not self.in_checkout:
            self.looks[-1].end_ms = now
        if page.kind == "order":
            self.counts["checkout_completed"] += 1
        if page.kind == "checkout":
            self._checkout(now)
            return
        self.pages_since_add += 1
        if page.subject in SUBJECT_TOPICS:
            self.topics.append(SUBJECT_TOPICS[page.subject])
        is_again = page.path in self._seen and page.path != self.looks[-1].page.path
        self.signs += self.in_checkout or is_page_a_sign(page, is_again=is_again, items=self.items)
        if self.in_checkout:
            self.back_ms = now
        self._seen.add(page.path)
        self.looks.append(Look(page, now, now))

    def _view(self, page: PageName, event: Event, now: int) -> None:
        self.arrival |= {key: event[key] for key, kind in ARRIVAL.items() if type(event.get(key)) is kind}
        self.open(page, now)

    def _click(self, page: PageName, event: Event, now: int) -> str:
        target = str(event.get("target") or event.get("id") or event.get("classes") or "")[:MAX_TEXT]
        act = act_of(target)
        href = event.get("href")
        leads_to = PageName.parse(href).kind if isinstance(href, str) and href.startswith(("/", "http")) else None
        if leads_to is not None and (act == "checkout" or leads_to == "checkout"):
            act = "checkout" if leads_to == "checkout" else "other"
        last_act, last_ms = self._last_click
        if event["type"] in CHOICES and act == last_act and now - last_ms <= SAME_ACT_MS:
            return ""
        self.acts[act] += 1
        self.since_add[act] += 1
        last, run = self._run
        self._run = (target, run + 1 if target and target == last else 1)
        if act not in _BROWSED:
            self.same_clicks = max(self.same_clicks, self._run[1])
        if act == last_act and now - last_ms >= SLOW_CLICK_MS:
            self.slow_clicks[act] += 1
        self._last_click = (act, now)
        if act == "checkout":
            self.checkout_click_ms = now
        if act == "add" and not self.tells_carts and self.counts["adds"] < self.items:
            # Another script's click on a button that adds: as many of them count as the cart holds items.
            self.change_cart(1, self.counts["adds"], self.counts["adds"] + 1, now)
        elif act in LEADS_ON or (act == "quantity" and page.kind == "cart"):
            self._pressed[page.path, target] += 1
            self.presses = max(self.presses, self._pressed[page.path, target])
        if act in ACT_TOPICS:
            self.topics.append(ACT_TOPICS[act])
        run = 0 if act in _BROWSED else self._run[1]
        self.signs += event["type"] not in SIGN_EVENTS and is_click_a_sign(act, run, self._pressed[page.path, target])
        return "click" if act == "other" else act.replace("_", " ")

    def _cart(self, event: Event, now: int) -> str:
        adds = event["type"] == "add_to_cart"
        items = whole(event.get("items"))
        was = whole(event.get("was")) if "was" in event else max(0, items - 1)
        self.cart = {key: event[key] for key in ("total", "currency", "duplicates") if key in event}
        self.change_cart(1 if adds else -1, was, items, now)
        return f"cart {min(items, MAX_COUNT)}"

    def change_cart(self, step: int, was: int, items: int, now: int) -> None:
        """Read a change of the cart: `step` is 1 for more items, -1 for fewer."""
        if step < 0 or self._direction < 0:
            self.topics.append("quantity")
        self.counts["turns"] += self._direction == -step
        self._direction = step
        self.largest_add = max(self.largest_add, items - was)
        self.most_items = max(self.most_items, items, was)
        if step > 0:
            self.counts["adds"] += 1
            self.counts["refills"] += self.counts["removals"] > 0
            self.since_add.clear()
            self.pages_since_add = 0
        else:
            self.counts["removals"] += 1
            self.counts["slow_removals"] += now - self.changed_ms > SLOW_REMOVAL_MS and self.changed_ms > 0
        self.changed_ms = now
        self.signs += 1
        self._moved_on()

    def _away(self, seconds: int, now: int) -> str:
        self.away_s.append(seconds)
        if self.looks:
            self.looks[-1].away_ms += min(seconds * 1000, now - self.looks[-1].begin_ms)
        return f"away {min(seconds, MAX_COUNT)}s"

    def _other(self, kind: str, page: PageName, event: Event, now: int) -> None:
        self.counts[kind] += 1
        self.counts["drawers"] += kind == "cart_view" and page.kind != "cart"
        self.counts["searches"] += kind == "search" and page.kind != "search"
        if kind == "scroll" and self.looks:
            self.looks[-1].deepest = max(self.looks[-1].deepest, whole(event.get("depth")))
        elif kind == "checkout_started":
            self._checkout(now)
        elif kind in POPUP_TYPES:
            message_id = str(event.get("message_id") or "")[:MAX_TEXT]
            if kind == "popup_dropped":
                self.dropped[message_id] = Drop(now, event.get("why") in RESTING)
            else:
                self.drawn.add(message_id)
                self.last_popup_ms = now

    def _checkout(self, now: int) -> None:
        self.checkout_ms, self.back_ms = now, 0
        if self.looks:
            self.looks[-1].end_ms = now
        self._moved_on()

    def _moved_on(self) -> None:
        self._pressed.clear()
        self.presses = 0
        self._run = ("", 0)


def read(session: ShopperSession, now_ms: int) -> Reading:
    """Return the reading of a session up to now; `now_ms` is the service's clock."""
    order = sorted(
        ((event["ts"], whole(event.get("n")), name, event) for name, event in session.all_events()),
        key=itemgetter(0, 1, 2),
    )
    types = {event["type"] for *_, event in order}
    by_storefront = any(whole(event.get("visit")) for *_, event in order)
    reading = Reading(
        items=session.items_in_cart,
        skew_ms=skew_of(session, order[-1][0] if order else 0),
        by_storefront=by_storefront,
        tells_carts=by_storefront or not types.isdisjoint(CART_CHANGES),
    )
    reading.now_ms = now_ms - reading.skew_ms
    pages = {name: PageName.parse(name) for name in session.events}
    page, has_views = "", not types.isdisjoint(VIEWS)
    for ts, _n, name, event in order:
        if not has_views and name != page:
            # A script that tells of no views: its shopper is on the page of the newest event.
            reading.open(pages[name], ts)
            page = name
        reading.take(pages[name], event)
    if reading.looks and not reading.in_checkout:
        reading.looks[-1].end_ms = max(reading.now_ms, reading.looks[-1].begin_ms)
    return reading
