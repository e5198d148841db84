"""A file lock shared by threads and processes, always taken within a time limit."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FIRST_PAUSE = 0.000_05
_LONGEST_PAUSE = 0.001


class LockBusyError(Exception):
    """Another thread or process still holds the lock when the time limit is over."""


class FileLock:
    """A lock that threads and processes share, taken within `timeout` seconds or refused with LockBusyError.

    It is `flock` on a file of its own, which is never replaced or removed: a lock on the data file would admit two
    holders as soon as that is renamed over, and a removed lock file splits the waiters. `flock` belongs to the open
    file, so a process that was forked opens the file anew; the kernel lets go of the lock when its holder dies.

    flock cannot wait with a limit, so a waiter tries again after a pause that grows from 50 µs to 1 ms: a writer holds
    the lock for about 100 µs, and a holder that was stopped must not take every other thread with it.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self.timeout = timeout
        self._fd: int | None = None
        self._begin_in_this_process()

    def _begin_in_this_process(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
        self._threads = threading.Lock()
        self._pid = os.getpid()

    @contextmanager
    def held(self, until: float | None = None) -> Iterator[None]:
        """Hold the lock, taken by `until` on the monotonic clock where that is given.

        Raises LockBusyError, or OSError where the lock file cannot be opened.
        """
        if self._pid != os.getpid():
            self._begin_in_this_process()
        now = time.monotonic()
        limit = until if until is not None else now + self.timeout
        if not self._threads.acquire(timeout=max(0.0, limit - now)):
            raise LockBusyError("another thread holds the lock")
        try:
            fd = self._open()
            self._take(fd, limit)
            try:
                yield
            finally:
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        if self._pid != os.getpid():
            self._begin_in_this_process()
        with self._threads:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._fd

    @staticmethod
    def _take(fd: int, limit: float) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= limit:
                    raise LockBusyError("another process holds the lock") from None
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
