"""The player: a browser and its shopper, played step by step by a clock that is moved by hand.

It records what the storefront script would record, sends it before each question as the script does, and asks at the
script's moments. It knows neither the engine nor any label: a question goes to the function that it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tracker.decisions.rehearsal.arrival import arrival_of, path_of
from tracker.decisions.rehearsal.example import ExampleVisit, Step
from tracker.decisions.rehearsal.moments import ASKS_AT_ONCE, MOMENTS, TURNED_FROM, Moments
from tracker.decisions.visit.acts import LOOKING_AROUND, act_of
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.signals import Why
from tracker.sessions.model import Event, Report

ACT_MS: Final = 200
"""How long a click or a page turn takes in itself: no two events have the same time."""
AWAY_S: Final = 5
"""A shorter absence from the tab is not recorded."""
LATE_MS: Final = 30_000
"""A popup that could not be drawn for so long after it was due is dropped."""
SCROLL_STEP: Final = 25
"""The script records in quarters how far down a page was scrolled."""


class HandClock:
    """A clock that only the player moves, in ms since 1970. The engine of a rehearsal goes by it."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Popup:
    """The answer to a question, if it is to show something."""

    message_id: str
    language: str
    delay_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A popup that the shopper saw."""

    at_s: float
    message_id: str
    language: str


Send: TypeAlias = Callable[[Report], None]
"""Takes what the script posts to /ingest."""
Ask: TypeAlias = Callable[[str, Why], Popup | None]
"""Takes the session's id and the reason of the question, as the script posts them to /askai; None: show nothing."""


