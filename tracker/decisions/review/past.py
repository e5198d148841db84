"""A session as it stood when a stored decision was made: what was known then, and nothing that came later.

A log entry says how many events there were, when the last of them happened, and what the cart held. So the session of
that moment can be made again from the stored one, whatever the shopper's clock said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tracker.decisions.log.entry import LogEntry
from tracker.decisions.log.session_log import fingerprint, log_before
from tracker.decisions.visit.event_types import NOT_BY_SHOPPER
from tracker.sessions.model import Event, ShopperSession


class PastLostError(Exception):
    """The session of that moment cannot be made again: events of before have arrived or been dropped since."""


def session_then(session: ShopperSession, entry: LogEntry, number: int) -> ShopperSession:
    """Return the session as it stood when its log's record `number` (from 0) was made, which `entry` is.

    The time on each page is not known for a moment of the past: their sum then is spread as it is spread now. Raises
    PastLostError.
    """
    last_act_ms, items = _last_of(entry)
    events = _events_until(session, last_act_ms, _last_note_ms(session, entry))
    then = replace(
        session,
        items_in_cart=items,
        events=events,
        time_on_page=_times_then(session, events, entry),
        updated_at=entry.at,
        merge=replace(session.merge, cart_clock=entry.at - entry.skew_ms),
        decisions=log_before(session, number),
    )
    if fingerprint(then) != entry.fingerprint:
        raise PastLostError
    return then


def _last_of(entry: LogEntry) -> tuple[int, int]:
    """Return (when the last act was, the items in the cart) of an entry's fingerprint."""
    try:
        _acts, last, items = map(int, entry.fingerprint.split("."))
    except ValueError:
        raise PastLostError from None
    return last, items


def _last_note_ms(session: ShopperSession, entry: LogEntry) -> int:
    """Return the time of the last event of then that no act of the shopper's made, by the shopper's clock."""
    times = sorted(event["ts"] for _page, event in session.all_events() if event["type"] in NOT_BY_SHOPPER)
    if entry.noted is None:
        return entry.at - 1
    return times[: entry.noted][-1] if entry.noted and times else 0


def _events_until(session: ShopperSession, last_act_ms: int, last_note_ms: int) -> dict[str, list[Event]]:
    """Return the events of then: those of the shopper's acts, and the others."""
    found: dict[str, list[Event]] = {}
    for page, events in session.events.items():
        kept = [one for one in events if one["ts"] <= (last_note_ms if one["type"] in NOT_BY_SHOPPER else last_act_ms)]
        if kept:
            found[page] = kept
    return found


def _times_then(session: ShopperSession, events: Mapping[str, Any], entry: LogEntry) -> dict[str, int]:
    """Return times of the pages of then that add up to the time of then."""
    times = session.time_on_page
    pages = [page for page in times if page in events]
    # Another script reports times of pages without events: as many of them as there were pages.
    others = [page for page in times if page not in session.events]
    pages += others[: max(0, entry.signals.pages - len(events.keys() | set(pages)))]
    total, rest = sum(times[page] for page in pages), entry.signals.dwell_s * 1000
    found: dict[str, int] = {}
    for page in pages:
        found[page] = min(rest, round(entry.signals.dwell_s * 1000 * times[page] / total)) if total else 0
        rest -= found[page]
    if pages:
        found[pages[-1]] += rest
    return found
