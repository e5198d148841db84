"""`Cell`: a small value that all workers share and change as one step; and its file."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from tracker.durable import blocking
from tracker.durable.lock import FileLock, LockBusyError

CellChange: TypeAlias = Callable[[bytes | None], bytes]
"""From the value as it is (None: there is none yet) to the value as it shall be.

Pure: a cell may call it more than once, each time with the value that stands there by then.
"""


class CellError(Exception):
    """The value cannot be read or changed now. It is what it was."""


class Cell(Protocol):
    """A few hundred bytes under one name, for threads, processes and machines alike."""

    def get(self) -> bytes | None:
        """Return the value, or None where none was stored yet. Raises CellError."""

    def update(self, change: CellChange) -> bytes:
        """Read, change and store the value as one step; return what is stored now. Raises CellError.

        No other update of any process comes between. When this returns, the value survives a crash of all processes; a
        power failure may leave an earlier value, never a part of one. A change that returns what it was given writes
        nothing; a change that raises leaves everything as it was, and its error passes.
        """

    def close(self) -> None:
        """Close files and connections."""


class FileCell:
    """A Cell in a file of its own, written beside it and renamed over it, behind a lock that waits for `timeout_s`."""

    def __init__(self, path: Path, timeout_s: float = 0.5) -> None:
        """Touch nothing yet."""
        self._path = path
        self._lock = FileLock(path.with_name(path.name + ".lock"), timeout_s)

    def get(self) -> bytes | None:
        """See Cell. Needs no lock."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CellError(f"the value cannot be read ({error.strerror})") from error

    def update(self, change: CellChange) -> bytes:
        """See Cell."""
        # Taken by hand, so that what the change raises is not taken for an error of the cell.
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self._lock.held())
            except LockBusyError as error:
                raise CellError("another process holds the value") from error
            except OSError as error:
                raise CellError(f"the value cannot be locked ({error.strerror})") from error
            old = self.get()
            new = change(old)
            if new != old:
                self._write(new)
            return new

    def close(self) -> None:
        """See Cell."""
        self._lock.close()

    def _write(self, value: bytes) -> None:
        new = self._path.with_name(self._path.name + ".new")
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                if os.write(fd, value) != len(value):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                blocking.flush(fd)
            finally:
                os.close(fd)
            new.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            raise CellError(f"the value cannot be written ({error.strerror})") from error
