"""One state of the session file, one inode, as this process knows it: index, reads, appends and flushes.

A compaction puts a new file, and so a new generation, in the place of the old; whoever still reads the old one may go
on, for its descriptor lives as long as the object.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from tracker.sessions.model import Record
from tracker.sessions.store import Position, StoreDamagedError, StoreFullError
from tracker.storage.json_file import text
from tracker.storage.json_file.rewrite import sync_folder

_READ_AT_ONCE = 1 << 20
"""Larger files are read in pieces, to keep the memory of a start-up small. (Mapped, a file that another process cuts
meanwhile would kill this one with SIGBUS.)"""

_LENGTH_BITS = 32
_OFFSET_BITS = 48
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1

Entry: TypeAlias = int
"""When a session was updated, where its line stands and how long it is, packed into one integer, because the index
holds one for every session: with its key and its place in the dict about 200 bytes."""


def entry(updated_at: int, offset: int, length: int) -> Entry:
    """Pack the three: times in ms, places in bytes."""
    return (updated_at << _OFFSET_BITS | offset) << _LENGTH_BITS | length


def updated_at(entry: Entry) -> int:
    """Tell when the session was updated."""
    return entry >> (_OFFSET_BITS + _LENGTH_BITS)


def offset(entry: Entry) -> int:
    """Tell where the line stands."""
    return entry >> _LENGTH_BITS & _OFFSET_MASK


def length(entry: Entry) -> int:
    """Tell how long the line is."""
    return entry & _LENGTH_MASK


def moved(entry: Entry, by: int) -> Entry:
    """Give the entry of the same line in a file where it stands `by` bytes further on."""
    return entry + (by << _LENGTH_BITS)


CANNOT_WRITE = "The sessions cannot be written: the disk is full or refuses to write. Free some space, then try again."


class Generation:
    """Appends and `learn` need the store's file lock; reads, and `learn_if_whole`, need nothing."""

    def __init__(self, fd: int, found_at: Path | None = None, *, trusts: bool = False) -> None:
        """Take over the descriptor of a file that begins with the head; knows no line of it yet.

        `found_at`: where it was opened. Who renamed it to there may have died before that name was made to last.
        `trusts`: lines are known by their beginnings, and parsed only where those are not as this version writes them;
        so are all that are appended once the file was found whole.
        """
        self.fd = fd
        self._trusts = trusts
        self._name_to_flush = found_at
        self._close = weakref.finalize(self, os.close, fd)
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self._index: dict[str, Entry] = {}
        self._index_mutex = threading.Lock()
        self._end_mutex = threading.Lock()
        """Held while `end` moves: a reader learns without the file lock, beside a writer of the same process."""
        self._deleted: list[str] = []
        self.end = len(text.HEAD)
        """Just behind the last line that is known: where the foot stands."""
        self._others_to = self.end
        """Just behind the last line that this object did not append itself."""
        self.lines = 0
        self.live_bytes = 0
        self._flushed = threading.Condition()
        self._flushing = False
        self._flushed_to = 0
        self.is_read_only = False
        self.is_suspect = False
        """A flush failed: what the disk holds of this file is unknown, and asking it again would not tell."""

    @classmethod
    def open(cls, path: Path, *, trusts: bool = False) -> Generation:
        """Open the file. Raises OSError (FileNotFoundError, ...)."""
        return cls(os.open(path, os.O_RDWR | os.O_CLOEXEC), path, trusts=trusts)

    @classmethod
    def open_to_read(cls, path: Path) -> Generation:
        """Open the file where the system allows no more than reading it."""
        generation = cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        generation.is_read_only = True
        return generation

    def adopt(self, index: dict[str, Entry], end: int, lines: int) -> None:
        """Take what is known of a file that this process just wrote and flushed, in place of reading it."""
        self._index = index
        self.live_bytes = sum(map(length, index.values()))
        self.end, self.lines = end, lines
        self._flushed_to = self.size

    @property
    def size(self) -> int:
        """How large the file is if nothing was appended since `learn`."""
        return self.end + len(text.FOOT)

    @property
    def dead_bytes(self) -> int:
        return self.end - self.live_bytes

    @property
    def holds_deleted(self) -> bool:
        """Whether lines of sessions that were deleted still stand in the file."""
        return bool(self._deleted)

    def __len__(self) -> int:
        return len(self._index)

    # --- reading -----------------------------------------------------------------------------------------------

    def learn(self) -> bool:
        """Read what was appended since the last time; tell whether the file is whole to its end.

        Where it is not, everything up to `end` is known and in order, and what follows is for recovery to judge.
        """
        with self._end_mutex:
            return self._learn()

    def learn_if_whole(self) -> bool:
        """Do as `learn` without the file lock: take in what was appended, or nothing while that is half written."""
        with self._end_mutex:
            size = os.fstat(self.fd).st_size
            if size == self.size:
                return self._learn()
            if not self.size < size <= self.end + _READ_AT_ONCE:
                return False
            data = self.read_bytes(self.end, size - self.end)
            return data.endswith(text.FOOT) and self._learn_from(data, only_whole=True)

    def _learn(self) -> bool:
        size = os.fstat(self.fd).st_size
        if self.lines == 0 and os.pread(self.fd, len(text.HEAD), 0) != text.HEAD:
            return False
        if size < self.end:
            raise StoreDamagedError("The session file became shorter by another's hand.")
        if size == self.size:
            return os.pread(self.fd, len(text.FOOT), self.end) == text.FOOT
        at_once = _READ_AT_ONCE
        while size - self.end > at_once:
            before = self.end
            self._learn_from(self.read_bytes(before, at_once))
            if self.end == before:
                at_once *= 2  # A longer line, or one that does not fit.
        return self._learn_from(self.read_bytes(self.end, size - self.end))

    def _learn_from(self, data: bytes, *, only_whole: bool = False) -> bool:
        is_whole = data.endswith(text.FOOT)
        if self._trusts and (is_whole or not only_whole):
            end = len(data) - len(text.FOOT) if is_whole else data.rfind(text.joint(first=False))
            own = text.own_lines(data[: max(end, 0)], first=self.lines == 0)
            if own is not None:
                self._take_in(own, end)
                data = data[end:]
        scan = text.Scan(data, 0, first=self.lines == 0)
        lines = list(scan)
        if lines and (scan.is_whole or not only_whole):
            self._take_in(lines, scan.end)
        self._trusts = self._trusts or scan.is_whole
        return scan.is_whole

    def _take_in(self, lines: list[text.Line], length: int) -> None:
        begin = self.end
        self._note(
            (session_id, None if at is None else entry(at, begin + offset, size))
            for offset, size, session_id, at in lines
        )
        self.lines += len(lines)
        self.end = self._others_to = begin + length

    def _note(self, lines: Iterable[tuple[str, Entry | None]]) -> None:
        index, live_bytes = self._index, 0
        with self._index_mutex:
            for session_id, new in lines:
                # Taken out before it is put in, so that the index stands in order of writing, newest last.
                old = index.pop(session_id, None)
                if new is not None:
                    index[session_id] = new
                    live_bytes += new & _LENGTH_MASK
                elif old is not None:
                    self._deleted.append(session_id)
                if old is not None:
                    live_bytes -= old & _LENGTH_MASK
            self.live_bytes += live_bytes

    def entries(self) -> list[tuple[str, Entry]]:
        """Give (session id, entry) of every live line, in order of writing."""
        with self._index_mutex:
            return list(self._index.items())

    def changes_since(self, end: int) -> tuple[list[tuple[str, Entry]], list[str]]:
        """Give the live lines written behind `end`, in order, and the ids of sessions deleted in this generation."""
        with self._index_mutex:
            written = list(takewhile(lambda item: offset(item[1]) >= end, reversed(self._index.items())))
            gone = [session_id for session_id in self._deleted if session_id not in self._index]
        return written[::-1], gone

    def take_over(self, written: list[tuple[str, Entry]], gone: list[str], end: int, lines: int) -> None:
        """Note lines that another generation of the file had and this one was given too."""
        self._note(written)
        self._note((session_id, None) for session_id in gone)
        self.end, self.lines = end, self.lines + lines
        self._flushed_to = self.size

    def newest_first(self, before: Position | None = None) -> Iterator[tuple[str, Record]]:
        """Give every (session id, record) behind `before` in descending order of (updated_at, session id).

        That is nearly the order of writing, but not quite: who read the clock first may get the lock second.
        """
        order = [(updated_at(entry), session_id, entry) for session_id, entry in self.entries()]
        if before is not None:
            order = [place for place in order if place[:2] < before]
        order.sort()
        for _at, session_id, entry in reversed(order):
            yield session_id, self._read(session_id, entry)

    def read(self, session_id: str) -> Record | None:
        """Give the record as last written. Raises StoreDamagedError where the file does not hold what it held."""
        with self._index_mutex:
            entry = self._index.get(session_id)
        return None if entry is None else self._read(session_id, entry)

    def read_bytes(self, offset: int, length: int) -> bytes:
        """Give a part of the file as it is. Raises StoreDamagedError where it ends before."""
        found = os.pread(self.fd, length, offset)
        while len(found) < length:
            more = os.pread(self.fd, length - len(found), offset + len(found))
            if not more:
                raise StoreDamagedError("The session file became shorter by another's hand.")
            found += more
        return found

    def _read(self, session_id: str, entry: Entry) -> Record:
        try:
            found, record = text.read_line(self.read_bytes(offset(entry), length(entry)))
        except ValueError:
            found, record = "", None
        if record is None or found != session_id:
            raise StoreDamagedError("A line of the session file is not as it was written.")
        return record

    # --- writing -----------------------------------------------------------------------------------------------

    def append(self, records: Iterable[tuple[str, Record | None]]) -> None:
        """Write a line for each over the foot, and the foot behind them, in one call; `flush` makes them last.

        Each session id comes once at the most; None deletes it. Raises StoreFullError, and nothing was written.
        """
        lines = [(session_id, record, text.line(session_id, record)) for session_id, record in records]
        with self._end_mutex:
            self._append(lines)

    def _append(self, lines: list[tuple[str, Record | None, bytes]]) -> None:
        first, between = text.joint(first=self.lines == 0), text.joint(first=False)
        piece = first + between.join(line for _, _, line in lines) + text.FOOT
        try:
            written = os.pwrite(self.fd, piece, self.end)
        except OSError as error:
            self._put_foot_back()
            raise StoreFullError(CANNOT_WRITE) from error
        if written < len(piece):
            self._put_foot_back()
            raise StoreFullError(CANNOT_WRITE)
        place = self.end + len(first)
        written_lines: list[tuple[str, Entry | None]] = []
        for session_id, record, line in lines:
            at = None if record is None else text.updated_at(record)
            written_lines.append((session_id, None if at is None else entry(at, place, len(line))))
            place += len(line) + len(between)
        self._note(written_lines)
        self.lines += len(lines)
        self.end = place - len(between)

    def _put_foot_back(self) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self.fd, text.FOOT, self.end)
            os.ftruncate(self.fd, self.size)

    def take_back_unflushed(self) -> None:
        """Cut off what this object appended and could not flush, unless another process wrote behind it.

        Nobody was told that those lines were saved. The index is wrong afterwards: drop this object.
        """
        with self._end_mutex:
            own = max(self._flushed_to - len(text.FOOT), self._others_to)
            if own < self.end and os.fstat(self.fd).st_size == self.size:
                self.end = own
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
                    if self._name_to_flush is not None:
                        sync_folder(self._name_to_flush)
                        self._name_to_flush = None
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
