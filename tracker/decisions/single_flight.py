"""Single flight: one question to the model about a session at a time, over all workers; the others wait for its answer.

The claim stands in the session's decision log, where every worker sees it; no lock is held while the model answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from tracker.decisions.case import Case, still_stored
from tracker.decisions.log.session_log import DecisionLog, with_claim
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore

_WAIT_STEP_S: Final = 0.1


class ClaimedError(Exception):
    """Another question is asking the model about this session, or has asked since this one was read."""


class SingleFlight:
    """Claims on sessions, and waiting for the outcome of another question's claim."""

    def __init__(self, store: SessionStore, clock: Callable[[], int], *, lease_s: float, waits_at_once: int) -> None:
        """`lease_s`: a claim ends by itself after it, because its worker may die.

        At most `waits_at_once` questions of this process wait: each looks into the store ten times a second.
        """
        self._store = store
        self._clock = clock
        self._lease_ms = round(lease_s * 1000)
        self._waits = threading.BoundedSemaphore(waits_at_once)

    def claim(self, case: Case) -> ShopperSession:
        """Store the claim in the session and return the session with it.

        Raises ClaimedError, SessionGoneError or a StoreError.
        """

        def claimed(stored: ShopperSession | None) -> ShopperSession:
            session = still_stored(stored)
            log = DecisionLog.of(session)
            if log.asking_until_ms > case.now_ms or log.last_asked_ms > case.log.last_asked_ms:
                raise ClaimedError
            return with_claim(session, case.now_ms, case.now_ms + self._lease_ms)

        return self._store.update(case.session.session, claimed)

    def wait(self, session_id: str, until: float) -> ShopperSession | None:
        """Return the session as soon as no other question is asking about it.

        None if that is not so by `until` (monotonic clock), if the session was deleted, or if no more may wait.
        """
        if not self._waits.acquire(blocking=False):
            return None
        try:
            while time.monotonic() < until:
                time.sleep(_WAIT_STEP_S)
                session = self._store.get(session_id)
                if session is None or DecisionLog.of(session).asking_until_ms <= self._clock():
                    return session
            return None
        finally:
            self._waits.release()
