"""Taking a report in: merged into its session, within the bounds of its address and of the session."""

from __future__ import annotations

from collections.abc import Callable

from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import Report, ShopperSession
from tracker.sessions.store import SessionStore
from tracker.web.callers.limits import Bound, Limits


class _NoRoomError(Exception):
    """The session would be a new one, and its address began as many as it may."""


def take_in(
    store: SessionStore, report: Report, session_limits: SessionLimits, now_ms: Callable[[], int], limits: Limits
) -> None:
    """Store the report. Raises ApiError 429 where the session or its address did too much, and a StoreError."""
    limits.take(Bound.REPORTS, report.session)
    sender = limits.sender()
    limits.check(Bound.WRITTEN, sender)
    # Looked up before: the store may call the change in the thread of another request, with another address.
    may_begin, is_new, is_changed = limits.has_room(Bound.SESSIONS, sender), False, False

    def change(stored: ShopperSession | None) -> ShopperSession:
        nonlocal is_new, is_changed
        is_new = stored is None
        if is_new and not may_begin:
            raise _NoRoomError
        merged = merge(stored, report, session_limits, now_ms())
        is_changed = merged is not stored
        return merged

    try:
        session = store.update(report.session, change)
    except _NoRoomError:
        limits.refuse(Bound.SESSIONS)
    if is_new:
        limits.add(Bound.SESSIONS, of=sender)
    if is_changed:
        limits.add(Bound.WRITTEN, session.merge.event_bytes, sender)
