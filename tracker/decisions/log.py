"""What was decided for a session, kept with it: the ledger that limits, the cache and `flask explain` read.

Kept under `decisions`: {entries, shown?, lastShown?, lastAsked?, askingUntil?}. An entry: {at, source, trigger, show,
reason, confidence, seen, shop, signals: {stage, items, dwell, pages, hesitating}}; with a popup also {pick, message,
category, delayMs}; where it was so {veto}, {fault}; and where the model was asked {prompt, model: {pick?, reason?,
opening?, name?, ms?, promptTokens?, completionTokens?}}. Moments are ms since 1970, `dwell` is in seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeAlias

from tracker.sessions.model import ShopperSession

Entry: TypeAlias = dict[str, Any]

KEPT: Final = 20
"""Entries a session keeps: the newest, and with a popup's limit counted beside them, enough for every rule."""


def entries(session: ShopperSession) -> list[Entry]:
    """Give the entries, oldest first."""
    return list(session.decisions.get("entries", ()))


def last(session: ShopperSession) -> Entry | None:
    """Give the newest entry."""
    kept = entries(session)
    return kept[-1] if kept else None


def shown(session: ShopperSession) -> int:
    """Count the popups that were ever decided for, also those whose entries had to go."""
    return int(session.decisions.get("shown", 0))


def last_shown_ms(session: ShopperSession) -> int:
    """Tell when a popup was decided for last, 0 for never."""
    return int(session.decisions.get("lastShown", 0))


def last_asked_ms(session: ShopperSession) -> int:
    """Tell when the model was asked last, 0 for never."""
    return int(session.decisions.get("lastAsked", 0))


def asking_until(session: ShopperSession) -> int:
    """Tell until when somebody is asking the model about this session, 0 for nobody."""
    return int(session.decisions.get("askingUntil", 0))


def claimed(session: ShopperSession, now_ms: int, until_ms: int) -> ShopperSession:
    """Give the session with a note that the model is being asked about it."""
    decisions = {**session.decisions, "askingUntil": until_ms, "lastAsked": now_ms}
    return replace(session, decisions=decisions)


def with_entry(session: ShopperSession, entry: Entry, *, ends_asking: bool = False) -> ShopperSession:
    """Give the session with an entry added; `ends_asking`: by the one that had noted to be asking the model."""
    decisions: dict[str, Any] = {**session.decisions, "entries": [*entries(session), entry][-KEPT:]}
    if ends_asking:
        decisions.pop("askingUntil", None)
    if entry["show"]:
        decisions |= {"shown": shown(session) + 1, "lastShown": entry["at"]}
    return replace(session, decisions=decisions)


def most_items(session: ShopperSession) -> int:
    """Tell how full the cart was at most, as far as it was asked about."""
    return max((entry["signals"]["items"] for entry in entries(session)), default=0)


def fingerprint(session: ShopperSession) -> str:
    """Name what the shopper did so far: as long as it stays the same, so does an answer.

    That a popup was shown is nothing that the shopper did.
    """
    acts = [event["ts"] for _page, event in session.all_events() if event["type"] != "popup_shown"]
    return f"{len(acts) + session.merge.dropped_events}.{max(acts, default=0)}.{session.items_in_cart}"
