"""A visit as a timeline: what the shopper did and what was decided, in order, in words of the shop's owner.

It tells more than `story`, which prints decisions at a terminal: each page with what was done there is one moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter, itemgetter
from typing import Any, Final, Literal, TypeAlias

from tracker.decisions.log.entry import LogEntry
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.review.story import WHYS, span
from tracker.decisions.visit.event_types import POPUP_TYPES, VIEWS, whole
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.signals import Signals, Stage, counted, signals_of
from tracker.llm.faults import explanation_of
from tracker.sessions.model import Event, ShopperSession

Kind: TypeAlias = Literal["page", "act", "order", "popup", "held", "silence"]

_STAGES: Final[dict[Stage, str]] = {
    "landed": "Looked at one page",
    "browsing": "Looked around",
    "product": "Looked at products",
    "cart": "Has something in the cart",
    "checkout_seen": "Went on to the checkout",
    "bought": "Bought",
}
_ACTS: Final = {
    "exit_intent": "Moved to leave",
    "cart_view": "Opened the cart",
    "search": "Searched the shop",
    "sold_out": "Met something that is sold out",
    "discount_refused": "Entered a code that was refused",
    "checkout_started": "Went to the checkout",
}
_FATES: Final = {
    "popup_shown": "It was shown.",
    "popup_clicked": "It was clicked.",
    "popup_dismissed": "It was closed.",
}
_DROPS: Final = {
    "cart": "It was not drawn: the cart had changed.",
    "late": "It was not drawn: it came too late.",
    "dismissed": "It was not drawn: this browser closed it before.",
    "repeat": "It was not drawn: this browser saw it before.",
}
_WITHHELD: Final = "This shopper is in the group that sees no popups, so that both groups can be compared."
_QUIET: Final = frozenset({*POPUP_TYPES, "presence", "time", "page_time"})
_LONGEST: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened in a visit. `at_ms` is by the service's clock, as far as the browser's is known."""

    at_ms: int
    kind: Kind
    text: str
    notes: tuple[str, ...] = ()
    words: str = ""
    """What a popup said, or would have said."""


def headline(signals: Signals) -> str:
    """Return one sentence about a visit."""
    told = _STAGES[signals.stage]
    if signals.items_in_cart and signals.stage not in {"bought", "cart"}:
        told += f", with {counted(signals.items_in_cart, 'item')} in the cart"
    elif signals.items_in_cart and signals.stage == "cart":
        told = f"Has {counted(signals.items_in_cart, 'item')} in the cart"
    told += f": {counted(signals.pages, 'page')} in {span(signals.dwell_s)}"
    seen = [
        text
        for number, text in (
            (signals.popups_clicked, "clicked a popup"),
            (signals.popups_dismissed, "closed a popup"),
            (signals.popups_shown, "saw a popup"),
        )
        if number
    ]
    return f"{told}, {seen[0]}." if seen else f"{told}."


def one_line(session: ShopperSession, now_ms: int) -> str:
    """Return one sentence about a session."""
    return headline(signals_of(session, now_ms))


def timeline(session: ShopperSession) -> list[Moment]:
    """Return the moments of a visit, the oldest first."""
    log = DecisionLog.of(session)
    entries = log.entries
    skew_ms = next((entry.skew_ms for entry in reversed(entries) if entry.skew_ms), 0)
    events = sorted(((event["ts"], page, event) for page, event in session.all_events()), key=itemgetter(0, 1))
    done = [replace(one, at_ms=one.at_ms + skew_ms) for one in _acts(events)]
    fates = _fates(event for _ts, _page, event in events)
    decided = [_decision(entry, fates) for entry in entries]
    return sorted([*done, *_without_repeats(decided)], key=attrgetter("at_ms"))


def _acts(events: Iterable[tuple[int, str, Event]]) -> Iterator[Moment]:
    """Yield pages, each with what was done there, and what matters more than a page."""
    page: Moment | None = None
    name, clicks, depth = "", 0, 0

    def whole_page() -> Iterator[Moment]:
        if page is not None:
            notes = [counted(clicks, "click")] if clicks else []
            notes += [f"read to {depth} %"] if depth else []
            yield replace(page, notes=(", ".join(notes),) if notes else ())

    for ts, where, event in events:
        kind = str(event["type"])
        if kind in VIEWS or (where != name and kind not in _QUIET):
            if where != name or kind in VIEWS:
                yield from whole_page()
                page, name, clicks, depth = Moment(at_ms=ts, kind="page", text=_page(where)), where, 0, 0
            if kind in VIEWS:
                continue
        if kind in {"click", "option_flip", "quantity_change"}:
            clicks += 1
        elif kind == "scroll":
            depth = max(depth, min(100, whole(event.get("depth"))))
        elif told := _act(kind, event):
            yield from whole_page()
            page, clicks, depth = None, 0, 0
            yield Moment(at_ms=ts, kind="order" if kind == "checkout_completed" else "act", text=told)
    yield from whole_page()


