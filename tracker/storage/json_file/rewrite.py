"""A new session file beside the old one, which takes its place whole or leaves no trace."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from tracker.sessions.store import StoreBusyError
from tracker.storage.json_file import text

_BUFFER = 1 << 20
_UNFLUSHED = 4 << 20
"""How much is left to the system's cache at the most: a file system brings all of it to the disk before it ends the
flush of anybody else, and writers would wait a second for the copy of 100 MB."""


def sync_folder(path: Path) -> None:
    """Make the names in the folder of `path` last: a rename that was not synced may be undone by a power failure."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, lastingly."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder)


class Rewrite:
    """Writes `<file>.new`; `publish` renames it over the file. Without that, leaving the `with` removes it.

    One rewrite at a time over all processes, held by a lock on the new file itself; one that a crash left behind is
    not locked, and is written over. Raises StoreBusyError when another rewrite does not end within `patience` seconds.
    """

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self._path = path
        self._new = path.with_name(path.name + ".new")
        self._patience = patience
        self._fd = -1
        self._buffer = bytearray()
        self._is_published = False
        self._flushed_to = 0
        self.end = 0
        """Just behind what was written so far."""
        self.lines = 0

    def __enter__(self) -> Rewrite:
        limit = time.monotonic() + self._patience
        while True:
            fd = os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between opening and locking, the one who held it may have published or removed this very file.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(fd), os.stat(self._new)):
                        break
            except BlockingIOError:
                if time.monotonic() >= limit:
                    os.close(fd)
                    raise StoreBusyError("The session file is being rewritten; try again in a moment.") from None
                time.sleep(0.01)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        self._fd = fd
        try:
            os.ftruncate(fd, 0)
            self._put(text.HEAD)
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_published:
            self._discard()

    def _discard(self) -> None:
        # Removed before it is unlocked, so that nobody else can have begun to write it.
        with contextlib.suppress(OSError):
            self._new.unlink()
        os.close(self._fd)

    def add(self, lines: bytes, count: int = 1) -> int:
        """Add lines that are already joined with each other; tell at which offset they begin."""
        self._put(text.joint(first=self.lines == 0))
        begin = self.end
        self._put(lines)
        self.lines += count
        return begin

    def _put(self, piece: bytes) -> None:
        self._buffer += piece
        self.end += len(piece)
        if len(self._buffer) >= _BUFFER:
            self._write_out()

    def _write_out(self) -> None:
        offset = self.end - len(self._buffer)
        view = memoryview(self._buffer)
        while view:
            written = os.pwrite(self._fd, view, offset)
            offset += written
            view = view[written:]
        self._buffer = bytearray()
        if offset - self._flushed_to >= _UNFLUSHED:
            os.fdatasync(self._fd)
            self._flushed_to = offset

    def flush(self) -> None:
        """Bring what was added so far to the disk, so that `publish`, under the lock, has little left to do."""
        self._write_out()
        os.fdatasync(self._fd)

    def publish(self) -> int:
        """Put the new file in the place of the old one, lastingly, and hand over its descriptor."""
        self._buffer += text.FOOT
        self.end += len(text.FOOT)
        self.flush()
        self.end -= len(text.FOOT)
        os.rename(self._new, self._path)
        self._is_published = True
        try:
            sync_folder(self._path)
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        except BaseException:
            os.close(self._fd)
            raise
        return self._fd


def remove_leftover(path: Path) -> None:
    """Remove what a rewrite left behind that a crash ended."""
    new = path.with_name(path.name + ".new")
    if new.exists():
        with contextlib.suppress(StoreBusyError), Rewrite(path):
            pass