@dataclass(slots=True)
class Player:
    """One visit being played."""

    visit: ExampleVisit
    session: str
    clock: HandClock
    send: Send
    ask: Ask
    moments: Moments = MOMENTS
    drawn: list[Drawn] = field(default_factory=list)
    asked: int = 0
    items: int = 0
    _begin_ms: int = 0
    _path: str = ""
    _dwell_ms: int = 0
    """How long this page was on the screen since it was opened."""
    _act_ms: int = 0
    _asked_ms: int = 0
    _number: int = 0
    _deepest: int = 0
    _seen: set[str] = field(default_factory=set)
    _clicks: Counter[str] = field(default_factory=Counter)
    _queue: dict[str, list[Event]] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)
    """Milliseconds that each page was on the screen."""
    _is_shop_open: bool = False
    """False before the first page and in the checkout, where the script does not run."""
    _had_sign: bool = False
    _is_cart_new: bool = False
    """Whether the cart has changed since the last question."""
    _next: tuple[int, int, Popup] | None = None
    """A popup that was decided: when it is due, and the items in the cart when it was decided."""
    _scripted_popups: int = 0
    """How many steps lie before the last popup that the timeline itself shows: until then nothing is asked."""

    def play(self) -> None:
        """Play the whole timeline, and send what is left to send."""
        self._begin_ms = self._act_ms = self.clock.now_ms
        steps = self.visit.timeline
        self._scripted_popups = max((place + 1 for place, step in enumerate(steps) if step[0] == "popup"), default=0)
        for place, step in enumerate(steps):
            self._scripted_popups -= 1
            following = steps[place + 1] if place + 1 < len(steps) else None
            self._step(step, following)
        self._flush()

    def _step(self, step: Step, following: Step | None) -> None:
        match step:
            case ("view", path):
                self._view(path)
            case ("stay" | "wait", seconds):
                self._stay(round(seconds * 1000))
            case ("click", target):
                self._click(target, following)
            case ("scroll", depth):
                self._scroll(depth)
            case ("add", count):
                self._change_cart(self.items + count)
            case ("remove", count):
                self._change_cart(max(0, self.items - count))
            case ("setcart", count):
                self._set_cart(count)
            case ("exit",):
                self._record("exit_intent", how="mouse")
                self._question("exit")
            case ("hide", seconds):
                self._hide(round(seconds * 1000))
            case ("pixel", kind):
                self._checkout(kind)
            case ("popup", fate):
                self._record(f"popup_{fate}")

    # --- What the script records and sends ---

    def _record(self, kind: str, page: str = "", **more: Any) -> None:
        """Record an event that an act of the shopper's makes."""
        self._pass(ACT_MS)
        self._enqueue(kind, self.clock.now_ms, page, **more)
        self._act_ms = self.clock.now_ms

    def _enqueue(self, kind: str, ts: int, page: str = "", **more: Any) -> None:
        self._queue.setdefault(page or self._path or "/", []).append(
            {"type": kind, "ts": ts, "n": self._number, **more}
        )
        self._number += 1

    def _flush(self) -> None:
        """Send all events that were not sent yet, with the cart and the times as they are now."""
        events, self._queue = self._queue, {}
        now = self.clock.now_ms
        self.send(
            Report(
                session=self.session, items_in_cart=self.items, clock=now, time_on_page=dict(self._times), events=events
            )
        )

    def _view(self, address: str) -> None:
        left, dwell_ms = self._path, self._dwell_ms
        self._path, self._deepest, self._is_shop_open = path_of(address), 0, True
        self._clicks.clear()
        page = PageName.parse(self._path)
        self._had_sign = self._had_sign or self._path in self._seen or page.is_text or page.kind == "search"
        self._seen.add(self._path)
        self._record("view", **arrival_of(self.visit, address, is_first=not left))
        self._dwell_ms = 0
        if page.kind == "search":
            self._enqueue("search", self.clock.now_ms)
        if left and dwell_ms >= self.moments.turn * 1000 and PageName.parse(left).kind in TURNED_FROM:
            self._question("turn_away")

    def _click(self, target: str, following: Step | None) -> None:
        act = act_of(target)
        self._record("click", target=target)
        self._had_sign = self._had_sign or act not in LOOKING_AROUND
        if act in {"size", "colour"} and target.startswith(("input", "select")):
            self._enqueue("option_flip", self.clock.now_ms, target=target)
        elif act == "quantity":
            self._enqueue("quantity_change", self.clock.now_ms, target="input[quantity]")
        elif act == "drawer" and "close" not in target and (following is None or following[0] != "view"):
            self._enqueue("cart_view", self.clock.now_ms, where="drawer")
        self._clicks[target] += 1
        if self._clicks[target] in self.moments.again:
            self._question("again")

    def _scroll(self, depth: float) -> None:
        quarter = int(depth) // SCROLL_STEP * SCROLL_STEP
        if quarter > self._deepest:
            self._deepest = quarter
            self._record("scroll", depth=quarter)
        else:
            self._pass(ACT_MS)
            self._act_ms = self.clock.now_ms

    def _change_cart(self, items: int) -> None:
        if PageName.parse(self._path).kind == "cart":
            self._record("click", target="button.quantity__button")
            self._enqueue("quantity_change", self.clock.now_ms, target="input[quantity]")
        else:
            self._record("click", target="button.product-form__submit")
        self._set_cart(items)

    def _set_cart(self, items: int) -> None:
        was, self.items = self.items, items
        if was == items or not self._seen:  # what the cart held before the visit is no event
            return
        self._record(
            "add_to_cart" if items > was else "remove_from_cart",
            items=items,
            was=was,
            total=items * self.visit.price,
            currency=self.visit.currency,
            duplicates=0,
        )
        self._clicks.clear()
        self._is_cart_new = True

    def _hide(self, milliseconds: int) -> None:
        self._pass(ACT_MS)
        was_open, self._is_shop_open = self._is_shop_open, False
        self._pass(milliseconds)
        self._is_shop_open = was_open
        if self._next is not None and self._next[0] <= self.clock.now_ms:
            self._draw(self.clock.now_ms)
        self._act_ms = self.clock.now_ms
        seconds = milliseconds // 1000
        if seconds >= AWAY_S:
            self._record("presence", hidden=seconds)
        if 0 < self.moments.back <= seconds:
            self._question("back")

    def _checkout(self, kind: str) -> None:
        self._record(kind, page="/checkout", items=self.items)
        self._is_shop_open = False
        self._next = None

    # --- When it asks ---

    def _stay(self, milliseconds: int) -> None:
        end = self.clock.now_ms + milliseconds
        for still in self.moments.still if self._is_shop_open else ():
            due = max(self._act_ms + still * 1000, self._asked_ms + self.moments.gap * 1000)
            if self.clock.now_ms < due <= end:
                self._pass(due - self.clock.now_ms)
                if self._had_sign or self.items:
                    self._question("cart" if self._is_cart_new else "idle")
        self._pass(end - self.clock.now_ms)

    def _question(self, why: Why) -> None:
        """Ask, unless it is not the time for a question."""
        now, moments = self.clock.now_ms, self.moments
        if self._next is not None:
            if why == "exit":
                self._draw(now)
            return
        is_early = now - self._begin_ms < moments.early * 1000
        is_soon = now - self._asked_ms < moments.gap * 1000 and why not in ASKS_AT_ONCE
        is_quiet = bool(self.drawn) and now - self._begin_ms < (self.drawn[-1].at_s + moments.quiet) * 1000
        is_over = self.asked >= moments.most or not self._is_shop_open
        if is_early or is_soon or is_quiet or is_over or self._scripted_popups > 0:
            return
        self._asked_ms = now
        self.asked += 1
        self._is_cart_new = False
        self._flush()
        popup = self.ask(self.session, why)
        if popup is not None:
            self._next = (now + (0 if why == "exit" else popup.delay_ms), self.items, popup)
            self._pass(0)

    def _pass(self, milliseconds: int) -> None:
        """Let time pass, and draw the popup that becomes due meanwhile."""
        self.clock.now_ms += milliseconds
        if self._is_shop_open and self._path:
            self._times[self._path] += milliseconds
            self._dwell_ms += milliseconds
        if self._next is not None and self._is_shop_open and self.clock.now_ms >= self._next[0]:
            self._draw(self._next[0])

    def _draw(self, at_ms: int) -> None:
        """Draw the popup that was decided, unless the cart has changed since or it is too late for it."""
        assert self._next is not None
        (due_ms, items, popup), self._next = self._next, None
        if items != self.items or at_ms - due_ms > LATE_MS:
            why = "cart" if items != self.items else "late"
            self._enqueue("popup_dropped", at_ms, message_id=popup.message_id, why=why)
            return
        at_s = (at_ms - self._begin_ms) / 1000
        self.drawn.append(Drawn(at_s=at_s, message_id=popup.message_id, language=popup.language))
        self._enqueue("popup_shown", at_ms, message_id=popup.message_id)