def _page(name: str) -> str:
    page = PageName.parse(name)
    match page.kind:
        case "home":
            return "Opened the first page"
        case "cart":
            return "Opened the cart"
        case "checkout":
            return "Was in the checkout"
        case "order":
            return "Saw the page that thanks for the order"
        case "search":
            return "Looked at what the search had found"
    kind, _, handle = (page.interest() or "").partition(" ")
    return f"Opened the {kind} “{handle}”" if handle else f"Opened {_short(page.path or name)}"


def _act(kind: str, event: Event) -> str:
    items = whole(event.get("items"))
    now = f": {counted(items, 'item')} now" if items else ""
    match kind:
        case "add_to_cart":
            return f"Put something into the cart{now}"
        case "remove_from_cart":
            return f"Took something out of the cart: {counted(items, 'item')} left" if items else "Emptied the cart"
        case "checkout_completed":
            return f"Bought{_amount(event)}"
    return _ACTS.get(kind, "")


def _amount(event: Event) -> str:
    total, currency = event.get("total"), event.get("currency")
    if not isinstance(total, int | float) or isinstance(total, bool) or not isinstance(currency, str):
        return ""
    return f" for {total:,.2f} {_short(currency)}"


def _fates(events: Iterable[Event]) -> dict[str, str]:
    """Return what a browser last said of each popup, by the message's id; "" stands for a script that names none."""
    found: dict[str, str] = {}
    for event in events:
        kind = str(event["type"])
        if kind in POPUP_TYPES:
            message_id = event.get("message_id")
            told = _FATES.get(kind) or _DROPS.get(str(event.get("why")), "It was not drawn.")
            found[message_id if isinstance(message_id, str) else ""] = told
    return found


def _decision(entry: LogEntry, fates: dict[str, str]) -> Moment:
    notes = [f"Asked because {WHYS[entry.why]}."] if entry.why in WHYS else []
    if entry.fault is not None:
        notes.append(f"The model did not decide, for {explanation_of(entry.fault)}.")
    if entry.veto is not None:
        notes.append(f"The last check stopped it: {entry.veto}.")
    if entry.call is not None and entry.call.cost is not None:
        cost = entry.call.cost
        notes.append(
            f"{cost.model} answered in {cost.ms} ms with {cost.prompt_tokens + cost.completion_tokens} tokens."
        )
    if entry.popup is None and entry.withheld is not None:
        # The reason of a held decision ends with the one for the popup: `... Else "shipping": The rule holds.`
        reason = entry.reason.partition('": ')[2] or entry.reason
        text = f"We would have said this now: {_inside(reason)}"
        return Moment(at_ms=entry.at, kind="held", text=text, notes=(_WITHHELD, *notes), words=entry.withheld.text)
    if entry.popup is None:
        return Moment(
            at_ms=entry.at, kind="silence", text=f"Nothing was shown: {_inside(entry.reason)}", notes=tuple(notes)
        )
    popup = entry.popup
    fate = fates.get(popup.message_id, fates.get("", "No browser reported that it was drawn."))
    return Moment(
        at_ms=entry.at,
        kind="popup",
        text=f"A popup was decided for: {_inside(entry.reason)}",
        notes=(fate, *notes),
        words=popup.text,
    )


def _without_repeats(moments: Iterable[Moment]) -> Iterator[Moment]:
    """Leave out a silence for the same reason as the one before it."""
    before = ""
    for one in moments:
        if one.kind != "silence" or one.text != before:
            yield one
        before = one.text if one.kind == "silence" else ""


def _inside(text: str) -> str:
    """Return a sentence as it stands after a colon."""
    first = text.partition(" ")[0]
    return text[:1].lower() + text[1:] if first[1:].islower() and first != "I" else text


def _short(text: Any) -> str:
    plain = str(text)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"
