"""The story of a session and its decisions, in sentences that the shop's owner understands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from tracker.decisions.log.entry import LogEntry
from tracker.decisions.log.session_log import DecisionLog
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
_ORIGINS: Final = {"gate": "no need to think", "rules": "by the local rules", "groq": "by the model"}


def explain(session: ShopperSession, now_ms: int) -> Iterator[str]:
    """Yield the lines of the story."""
    signals, log = signals_of(session, now_ms), DecisionLog.of(session)
    did = f"{counted(signals.events, 'event')} on {counted(signals.pages, 'page')}"
    yield f"Session {session.session}"
    yield (
        f"This shopper {_STAGES[signals.stage]}: {did} in "
        f"{_span(signals.dwell_s)}, {signals.items_in_cart} in the cart, last heard of {_span(signals.idle_s)} ago."
    )
    if signals.interests:
        yield f"Most looked at: {', '.join(signals.interests)}."
    if signals.hesitating:
        yield "They hesitate: the cart was come back to, or left standing."
    if signals.popups_shown or signals.popups_dismissed or signals.popups_clicked:
        yield (
            f"Popups seen: {signals.popups_shown}, closed: {signals.popups_dismissed}, "
            f"clicked: {signals.popups_clicked}."
        )
    yield ""
    entries = log.entries
    if not log.records:
        yield "Nobody asked yet whether a popup would help."
    if unreadable := len(log.records) - len(entries):
        yield f"Left out: {counted(unreadable, 'decision')} in this session's log that cannot be read."
    for entry in entries:
        yield from _entry_lines(entry)


def _entry_lines(entry: LogEntry) -> Iterator[str]:
    what = f'showed "{entry.popup.text}"' if entry.popup is not None else "showed nothing"
    yield f"{_when(entry.at)}  {what} ({_ORIGINS.get(entry.source, entry.source)}: {entry.trigger})"
    yield f"    because: {entry.reason}"
    signals = entry.signals
    pages = counted(signals.pages, "page")
    yield f"    at that time: {signals.items} in the cart, {_span(signals.dwell_s)} on {pages}"
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


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"
