"""The story of a session and its decisions, in sentences that the shop's owner understands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final

from tracker.decisions.log.entry import LogEntry, LoggedPopup
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.visit.event_types import POPUP_TYPES
from tracker.decisions.visit.signals import Stage, counted, signals_of
from tracker.llm.faults import explanation_of
from tracker.sessions.model import ShopperSession

_STAGES: Final[dict[Stage, str]] = {
    "landed": "looked at one page",
    "browsing": "looked around",
    "product": "looked at products",
    "cart": "has something in the cart",
    "checkout_seen": "went on to the checkout",
    "bought": "bought",
}
_DROPS: Final = {"cart": "the cart had changed", "late": "it came too late", "dismissed": "it was closed before"}
_ORIGINS: Final = {"gate": "no need to think", "rules": "by the local rules", "groq": "by the model"}
WHYS: Final = {
    "cart": "the cart had changed",
    "idle": "nothing was touched for a while",
    "exit": "the shopper moved to leave",
    "back": "the shopper came back to the tab",
    "turn_away": "the shopper turned away from a page",
    "again": "the same thing was clicked again and again",
    "page": "a page was opened",
}
"""Why a script asked, in words."""


def explain(session: ShopperSession, now_ms: int) -> Iterator[str]:
    """Yield the lines of the story."""
    signals, log = signals_of(session, now_ms), DecisionLog.of(session)
    did = f"{counted(signals.events, 'event')} on {counted(signals.pages, 'page')}"
    yield f"Session {session.session}"
    yield (
        f"This shopper {_STAGES[signals.stage]}: {did} in "
        f"{span(signals.dwell_s)}, {signals.items_in_cart} in the cart, last heard of {span(signals.idle_s)} ago."
    )
    if signals.interests:
        yield f"Most looked at: {', '.join(signals.interests)}."
    if signals.hesitating:
        yield "They hesitate: they came back to the cart or from the checkout, moved to leave, or did nothing."
    if signals.popups_shown or signals.popups_dismissed or signals.popups_clicked:
        yield (
            f"Popups seen: {signals.popups_shown}, closed: {signals.popups_dismissed}, "
            f"clicked: {signals.popups_clicked}."
        )
    yield ""
    entries, drawing = log.entries, _Drawing(session)
    if not log.records:
        yield "Nobody asked yet whether a popup would help."
    if unreadable := len(log.records) - len(entries):
        yield f"Left out: {counted(unreadable, 'decision')} in this session's log that cannot be read."
    for entry in entries:
        yield from _entry_lines(entry, drawing)


class _Drawing:
    """What the shopper's browser reported of the popups that were decided."""

    def __init__(self, session: ShopperSession) -> None:
        order = sorted((event for _page, event in session.all_events()), key=itemgetter("ts"))
        popups = [event for event in order if event["type"] in POPUP_TYPES]
        self._fates = {event["message_id"]: event for event in popups if isinstance(event.get("message_id"), str)}
        self._unnamed = sum(event["type"] == "popup_shown" and "message_id" not in event for event in popups)

    def of(self, popup: LoggedPopup) -> str:
        """Return what became of a popup; called once for each, in the order of the log."""
        event = self._fates.get(popup.message_id)
        if event is None and self._unnamed:
            self._unnamed -= 1  # a script of 1.0 does not say which popup it has drawn
            return f'showed "{popup.text}"'
        match None if event is None else event["type"]:
            case "popup_shown":
                return f'showed "{popup.text}"'
            case "popup_dismissed":
                return f'showed "{popup.text}", which was closed'
            case "popup_clicked":
                return f'showed "{popup.text}", which was clicked'
            case "popup_dropped":
                why = "" if event is None else _DROPS.get(str(event.get("why")), "")
                return f'decided for "{popup.text}", which was not drawn{why and f": {why}"}'
        return f'decided for "{popup.text}", but no browser reported that it was drawn'


def _entry_lines(entry: LogEntry, drawing: _Drawing) -> Iterator[str]:
    if entry.popup is not None:
        what = drawing.of(entry.popup)
    else:
        what = "showed nothing" if entry.withheld is None else f'would have shown "{entry.withheld.text}"'
    yield f"{_when(entry.at)}  {what} ({_ORIGINS.get(entry.source, entry.source)}: {entry.trigger})"
    yield f"    because: {entry.reason}"
    if entry.why:
        yield f"    asked because {WHYS.get(entry.why, entry.why)}"
    signals = entry.signals
    pages = counted(signals.pages, "page")
    yield f"    at that time: {signals.items} in the cart, {span(signals.dwell_s)} on {pages}"
    if entry.fault is not None:
        yield f"    the rules decided, for {explanation_of(entry.fault)}"
    if entry.veto is not None:
        yield f"    the guardrails stopped it: {entry.veto}"
    if entry.call is None:
        return
    proposal, cost = entry.call.proposal, entry.call.cost
    if proposal is not None:
        name = "?" if cost is None else cost.model
        yield f'    the model ({name}) picked {proposal.message_id or "none"}: "{proposal.reason}"'
    if cost is not None:
        tokens = cost.prompt_tokens + cost.completion_tokens
        yield f"    it took {cost.ms} ms and {tokens} tokens, with prompt {entry.call.prompt_version}"


def _when(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        # A damaged log may hold a moment beyond the year 9999.
        return f"{ms} ms"


def span(seconds: int) -> str:
    """Return a time in one unit: 90 s, 12 min, 3 h, 4 days."""
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"
