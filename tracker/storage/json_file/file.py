"""One session file (one inode) as this process knows it: catch up, read, append, flush.

A rewrite puts another file in its place. A reader of the old one may go on: its descriptor lives as long as the object.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

import orjson

from tracker.durable import blocking
from tracker.metrics.counts import Histogram
from tracker.sessions.model import Record
from tracker.sessions.store import StoreDamagedError, StoreFullError
from tracker.storage.json_file import text
from tracker.storage.json_file.blocks import Place
from tracker.storage.json_file.index import Index

Identity: TypeAlias = tuple[int, int]
"""(device, inode)."""

CANNOT_WRITE = "The sessions cannot be written: the disk is full or refuses to write. Free some space, then try again."
NOT_AS_WRITTEN = "A line of the session file is not as it was written."

_PIECE = 1 << 20
"""Larger files are read in pieces. (Mapped, a file that is cut meanwhile would kill the process with SIGBUS.)"""

_MUCH = 1 << 16

PARSED_TAIL = 32 << 20
"""At opening, so many bytes at the end are parsed: only there can a crash have left anything. Lines before were flushed
long ago; they are parsed when they are read. (A GB in 6 s of CPU instead of 13.)"""

_PROBE = b" " * 4096


def identity(status: os.stat_result) -> Identity:
    """Return which file this is the status of."""
    return status.st_dev, status.st_ino


def version(status: os.stat_result) -> tuple[Identity, int, int]:
    """Return what changes with any write to the file of this status."""
    return identity(status), status.st_size, status.st_mtime_ns


_FLUSHES: Final = Histogram("tracker_store_flush_seconds", "What a flush takes; the updates of a batch share one.")


class State(Enum):
    """How the file is, compared with what is known of it."""

    WHOLE = "everything is known, and the footer stands behind it"
    UNSETTLED = "something else stands behind the last line that is known: half a write, a torn line or damage"
    SHORTER = "the file ends before what is known of it"
    MISSING = "there is no file"


class SessionFile:
    """Appending needs the file lock, whatever touches the index the memory lock, and reading neither."""

    def __init__(self, path: Path) -> None:
        """Open the file, to read only where the system allows no more. Raises OSError; knows no line yet."""
        self.is_read_only = False
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, IsADirectoryError):
            raise
        except OSError:  # no permission, or a read-only file system
            self.is_read_only, fd = True, os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.fd = fd
        self._close = weakref.finalize(self, os.close, fd)
        self.identity = identity(os.fstat(fd))
        self.index = Index()
        self._flushing = threading.Lock()
        """One flush at a time: writers that wait for it find their lines covered by the next one, and share that."""
        self._flushed_to = 0
        self.was_whole = False
        """Whether all of it was known once: what is appended from then on is known by its beginning."""
        self.is_settled = False
        """Whether a holder of the file lock found it sound."""
        self.parses_all = False
        """Whether every line is parsed at opening, whatever that takes."""
        self._others_to = 0
        """Just behind the last line that another object, mostly another process, appended."""
        self._name_to_flush: Path | None = path
        """The process that renamed the file to this name may have died before it made the name last."""
        self.is_poisoned = False
        """A flush failed: what the disk holds is unknown, and asking again would not tell. It must be written anew."""

    @property
    def size(self) -> int:
        """The size in bytes if nothing was appended since the file was caught up with."""
        return self.index.end + len(text.FOOTER)

    def lacks(self, status: os.stat_result) -> bool:
        """Return whether so much was appended that it is better read without the file lock."""
        return status.st_size > self.size + _MUCH

    # --- reading -----------------------------------------------------------------------------------------------

    def read(self, place: Place, session_id: str) -> Record:
        """Return the record at a place. Raises StoreDamagedError where the file does not hold what it held."""
        record = text.read_record_of(text.key_of(session_id), self.read_bytes(*place))
        if record is None:
            raise StoreDamagedError(NOT_AS_WRITTEN)
        return record

    def read_any(self, place: Place) -> tuple[str, Record]:
        """Return (session id, record) at a place. Raises StoreDamagedError."""
        try:
            session_id, record = text.read_line(self.read_bytes(*place))
        except ValueError:
            record = None
        if record is None:
            raise StoreDamagedError(NOT_AS_WRITTEN)
        return session_id, record

    def id_at(self, place: Place) -> str:
        """Return whose line stands at a place, reading no more of it than that takes."""
        found = text.KEY_OF_LINE.match(os.pread(self.fd, min(place.length, 512), place.start))
        return self.read_any(place)[0] if found is None else str(orjson.loads(found[1]))

    def read_bytes(self, start: int, length: int, at_once: int = 0) -> bytes:
        """Return a part of the file, and what follows up to `at_once` bytes. Raises StoreDamagedError past the end."""
        found = os.pread(self.fd, max(length, at_once), start)
        while len(found) < length:
            more = os.pread(self.fd, length - len(found), start + len(found))
            if not more:
                raise StoreDamagedError("The session file became shorter by another's hand.")
            found += more
        return found

    def rest(self) -> bytes:
        """Return what stands behind the last line that is known."""
        return os.pread(self.fd, max(0, os.fstat(self.fd).st_size - self.index.end), self.index.end)

    def begins_well(self) -> bool:
        return not self.index.is_empty or os.pread(self.fd, len(text.HEADER), 0) == text.HEADER

    def catch_up(self, *, settled: bool, size: int | None = None) -> State:
        """Take in what was appended since the last time.

        `settled`: the caller holds the file lock, so that nobody is writing; then all whole lines are taken in, and
        what follows them is for recovery to judge. Else the end of the file may be half a write, and is taken in whole
        or not at all. `size`: the file's, where the caller has just seen it.
        """
        size = os.fstat(self.fd).st_size if size is None else size
        if size < self.size and not self.index.is_empty:
            return State.SHORTER
        if not self.begins_well():
            return State.UNSETTLED
        if size == self.size:
            is_whole = os.pread(self.fd, len(text.FOOTER), self.index.end) == text.FOOTER
            self.was_whole = self.was_whole or is_whole
            return State.WHOLE if is_whole else State.UNSETTLED
        at_once = _PIECE
        while (left := size - self.index.end) > at_once:
            trusts = self.was_whole or (left > PARSED_TAIL and not self.parses_all)
            data = self.read_bytes(self.index.end, at_once)
            data = data[: max(data.rfind(b",\n"), 0)]
            if not self._take_in(text.Scan(data, first=self.index.is_empty, trusts=trusts), size):
                at_once *= 2  # A longer line, or one that does not fit.
            blocking.give_way()
        data = os.pread(self.fd, max(left, 0), self.index.end)
        scan = text.Scan(data, first=self.index.is_empty, trusts=self.was_whole)
        if scan.is_whole or settled:
            self._take_in(scan, size)
        self.was_whole = self.was_whole or scan.is_whole
        return State.WHOLE if scan.is_whole else State.UNSETTLED

    def _take_in(self, scan: text.Scan, size: int) -> bool:
        if self.index.is_empty and scan.end:
            self.index.reserve(size * len(scan.keys) // scan.end)
        self.index.add(scan.keys, scan.lengths, scan.times)
        self._others_to = self.index.end
        return scan.end > 0

    def adopt(self, index: Index) -> None:
        """Take over what is known of a file that a compaction made: no line of it has to be read."""
        self.index, self.was_whole, self._others_to = index, True, index.end

    # --- writing -----------------------------------------------------------------------------------------------

    def open_to_write(self, path: Path) -> None:
        """Where the file could only be read so far, try to open it again for writing. Raises StoreFullError."""
        if self.is_read_only:
            try:
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise StoreFullError(CANNOT_WRITE) from error
            os.dup2(fd, self.fd, inheritable=False)
            os.close(fd)
            self.is_read_only = False

    def append(self, records: Iterable[tuple[str, Record | None]]) -> None:
        """Write a line for each over the footer, and the footer behind them, in one call; `flush` makes them last.

        Each session id comes once at most; None is a tombstone. Raises StoreFullError, and nothing was written.
        """
        keys, lines, times = [], [], []
        for session_id, record in records:
            keys.append(text.key_of(session_id))
            lines.append(text.line(session_id, record))
            times.append(None if record is None else text.updated_at(record))
        begin = text.separator(first=self.index.is_empty)
        self._put(begin + text.separator(first=False).join(lines) + text.FOOTER)
        self.index.add(keys, list(map(len, lines)), times)

    def try_to_append(self) -> None:
        """Write some blanks where the next line would stand, and take them back. Raises StoreFullError."""
        self._put(text.FOOTER + _PROBE)
        with contextlib.suppress(OSError):
            self.end_here()

    def _put(self, piece: bytes) -> None:
        failure: OSError | None = None
        try:
            if os.pwrite(self.fd, piece, self.index.end) == len(piece):
                return
        except OSError as error:
            failure = error
        with contextlib.suppress(OSError):
            self.end_here()
        raise StoreFullError(CANNOT_WRITE) from failure

    def end_here(self) -> None:
        """Put the footer behind the last line that is known, and cut off what follows."""
        # In this order the last whole line is never without its footer.
        os.pwrite(self.fd, text.FOOTER, self.index.end)
        os.ftruncate(self.fd, self.size)

    def unflushed(self) -> int | None:
        """Return where the lines begin that were appended here, not flushed, and followed by no other process's."""
        own = max(self._flushed_to - len(text.FOOTER), self._others_to, len(text.HEADER))
        return own if own < self.index.end and os.fstat(self.fd).st_size == self.size else None

    def cut(self, end: int) -> None:
        """Cut off everything behind `end`. The index is wrong afterwards: drop this object."""
        self.index.end = end
        with contextlib.suppress(OSError):
            self.end_here()

    def flush(self) -> None:
        """Return when everything that was appended before the call is on the disk.

        Raises StoreFullError when the disk reports an error. The kernel may then have dropped the very pages and call
        the file clean, so this file is never flushed again.
        """
        wanted = self.size
        with self._flushing:
            if self._flushed_to >= wanted:
                return
            if self.is_poisoned:
                raise StoreFullError(CANNOT_WRITE)
            covers, began = self.size, time.monotonic()
            try:
                flush(self.fd)
                _FLUSHES.observe(time.monotonic() - began)
                if self._name_to_flush is not None:
                    flush_name(self._name_to_flush)
                    self._name_to_flush = None
            except OSError as error:
                self.is_poisoned = True
                raise StoreFullError(CANNOT_WRITE) from error
            self._flushed_to = covers


# --- blocking calls -----------------------------------------------------------------------------------------------


def flush(fd: int) -> None:
    """Bring a file's content to the disk."""
    blocking.flush(fd)


def flush_name(path: Path) -> None:
    """Bring the names in the folder of `path` to the disk: else a power failure may undo a renaming."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        blocking.flush_all(fd)
    finally:
        os.close(fd)
