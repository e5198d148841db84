"""A new session file beside the old one, which takes its place whole or leaves no trace; and what is copied into it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from itertools import chain
from pathlib import Path
from types import TracebackType

from tracker.durable import blocking
from tracker.sessions.store import Progress, StoreBusyError, StoreClosedError
from tracker.storage.json_file import text
from tracker.storage.json_file.blocks import Block
from tracker.storage.json_file.file import Identity, SessionFile, flush, flush_name, identity

_PIECE = 1 << 20
_UNFLUSHED = 4 << 20
"""How much is left to the system's cache at most: a file system brings all of it to the disk before it ends anybody
else's flush, and writers would wait a second for the copy of 100 MB."""

_TOLD_EVERY = 1000


class Rewrite:
    """Writes `<file>.new`; `publish` renames it over the file. Without that, leaving the `with` removes it.

    One rewrite at a time over all processes, held by `flock` on the new file itself: one that a crash left behind is
    not locked, and is written over. This lock comes before the file lock, never inside it. Raises StoreBusyError where
    another rewrite does not end within `patience` seconds.
    """

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self._path = path
        self.new = path.with_name(path.name + ".new")
        self._patience = patience
        self._fd = -1
        self._buffer: list[bytes | memoryview] = []
        self._buffered = 0
        self._flushed_to = 0
        self._is_published = False
        self.end = 0
        """Just behind what was added so far."""
        self._has_lines = False

    def __enter__(self) -> Rewrite:
        limit = time.monotonic() + self._patience
        while self._fd < 0:
            fd = os.open(self.new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between opening and locking, the last holder may have published or removed this very file.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(fd), os.stat(self.new)):
                        self._fd = fd
            except BlockingIOError:
                if time.monotonic() >= limit:
                    raise StoreBusyError("The session file is being rewritten; try again in a moment.") from None
                blocking.pause(0.01)
            finally:
                if self._fd < 0:
                    os.close(fd)
        try:
            os.ftruncate(self._fd, 0)
            self._put(text.HEADER)
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_published:
            os.close(self._fd)
        else:
            self._discard()

    def _discard(self) -> None:
        # Removed before it is unlocked, so that nobody else can have begun to write it.
        with contextlib.suppress(OSError):
            self.new.unlink()
        os.close(self._fd)

    @property
    def identity(self) -> Identity:
        return identity(os.fstat(self._fd))

    def add(self, lines: bytes | memoryview) -> None:
        """Add lines that are already joined with each other."""
        self._put(text.separator(first=not self._has_lines))
        self._put(lines)
        self._has_lines = True

    def _put(self, piece: bytes | memoryview) -> None:
        self._buffer.append(piece)
        self._buffered += len(piece)
        self.end += len(piece)
        if self._buffered >= _PIECE:
            self._write_out()

    def _write_out(self) -> None:
        offset = self.end - self._buffered
        view = memoryview(b"".join(self._buffer))
        self._buffer, self._buffered = [], 0
        while view:
            written = blocking.call(os.pwrite, self._fd, view, offset)
            offset += written
            view = view[written:]
        if self.end - self._flushed_to >= _UNFLUSHED:
            self.flush()

    def flush(self) -> None:
        """Bring what was added so far to the disk, so that `publish`, under the file lock, has little left to do."""
        if self._buffered:
            self._write_out()
        if self._flushed_to < self.end:
            flush(self._fd)
            self._flushed_to = self.end

    def finish(self) -> None:
        """Write the footer: the file is whole, and on the disk."""
        self._put(text.FOOTER)
        self.flush()

    def publish(self) -> None:
        """Put the finished file in the place of the old one, lastingly; the caller holds the file lock."""
        os.rename(self.new, self._path)
        self._is_published = True
        flush_name(self._path)
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    # --- compaction --------------------------------------------------------------------------------------------

    def copy_live(self, old: SessionFile, blocks: list[Block], stop: threading.Event, progress: Progress) -> None:
        """Copy the live lines of these blocks, in their order.

        Needs no lock. Pieces of a MB at most: other threads go on while each is read, written and flushed.
        """
        total, done, told = sum(block.alive.count(1) for block in blocks), 0, 0
        base, piece = 0, memoryview(b"")
        for place, count in chain.from_iterable(block.live_runs(_PIECE) for block in blocks):
            if place.start + place.length > base + len(piece):
                if stop.is_set():
                    raise StoreClosedError("The service is stopping; try again in a moment.")
                base, piece = place.start, memoryview(blocking.call(old.read_bytes, *place, _PIECE))
            self.add(piece[place.start - base :][: place.length])
            done += count
            if done - told >= _TOLD_EVERY:
                told = done
                progress(done, total)
        progress(total, total)

    def copy_behind(self, old: SessionFile, begin: int, end: int) -> None:
        """Copy all lines that were appended behind `begin`, up to `end`."""
        begin += len(text.separator(first=begin == len(text.HEADER)))
        if begin < end:
            self.add(b"")
        while begin < end:
            piece = blocking.call(old.read_bytes, begin, min(_PIECE, end - begin))
            self._put(piece)
            begin += len(piece)


def remove_leftover(path: Path) -> None:
    """Remove what a rewrite left behind that a crash ended."""
    if path.with_name(path.name + ".new").exists():
        with contextlib.suppress(StoreBusyError), Rewrite(path):
            pass
