"""The write queue: updates of one process that come together share one lock, one append and one flush."""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from tracker.metrics.counts import Histogram
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import StoreBusyError

BUSY = "The sessions are being written to by others; try again in a moment."
_MORE_PATIENCE_S = 0.5

_WAITED: Final = Histogram(
    "tracker_store_queue_seconds", "What updates of the session file wait until they are written, for its lock too."
)

Change: TypeAlias = Callable[[ShopperSession | None], ShopperSession | None]
"""From the session as it is stored to the session as it shall be; None: there is none."""


class Write:
    """One update or deletion, to be written by its own thread or by another's within `patience_s` seconds."""

    __slots__ = ("_error", "_result", "_woken", "began", "change", "leads", "session_id", "until")

    def __init__(self, session_id: str, change: Change, patience_s: float) -> None:
        self.session_id = session_id
        self.change = change
        self.began = time.monotonic()
        self.until = self.began + patience_s
        self.leads = False
        """Whether this write's thread was woken to lead the next batch."""
        self._result: ShopperSession | None = None
        self._error: Exception | None = None

    def become_waiting(self) -> None:
        """Be ready for `wake` and `wait`."""
        self._woken = threading.Lock()
        self._woken.acquire()

    def succeed(self, result: ShopperSession | None) -> None:
        """Note what is stored; it counts once the batch is on the disk."""
        self._result = result

    def fail(self, error: Exception) -> None:
        """Note why nothing was stored; the first error counts."""
        self._error = self._error or error

    def outcome(self) -> ShopperSession | None:
        """Return what is stored now, or raise what went wrong."""
        if self._error is not None:
            # A copy, because the writes of a batch share a failure and each raises it in its own thread.
            raise copy.copy(self._error) from self._error
        return self._result

    def wake(self, *, leads: bool = False) -> None:
        """End the wait of this write's thread: it is written, or it leads."""
        self.leads = leads
        self._woken.release()

    def wait(self, timeout: float) -> bool:
        """Wait until woken; return False where that did not come in time (-1: no limit)."""
        return self._woken.acquire(timeout=timeout)


class WriteQueue:
    """The writes that wait, and whether one leads."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._waiting: deque[Write] = deque()
        self._is_led = False

    def enter(self, write: Write, is_at_work: Callable[[], bool]) -> bool:
        """Return True where the caller has to lead; else its write was written, or failed. Raises StoreBusyError.

        `is_at_work`: the leader does what can take seconds, which is no sign of being stuck.
        """
        with self._lock:
            if not self._is_led:
                self._is_led = True
                return True
            write.become_waiting()
            self._waiting.append(write)
        while not write.wait(max(0.0, write.until - time.monotonic())):
            if is_at_work():
                write.until = time.monotonic() + _MORE_PATIENCE_S
                continue
            with self._lock:
                if write in self._waiting:
                    self._waiting.remove(write)
                    raise StoreBusyError(BUSY)
            write.wait(-1)  # Another thread has it in its batch, or just made this one the leader.
            break
        return write.leads

    def batch(self, own: Write) -> list[Write]:
        """Return the leader's batch: its own write first, then all that wait."""
        with self._lock:
            batch = [own, *self._waiting]
            self._waiting.clear()
        now = time.monotonic()
        for write in batch:
            _WAITED.observe(now - write.began)
        return batch

    def hand_over(self) -> None:
        """Make the next write that waits the leader, if there is one."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().wake(leads=True)
            else:
                self._is_led = False
