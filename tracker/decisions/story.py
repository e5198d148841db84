"""A session and its decisions told as a story that the shop's owner understands, and two decisions compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from tracker.decisions import log as ledger
from tracker.decisions.engine import Advice
from tracker.decisions.log import Entry
from tracker.decisions.signals import Stage, counted, summarise
from tracker.sessions.model import ShopperSession

_STAGES: Final[dict[Stage, str]] = {
    "landed": "looked at one page",
    "browsing": "looked around",
    "product": "looked at products",
    "cart": "has something in the cart",
    "checkout_seen": "went on to the checkout",
    "bought": "bought",
}
_FAULTS: Final = {
    "budget": "the day's budget for the model was used up",
    "breaker": "the model had failed again and again and was left alone for a while",
    "retry_after": "the model's server had asked for a pause",
    "cool_down": "the model had been asked about this session a short while before",
    "waited": "another question about the same session was under way",
    "busy": "as many questions as allowed were under way",
    "timeout": "the model did not answer in time",
    "rate_limited": "the model's server said: not now",
    "refused": "the model's server refused the question; check the key and the model's name",
    "unreachable": "the model could not be reached",
    "unusable": "the model answered nothing that could be used",
    "invalid": "the model answered something else than it was asked for",
    "unavailable": "the calls could not be counted",
}


def explain(session: ShopperSession, now_ms: int) -> Iterator[str]:
    """Give the lines of the story."""
    summary = summarise(session, now_ms)
    did = f"{counted(summary.events, 'event')} on {counted(summary.pages, 'page')}"
    yield f"Session {session.session}"
    yield (
        f"This shopper {_STAGES[summary.stage]}: {did} in "
        f"{_span(summary.dwell_s)}, {summary.items_in_cart} in the cart, last heard of {_span(summary.idle_s)} ago."
    )
    if summary.interests:
        yield f"Most looked at: {', '.join(summary.interests)}."
    if summary.hesitating:
        yield "They hesitate: the cart was come back to, or left standing."
    if summary.popups_shown or summary.popups_dismissed or summary.popups_clicked:
        yield (
            f"Popups seen: {summary.popups_shown}, closed: {summary.popups_dismissed}, "
            f"clicked: {summary.popups_clicked}."
        )
    kept = ledger.entries(session)
    yield ""
    if not kept:
        yield "Nobody asked yet whether a popup would help."
    for entry in kept:
        yield from _told(entry)


def _told(entry: Entry) -> Iterator[str]:
    when = datetime.fromtimestamp(entry["at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    signals = entry["signals"]
    what = f'showed "{entry["message"]}"' if entry["show"] else "showed nothing"
    yield f"{when}  {what} ({_decider(entry)})"
    yield f"    because: {entry['reason']}"
    pages = counted(signals["pages"], "page")
    yield f"    at that time: {signals['items']} in the cart, {_span(signals['dwell'])} on {pages}"
    if "fault" in entry:
        yield f"    the rules decided, for {_FAULTS.get(entry['fault'], entry['fault'])}"
    if "veto" in entry:
        yield f"    the guard stopped it: {entry['veto']}"
    model: dict[str, Any] = entry.get("model", {})
    if "pick" in model:
        yield f'    the model ({model.get("name", "?")}) picked {model["pick"]}: "{model["reason"]}"'
    if "ms" in model:
        tokens = model["promptTokens"] + model["completionTokens"]
        yield f"    it took {model['ms']} ms and {tokens} tokens, with prompt {entry['prompt']}"


def _decider(entry: Entry) -> str:
    names = {"gate": "no need to think", "rules": "by the local rules", "groq": "by the model"}
    return f"{names.get(entry['source'], entry['source'])}: {entry['trigger']}"


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def replayed(session: ShopperSession, now: Advice) -> dict[str, Any]:
    """Compare what was shown with what today's file, rules and prompt would show: {session, before, now, changed}.

    `before` is the last decision that was kept, None where nobody had asked.
    """
    last = ledger.last(session)
    before = None if last is None else {"show": last["show"], "pick": last.get("pick"), "trigger": last["trigger"]}
    after = {
        "show": now.decision.show_popup,
        "pick": now.sentence.id if now.sentence is not None else None,
        "trigger": now.decision.trigger,
    }
    is_same = before is not None and (before["show"], before["pick"]) == (after["show"], after["pick"])
    return {"session": session.session, "before": before, "now": after, "changed": not is_same}
