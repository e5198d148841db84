"""Retention: visits that were not heard of for KEEP_DAYS are deleted by the service itself, once a day.

One worker at a time does it, over all machines: a cell says until when it is being done, and for which day it is. A
worker looks every hour, behind a request, and not in its first minutes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response

from tracker.durable.cell import Cell, CellError
from tracker.durable.fork import reset_after_fork
from tracker.sessions.store import SessionStore, StoreError

log = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
FIRST_LOOK_S: Final = 300.0
LOOK_AGAIN_S: Final = 3600.0
_LONGEST_MS: Final = 2 * 3_600_000
"""A worker that has not finished by then has died: another one may begin."""


class Retention:
    """Deletes what is too old. The sums of what it deletes stay, see `SessionStore.prune`."""

    def __init__(
        self,
        store: SessionStore,
        cell: Cell,
        keep_days: int,
        clock: Callable[[], int],
        *,
        first_look_s: float = FIRST_LOOK_S,
    ) -> None:
        """`keep_days`: 0 keeps everything; `clock` returns ms since 1970. Touches nothing yet."""
        self._store = store
        self._cell = cell
        self._keep_days = keep_days
        self._clock = clock
        self._first_look_s = first_look_s
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """A worker that is forked begins to count its own minutes."""
        self._lock = threading.Lock()
        self._due = time.monotonic() + self._first_look_s

    def register(self, app: Flask) -> None:
        """Look behind the requests of an application."""

        @app.after_request
        def look(response: Response) -> Response:
            if self._keep_days and time.monotonic() >= self._due:
                self.begin()
            return response

    def begin(self) -> threading.Thread | None:
        """Look in a thread of its own, unless one was begun lately; return that thread."""
        with self._lock:
            if time.monotonic() < self._due:
                return None
            self._due = time.monotonic() + LOOK_AGAIN_S
        thread = threading.Thread(target=self.look, name="retention", daemon=True)
        thread.start()
        return thread

    def look(self) -> int:
        """Delete what is too old, unless that was done today or is being done; return how many visits that were."""
        if not self._keep_days:
            return 0
        now = self._clock()
        try:
            if not self._claim(now):
                return 0
            count = self._store.prune(now - self._keep_days * DAY_MS)
            self._note({"done": now // DAY_MS})
        except (StoreError, CellError) as error:
            log.warning("visits older than KEEP_DAYS could not be deleted now, and will be later: %s", error)
            self._give_up()
            return 0
        log.info("deleted %d visits that were not heard of for %d days", count, self._keep_days)
        return count

    def _claim(self, now: int) -> bool:
        is_ours = False

        def claimed(stored: bytes | None) -> bytes:
            nonlocal is_ours
            state = _read(stored)
            is_ours = state.get("done") != now // DAY_MS and not 0 <= state.get("until", 0) - now <= _LONGEST_MS
            return json.dumps({**state, "until": now + _LONGEST_MS}).encode() if is_ours else stored or b"{}"

        self._cell.update(claimed)
        return is_ours

    def _give_up(self) -> None:
        # Where that fails, the next worker begins when the claim is over.
        with contextlib.suppress(CellError):
            self._note({"until": 0})

    def _note(self, news: dict[str, int]) -> None:
        self._cell.update(lambda stored: json.dumps({**_read(stored), "until": 0, **news}).encode())


def _read(stored: bytes | None) -> dict[str, Any]:
    try:
        state = json.loads(stored or b"{}")
    except ValueError:
        return {}
    known = isinstance(state, dict) and all(type(value) is int for value in state.values())
    return state if known else {}
