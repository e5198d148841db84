"""One state of the session file, one inode, as this process knows it: index, reads, appends and flushes.

A compaction puts a new file, and so a new generation, in the place of the old; whoever still reads the old one may go
on, for its descriptor lives as long as the object.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import orjson

from tracker.sessions.json_file import text
from tracker.sessions.model import Record
from tracker.sessions.store import StoreDamagedError, StoreFullError

_READ_AT_ONCE = 1 << 24
"""More new bytes than this are mapped and not read, to keep the memory of a start-up small."""

_LENGTH_BITS = 32
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1


def entry(offset: int, length: int) -> int:
    """Pack a place in the file into one integer: with its key and its place in the dict, about 200 bytes a session."""
    return offset << _LENGTH_BITS | length


CANNOT_WRITE = "The sessions cannot be written: the disk is full or refuses to write. Free some space, then try again."


class Generation:
    """Not locked by itself: appends and `learn` need the store's file lock, reads need nothing."""

    def __init__(self, fd: int) -> None:
        """Take over the descriptor of a file that begins with the head; knows no line of it yet."""
        self.fd = fd
        self._close = weakref.finalize(self, os.close, fd)
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self._index: dict[str, int] = {}
        self._index_mutex = threading.Lock()
        self._deleted: list[str] = []
        self.end = len(text.HEAD)
        """Just behind the last line that is known: where the foot stands."""
        self._others_to = 0
        """Just behind the last line that this object did not append itself."""
        self.lines = 0
        self.live_bytes = 0
        self._flushed = threading.Condition()
        self._flushing = False
        self._flushed_to = 0
        self.is_suspect = False
        """A flush failed: what the disk holds of this file is unknown, and asking it again would not tell."""

    @classmethod
    def open(cls, path: Path) -> Generation:
        """Open the file, only to read where that is all the system allows. Raises OSError (FileNotFoundError, ...)."""
        try:
            return cls(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM}:
                raise
        return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def adopt(self, index: dict[str, int], end: int, lines: int) -> None:
        """Take what is known of a file that this process just wrote and flushed, in place of reading it."""
        self._index = index
        self.live_bytes = sum(entry & _LENGTH_MASK for entry in index.values())
        self.end, self.lines = end, lines
        self._flushed_to = self.size

    @property
    def size(self) -> int:
        """How large the file is if nothing was appended since `learn`."""
        return self.end + len(text.FOOT)

    @property
    def dead_bytes(self) -> int:
        return self.end - self.live_bytes

    def __len__(self) -> int:
        return len(self._index)

    # --- reading -----------------------------------------------------------------------------------------------

    def learn(self) -> bool:
        """Read what was appended since the last time; tell whether the file is whole to its end.

        Where it is not, everything up to `end` is known and in order, and what follows is for recovery to judge.
        """
        size = os.fstat(self.fd).st_size
        if size < self.end:
            raise StoreDamagedError("The session file became shorter by another's hand.")
        if size == self.size:
            return os.pread(self.fd, len(text.FOOT), self.end) == text.FOOT
        if size - self.end > _READ_AT_ONCE:
            with mmap.mmap(self.fd, size, prot=mmap.PROT_READ) as data:
                return self._learn_from(text.Scan(data, self.end, first=self.lines == 0), base=0)
        data_behind = self.read_bytes(self.end, size - self.end)
        return self._learn_from(text.Scan(data_behind, 0, first=self.lines == 0), base=self.end)

    def _learn_from(self, scan: text.Scan, base: int) -> bool:
        for line in scan:
            self._note(line.session_id, base + line.offset, line.length, line.deleted)
        self.lines += scan.lines
        if base + scan.end > self.end:
            self.end = self._others_to = base + scan.end
        return scan.is_whole

    def _note(self, session_id: str, offset: int, length: int, deleted: bool) -> None:
        with self._index_mutex:
            # Taken out before it is put in, so that the index stands in order of writing, newest last.
            before = self._index.pop(session_id, 0)
            if not deleted:
                self._index[session_id] = entry(offset, length)
            elif before:
                self._deleted.append(session_id)
        self.live_bytes += (0 if deleted else length) - (before & _LENGTH_MASK)

    def positions(self) -> list[tuple[str, int, int]]:
        """Give (session id, offset, length) of every live line, in order of writing."""
        with self._index_mutex:
            items = list(self._index.items())
        return [(session_id, packed >> _LENGTH_BITS, packed & _LENGTH_MASK) for session_id, packed in items]

    def changes_since(self, end: int) -> tuple[list[tuple[str, int, int]], list[str]]:
        """Give the live lines written behind `end`, in order, and the ids of sessions deleted in this generation."""
        written: list[tuple[str, int, int]] = []
        with self._index_mutex:
            for session_id, packed in reversed(self._index.items()):
                if packed >> _LENGTH_BITS < end:
                    break
                written.append((session_id, packed >> _LENGTH_BITS, packed & _LENGTH_MASK))
            gone = [session_id for session_id in self._deleted if session_id not in self._index]
        return written[::-1], gone

    def take_over(self, written: list[tuple[str, int, int]], gone: list[str], end: int, lines: int) -> None:
        """Note lines that another generation of the file had and this one was given too."""
        for session_id, offset, length in written:
            self._note(session_id, offset, length, deleted=False)
        for session_id in gone:
            self._note(session_id, 0, 0, deleted=True)
        self.end, self.lines = end, self.lines + lines
        self._flushed_to = self.size

    def newest_first(self) -> Iterator[Record]:
        """Give every record, the one written last first, as they stood at the first."""
        for session_id, offset, length in reversed(self.positions()):
            yield self._read(session_id, offset, length)

    def read(self, session_id: str) -> Record | None:
        """Give the record as last written. Raises StoreDamagedError where the file does not hold what it held."""
        with self._index_mutex:
            packed = self._index.get(session_id)
        return None if packed is None else self._read(session_id, packed >> _LENGTH_BITS, packed & _LENGTH_MASK)

    def read_bytes(self, offset: int, length: int) -> bytes:
        """Give a part of the file as it is. Raises StoreDamagedError where it ends before."""
        found = os.pread(self.fd, length, offset)
        while len(found) < length:
            more = os.pread(self.fd, length - len(found), offset + len(found))
            if not more:
                raise StoreDamagedError("The session file became shorter by another's hand.")
            found += more
        return found

    def _read(self, session_id: str, offset: int, length: int) -> Record:
        found = self.read_bytes(offset, length)
        key = orjson.dumps(session_id) + b":"
        try:
            if not found.startswith(key):
                raise ValueError("another line stands here")
            record: Record = orjson.loads(found[len(key) :])
        except ValueError:
            raise StoreDamagedError("A line of the session file is not as it was written.") from None
        return record

    # --- writing -----------------------------------------------------------------------------------------------

    def append(self, session_id: str, record: Record | None) -> None:
        """Write one line over the foot, and the foot behind it, in one call; `flush` makes it last."""
        line = text.line(session_id, record)
        joint = text.joint(first=self.lines == 0)
        piece = joint + line + text.FOOT
        try:
            written = os.pwrite(self.fd, piece, self.end)
        except OSError as error:
            self._put_foot_back()
            raise StoreFullError(CANNOT_WRITE) from error
        if written < len(piece):
            self._put_foot_back()
            raise StoreFullError(CANNOT_WRITE)
        self._note(session_id, self.end + len(joint), len(line), record is None)
        self.lines += 1
        self.end += len(joint) + len(line)

    def _put_foot_back(self) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self.fd, text.FOOT, self.end)
            os.ftruncate(self.fd, self.size)

    def take_back_unflushed(self) -> None:
        """Cut off what this object appended and could not flush, unless another process wrote behind it.

        Nobody was told that those lines were saved. The index is wrong afterwards: drop this object.
        """
        flushed_end = self._flushed_to - len(text.FOOT)
        if self._others_to <= flushed_end < self.end:
            self.end = flushed_end
            self._put_foot_back()

    def flush(self) -> None:
        """Return when all that was appended before the call is on the disk. Writers that wait share one flush.

        Raises StoreFullError when the disk reports an error. The kernel may then have dropped the very pages and call
        the file clean, so this generation is never flushed again: it is `is_suspect`, and has to be written anew.
        """
        wanted = self.size
        with self._flushed:
            while self._flushed_to < wanted:
                if self.is_suspect:
                    raise StoreFullError(CANNOT_WRITE)
                if self._flushing:
                    self._flushed.wait()
                    continue
                self._flushing = True
                covers = self.size
                self._flushed.release()
                failure: OSError | None = None
                try:
                    os.fdatasync(self.fd)
                except OSError as error:
                    failure = error
                finally:
                    self._flushed.acquire()
                    self._flushing = False
                    self._flushed.notify_all()
                if failure is not None:
                    self.is_suspect = True
                    raise StoreFullError(CANNOT_WRITE) from failure
                self._flushed_to = covers
