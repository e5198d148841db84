"""A file lock shared by threads and processes, always taken within a time limit."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracker.durable import blocking
from tracker.durable.fork import reset_after_fork

_FIRST_PAUSE = 0.000_05
_LONGEST_PAUSE = 0.001
_LONGEST_NOTE = 4096


class LockBusyError(Exception):
    """Another thread or process still holds the lock when the time limit is over."""


def take(fd: int, until: float) -> None:
    """Take the exclusive `flock` of an open file by `until` (monotonic). Raises LockBusyError.

    flock cannot wait with a limit, so a waiter tries again after a pause that grows from 50 µs to 1 ms: a writer holds
    the lock for about 100 µs, and a stopped holder must not take every other thread with it.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise LockBusyError("another process holds the lock") from None
        blocking.pause(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def release(fd: int) -> None:
    """Release the `flock` of an open file."""
    fcntl.flock(fd, fcntl.LOCK_UN)


class FileLock:
    """A lock that threads and processes share, taken within `timeout` seconds or refused with LockBusyError.

    It is `flock` on a file of its own, which we never replace or remove. Where another's hand does, two processes would
    hold two different files of one name; so a holder compares the file that it locked with the file of that name now.
    The kernel releases the lock when its holder dies.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._place = str(path)
        self.timeout = timeout
        self._fd: int | None = None
        self._opened: os.stat_result | None = None
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """Open the lock file anew: `flock` belongs to the open file, which a forked child shares with its parent."""
        self._close()
        self._threads = threading.Lock()

    @contextmanager
    def held(self, until: float | None = None) -> Iterator[None]:
        """Hold the lock for the time of a `with`; see `acquire`."""
        self.acquire(until)
        try:
            yield
        finally:
            self.release()

    def acquire(self, until: float | None = None) -> None:
        """Take the lock by `until` on the monotonic clock, or within the usual time.

        Raises LockBusyError, or OSError where the lock file cannot be opened.
        """
        limit = until if until is not None else time.monotonic() + self.timeout
        if not self._threads.acquire(timeout=max(0.0, limit - time.monotonic())):
            raise LockBusyError("another thread holds the lock")
        try:
            self._take(limit)
        except BaseException:
            self._threads.release()
            raise

    def release(self) -> None:
        """Let go of the lock; its holder does."""
        try:
            if self._fd is not None:
                release(self._fd)
        finally:
            self._threads.release()

    def _take(self, limit: float) -> None:
        while True:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._close_file = weakref.finalize(self, os.close, self._fd)
                self._opened = None
            try:
                self._opened = self._opened or os.fstat(self._fd)
                take(self._fd, limit)
                if os.path.samestat(self._opened, os.stat(self._place)):  # noqa: PTH116  at each write
                    return
            except FileNotFoundError:
                pass
            except OSError:
                self._close()  # That releases it, too.
                raise
            self._close()  # The lock file was removed or replaced: the others use the one of this name now.

    def leave_note(self, note: bytes) -> None:
        """Leave a few bytes in the lock file for other processes; only the holder may. It need not survive a crash."""
        if self._fd is not None:
            os.pwrite(self._fd, note.ljust(_LONGEST_NOTE), 0)

    def read_note(self) -> bytes:
        """Return what the last holder left, or nothing. Needs no lock."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.pread(fd, _LONGEST_NOTE, 0).rstrip()
        finally:
            os.close(fd)

    def close(self) -> None:
        with self._threads:
            self._close()

    def _close(self) -> None:
        if self._fd is not None:
            self._close_file()
            self._fd = None
