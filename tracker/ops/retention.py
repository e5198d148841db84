"""Retention: what the service deletes by itself. Visits go by age, after KEEP_DAYS, and by size, at MAX_STORE_BYTES.

One worker at a time does it, over all machines: a cell says until when it is being done, and for which day what is too
old was deleted. A worker looks behind a request: at the size each time, which costs nothing, and at the age every hour,
but not in its first minutes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from tracker.durable.cell import Cell, CellError
from tracker.durable.fork import reset_after_fork
from tracker.metrics.counts import Counter
from tracker.sessions.store import SessionStore, StoreBusyError, StoreError

log = logging.getLogger(__name__)

_State: TypeAlias = dict[str, int]
"""What the cell holds: `until`, of a claim; `done`, the last day; `room_made` and `lost`, when and how many in all."""

_DELETED: Final = Counter("tracker_deleted_visits", "Visits that the service deleted by itself, by age or size.", "why")

DAY_MS: Final = 86_400_000
FIRST_LOOK_S: Final = 300.0
LOOK_AGAIN_S: Final = 3600.0
_LONGEST_MS: Final = 2 * 3_600_000
"""A worker that has not finished by then has died: another one may begin."""
_LONGEST_FOR_ROOM_MS: Final = 600_000
"""The same for making room, which cannot wait so long. Where two do it at once all the same, the second finds room."""
_PAUSE_S: Final = 1.0
"""How long a worker waits while another one makes room, or writes."""
_LONG_PAUSE_S: Final = 60.0
"""How long one waits that could make none."""
_ASK_AGAIN_S: Final = 300.0
"""How often a store is asked that cannot tell its size for nothing."""


class Retention:
    """Deletes what is too old, or too much. The sums of what it deletes stay, see `SessionStore.prune`."""

    def __init__(
        self,
        store: SessionStore,
        cell: Cell,
        keep_days: int,
        clock: Callable[[], int],
        *,
        most_bytes: int = 0,
        first_look_s: float = FIRST_LOOK_S,
    ) -> None:
        """`keep_days`, `most_bytes`: 0 sets no bound; `clock` returns ms since 1970. Touches nothing yet."""
        self._store = store
        self._cell = cell
        self._keep_days = keep_days
        self._most_bytes = most_bytes
        self._clock = clock
        self._first_look_s = first_look_s
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """A worker that is forked begins to count its own minutes."""
        self._lock = threading.Lock()
        self._due = time.monotonic() + self._first_look_s
        self._not_before = 0.0

    def watch(self, _exchange: object) -> None:
        """Look behind a request of the application."""
        with contextlib.suppress(StoreError):  # what is wrong with the store, the answers say
            if (self._keep_days and time.monotonic() >= self._due) or self._may_be_too_large():
                self.begin()

    def begin(self) -> threading.Thread | None:
        """Look in a thread of its own, unless one was begun lately; return that thread."""
        with self._lock:
            now = time.monotonic()
            is_due = now >= self._due
            if is_due:
                self._due = now + LOOK_AGAIN_S
            is_large = self._may_be_too_large()
            if is_large:
                self._not_before = now + _LONG_PAUSE_S
            if not is_due and not is_large:
                return None
        looks = [self.look] * is_due + [self.make_room] * is_large
        thread = threading.Thread(target=lambda: [look() for look in looks], name="retention", daemon=True)
        thread.start()
        return thread

    def look(self) -> int:
        """Delete what is too old, unless that was done today or is being done; return how many visits that were."""
        if not self._keep_days:
            return 0
        now = self._clock()
        try:
            if not self._claim(now, _LONGEST_MS, lambda state: state.get("done") != now // DAY_MS):
                return 0
            count = self._store.prune(now - self._keep_days * DAY_MS)
            self._note(lambda state: {**state, "done": now // DAY_MS})
        except (StoreError, CellError) as error:
            log.warning("visits older than KEEP_DAYS could not be deleted now, and will be later: %s", error)
            self._give_up()
            return 0
        _DELETED.add("age", amount=count)
        log.info("deleted %d visits that were not heard of for %d days", count, self._keep_days)
        return count

    def make_room(self) -> int:
        """Delete what is too much, unless that is being done; return how many visits that were."""
        if not self._most_bytes:
            return 0
        now = self._clock()
        try:
            if not self._claim(now, _LONGEST_FOR_ROOM_MS):
                self._not_before = time.monotonic() + _PAUSE_S
                return 0
            count = self._store.shrink(self._most_bytes)
            lost = {"room_made": now} if count else {}
            self._note(lambda state: {**state, **lost, "lost": state.get("lost", 0) + count})
        except (StoreError, CellError) as error:
            log.warning("the store is larger than MAX_STORE_BYTES, and no room could be made now: %s", error)
            if isinstance(error, StoreBusyError):
                self._not_before = time.monotonic() + _PAUSE_S
            self._give_up()
            return 0
        size = self._store.size()
        if size is None:
            self._not_before = time.monotonic() + _ASK_AGAIN_S
        elif count or size <= self._most_bytes:
            self._not_before = 0.0
        if count:
            _DELETED.add("size", amount=count)
            log.warning("the store reached MAX_STORE_BYTES: deleted the %d visits not heard of for longest", count)
        return count

    def notice(self) -> str | None:
        """Return a sentence for the owner where visits were deleted for want of room within the last day."""
        if not self._most_bytes:
            return None
        with contextlib.suppress(CellError):
            state = _read(self._cell.get())
            if 0 <= self._clock() - state.get("room_made", -DAY_MS) < DAY_MS:
                return (
                    f"The store reached MAX_STORE_BYTES ({self._most_bytes / 1e6:,.0f} MB), so visits were deleted"
                    f" before their time, {state.get('lost', 0)} so far. Set it higher, and see that the disk has twice"
                    " as much; set KEEP_DAYS lower; or look for a client that floods the service."
                )
        return None

    def _may_be_too_large(self) -> bool:
        if not self._most_bytes or time.monotonic() < self._not_before:
            return False
        size = self._store.size()
        return size is None or size > self._most_bytes

    def _claim(self, now: int, longest_ms: int, is_wanted: Callable[[_State], bool] = lambda _state: True) -> bool:
        is_ours = False

        def claimed(stored: bytes | None) -> bytes:
            nonlocal is_ours
            state = _read(stored)
            is_ours = is_wanted(state) and not 0 <= state.get("until", 0) - now <= _LONGEST_MS
            return json.dumps({**state, "until": now + longest_ms}).encode() if is_ours else stored or b"{}"

        self._cell.update(claimed)
        return is_ours

    def _give_up(self) -> None:
        # Where that fails, the next worker begins when the claim is over.
        with contextlib.suppress(CellError):
            self._note(lambda state: state)

    def _note(self, change: Callable[[_State], _State]) -> None:
        self._cell.update(lambda stored: json.dumps({**change(_read(stored)), "until": 0}).encode())


def _read(stored: bytes | None) -> _State:
    try:
        state = json.loads(stored or b"{}")
    except ValueError:
        return {}
    known = isinstance(state, dict) and all(type(value) is int for value in state.values())
    return state if known else {}
