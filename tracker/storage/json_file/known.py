"""What this process knows of the session file: its locks, and the one way to catch up with the others."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracker.durable.fork import reset_after_fork
from tracker.durable.lock import FileLock
from tracker.sessions.store import StoreClosedError
from tracker.storage.json_file.file import Identity, SessionFile, State
from tracker.storage.json_file.index import Index

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 60.0
"""After a line that was not as it was written the file is read anew; not again within this time."""


class Locks:
    """Every lock of the store, in the one order in which they are taken: a holder takes only those further down.

    rewriting   `flock` on `<file>.new` (class Rewrite): one rewrite at a time, over all processes. Held for as long as
                the copy takes; a request waits a second for it at most, and rarely has to.
    file        `flock` on `<file>.lock`, then on the file's own inode: one writer, over threads and processes. Held for
                one append (100 µs), or to put a finished rewrite in place. Waited for 1.5 s at most.
    memory      What this process knows: which file is open, and its index. Held for microseconds, or for as long as it
                takes to open a large file.
    queue       The writes that wait, whether one of them leads, and when a rewrite is due. Nobody waits inside it.

    Beside this order, because their holders take no other lock: `flushing` in SessionFile (one flush at a time), and in
    each Write the lock that its own thread sleeps on.
    """

    def __init__(self) -> None:
        self.file: FileLock
        """Follows the file's name, see KnownFile."""
        self.begin_in_this_process()

    def begin_in_this_process(self) -> None:
        self.memory = threading.Lock()
        self.queue = threading.Lock()


class KnownFile:
    """The file behind the store's name, opened when it is first used and followed wherever it is put."""

    def __init__(self, path: Path, lock_timeout: float) -> None:
        self._name = Path(os.path.abspath(path))
        self._lock_timeout = lock_timeout
        self.locks = Locks()
        self._follow()
        self._look_again_at = 0.0
        self.is_closed = False
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """Know nothing yet: descriptors shared with a parent share its locks and its flush errors."""
        self._file: SessionFile | None = None
        self._changed: Identity | None = None
        """The file that no longer holds what was known of it."""
        self.is_opening = False
        self.locks.begin_in_this_process()

    on_moved: Callable[[SessionFile, SessionFile], None] = staticmethod(lambda _old, _new: None)
    """Called with (old file, new file) where a compaction is taken over; everything in the old one is known."""

    def is_known(self, file: SessionFile) -> bool:
        """Return whether this is the file that is known now. The memory lock is held."""
        return file is self._file

    def _follow(self) -> None:
        # A link stays a link: what is locked, and renamed over, is the file that it points to now.
        self._place = os.path.realpath(self._name)
        self._is_behind_a_link = self._place != str(self._name)
        self.path = Path(self._place)
        self.locks.file = FileLock(self.path.with_name(self.path.name + ".lock"), self._lock_timeout)

    def look(self) -> os.stat_result | None:
        """Return the status of the file of this name now; None where there is none.

        Where the file became a link, or its link points elsewhere, other processes take the lock beside the new place.
        """
        try:
            status = os.lstat(self._place)
        except FileNotFoundError:
            status = None
        is_link = self._is_behind_a_link or (status is not None and stat.S_ISLNK(status.st_mode))
        if is_link and os.path.realpath(self._name) != self._place:
            log.warning("the session file's name leads to another place than before; it is followed")
            self._follow()
            return self.look()
        return status

    @staticmethod
    def is_replaced(known: SessionFile, status: os.stat_result) -> bool:
        """Return whether the file of this name is another one than the one that is known."""
        return (status.st_dev, status.st_ino) != known.identity

    def index(self) -> Index | None:
        """Return what is known of the file, if anything is."""
        file = self._file
        return None if file is None else file.index

    def catch_up(self, *, settled: bool) -> State:
        """Know everything that the file of this name holds now: the one way, for readers and writers.

        See `SessionFile.catch_up` for `settled`. The memory lock is held.
        """
        status, known = self.look(), self._file
        if status is None:
            return State.MISSING
        if known is not None and not self.is_replaced(known, status):
            is_same = not settled and known.was_whole and status.st_size == known.size
            return State.WHOLE if is_same else known.catch_up(settled=settled, size=status.st_size)
        self.is_opening = True
        try:
            file = SessionFile(self.path)
            if known is not None and (moved := self._moved(known, file)) is not None:
                file.adopt(moved)
                self.on_moved(known, file)
            self._file = file
            return file.catch_up(settled=settled)
        except FileNotFoundError:
            return State.MISSING
        finally:
            self.is_opening = False

    def _moved(self, known: SessionFile, file: SessionFile) -> Index | None:
        """Return the index of a file that a compaction made of the known one, by the note that its process left."""
        note = self.note()
        if note.get("to") != list(file.identity):
            log.warning("another file was put in the place of the session file by another's hand; it is read anew")
            return None
        match note:
            case {"from": [*before], "end": int(end), "cutoff": int(cutoff)} if before == list(known.identity):
                if known.catch_up(settled=True) is State.WHOLE:
                    return known.index.moved(end, cutoff)
        return None

    def doubt(self, file: SessionFile) -> None:
        """Read the file anew at the next use: a line of it was not as it was written."""
        with self.locks.memory:
            if file is self._file and time.monotonic() >= self._look_again_at:
                self._look_again_at = time.monotonic() + _LOOK_AGAIN_S
                self._changed, self._file = file.identity, None

    def tell_shorter(self, file: SessionFile, note: dict[str, Any]) -> None:
        """Note for all processes that the file was cut by another's hand, once."""
        if note.get("shorter") != [*file.identity, file.size]:
            missing = file.size - os.fstat(file.fd).st_size
            log.error("the session file became %d bytes shorter by another's hand; nothing is written to it", missing)
            self.leave_note(shorter=[*file.identity, file.size])

    def close(self) -> None:
        self.is_closed = True
        self._file = None
        self.locks.file.close()

    def refuse_if_closed(self) -> None:
        """Raise StoreClosedError after `close`."""
        if self.is_closed:
            raise StoreClosedError("The service is stopping; try again in a moment.")

    # --- notes in the lock file --------------------------------------------------------------------------------

    def note(self) -> dict[str, Any]:
        """Return what a process left in the lock file for the others; nothing depends on it but time.

        from, to, end, cutoff   a compaction of one file (device, inode) to another, see `Index.moved`
        taken_back              the file of which a writer took lines back that it could not flush
        shorter                 the file that another's hand cut, and the size that was known of it
        """
        try:
            note = json.loads(self.locks.file.read_note() or b"{}")
        except ValueError:
            return {}
        return note if isinstance(note, dict) else {}

    def leave_note(self, **note: object) -> None:
        """Leave a note in place of the last one. The file lock is held."""
        with contextlib.suppress(OSError):
            self.locks.file.leave_note(json.dumps(note).encode())


def is_told_shorter(file: SessionFile, note: dict[str, Any]) -> bool:
    """Return whether another process, which knew more of the file, found it cut and left a note of that."""
    match note.get("shorter"):
        case [device, inode, int(size)] if (device, inode) == file.identity:
            return os.fstat(file.fd).st_size < size
    return False
