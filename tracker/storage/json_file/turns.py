"""Writers of one process that come at the same time: one of them writes for all, and they share a lock and a flush."""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable

from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Change, StoreBusyError

_MORE_PATIENCE_S = 0.5


class Write:
    """One update that waits to be written, by its own thread or by another's, until the clock says `until`."""

    __slots__ = ("_error", "_result", "_woken", "change", "leads", "session_id", "until")

    def __init__(self, session_id: str, change: Change, until: float) -> None:
        self.session_id = session_id
        self.change = change
        self.until = until
        self.leads = False
        """Whether this one's thread was woken to write for those that wait."""
        self._result: ShopperSession | None = None
        self._error: Exception | None = None
        self._woken = threading.Lock()
        self._woken.acquire()

    def done(self, result: ShopperSession) -> None:
        """Note what is stored now, once that is written; it counts when all of the batch is on the disk."""
        self._result = result

    def fail(self, error: Exception) -> None:
        """Note why it was not stored. What went wrong first is told."""
        self._error = self._error or error

    def outcome(self) -> ShopperSession:
        """Give what is stored now, or raise what went wrong."""
        if self._error is not None:
            # A copy, for each of those who share a failure to raise in its own thread.
            raise copy.copy(self._error) from self._error
        assert self._result is not None, "a write is done or failed"
        return self._result

    def wake(self, *, leads: bool = False) -> None:
        self.leads = leads
        self._woken.release()

    def wait(self, *, to_the_end: bool = False) -> bool:
        """Wait until woken; False where that did not come in time."""
        return self._woken.acquire(timeout=-1 if to_the_end else max(0.0, self.until - time.monotonic()))


class Turns:
    """Who writes now, and who waits for it.

    The first to come leads: it waits for the file's lock and writes what has gathered by then. Before it waits for the
    disk it hands the lead to one of those that came too late for it, so that the next batch is written meanwhile.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[Write] = deque()
        self._is_led = False

    def enter(self, write: Write, is_reading: Callable[[], bool]) -> bool:
        """Tell whether the caller has to lead; else the write was written, or failed. Raises StoreBusyError.

        `is_reading` tells that who leads is reading a file that is new to this process: it takes seconds for a GB,
        and is no sign of being stuck.
        """
        with self._mutex:
            if not self._is_led:
                self._is_led = True
                return True
            self._waiting.append(write)
        while not write.wait():
            if is_reading():
                write.until = time.monotonic() + _MORE_PATIENCE_S
                continue
            with self._mutex:
                if write in self._waiting:
                    self._waiting.remove(write)
                    raise StoreBusyError("The sessions are being written to by others; try again in a moment.")
            write.wait(to_the_end=True)  # Another thread has it, or just made this one the leader.
            break
        return write.leads

    def gather(self, own: Write) -> list[Write]:
        """Give the leader its batch: its own write first, then all that wait."""
        with self._mutex:
            batch = [own, *self._waiting]
            self._waiting.clear()
        return batch

    def hand_over(self) -> None:
        """Give the lead to the next that waits, or to nobody."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().wake(leads=True)
            else:
                self._is_led = False
