"""The session file as threads and processes share it: reading, writing in turn, mending, writing it anew."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

from tracker.durable.lock import release, take
from tracker.sessions.store import (
    Progress,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
)
from tracker.storage.json_file import recovery
from tracker.storage.json_file.counting.leaving import NOBODY_LEAVES, Leaving, NothingKept
from tracker.storage.json_file.file import Identity, SessionFile, State, identity, version
from tracker.storage.json_file.known import KnownFile, is_told_shorter
from tracker.storage.json_file.rewrite import Rewrite, remove_leftover
from tracker.storage.json_file.text import Tail

log = logging.getLogger(__name__)

SHORT_PATIENCE_S = 1.0
"""How long a request waits for another rewrite: its process may be stopped."""

_TAIL_BYTES = 1 << 16
"""A compaction copies what was appended meanwhile without the lock, until no more than this is left."""

_Answer = TypeVar("_Answer")
_Remedy: TypeAlias = Callable[[], object]


class SharedFile(KnownFile):
    """A known file that is also written to."""

    def __init__(self, path: Path, lock_timeout: float) -> None:
        super().__init__(path, lock_timeout)
        self.kept = NothingKept()
        self._poisoned: Identity | None = None
        """The file whose flush failed: it is written anew before anything else is acknowledged."""
        self._is_cleared = False
        self.stop = threading.Event()
        """Set to end a compaction that is under way."""

    def know(self, ask: Callable[[SessionFile], _Answer]) -> tuple[SessionFile, _Answer]:
        """Return the file, and what `ask` finds in its index once everything appended to it is known.

        Needs no lock but `memory`, unless the file is half written or has to be mended.
        """
        self.refuse_if_closed()
        with self.locks.memory:
            if self.catch_up(settled=False) is State.WHOLE:
                file = self._known()
                return file, ask(file)
        try:
            with self.writing() as file, self.locks.memory:
                return file, ask(file)
        except (StoreFullError, OSError):
            # What cannot be written to, not even a lock, can often still be read.
            with self.locks.memory:
                is_readable = self._file is not None and self.catch_up(settled=True) is State.UNSETTLED
                if not is_readable or recovery.judge(self._known()) is not Tail.TORN:
                    raise
                return self._known(), ask(self._known())

    def _known(self) -> SessionFile:
        assert self._file is not None, "there is a file once it was caught up with"
        return self._file

    # --- writing -----------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, until: float | None = None, *, rewrites: bool = False) -> Iterator[SessionFile]:
        """Hold the file lock, taken by `until` (monotonic), with the file sound and everything in it known.

        What takes long is done before others are made to wait: opening a file, and writing it anew where it must be.
        `rewrites`: the caller writes it anew itself.
        """
        has_read_ahead = False
        for _ in range(20):
            self.refuse_if_closed()
            if not self._is_cleared:
                remove_leftover(self.path)
                self._is_cleared = True
            lock = self.locks.file
            limit = until if until is not None else time.monotonic() + lock.timeout
            lock.acquire(limit)
            file = self._file
            try:
                if file is not None:
                    # Also this, for processes that reach one file by different names, or whose lock file another's hand
                    # removed a moment ago.
                    take(file.fd, limit)
                status = self.look()
                if status is None:
                    remedy: _Remedy | None = self._create
                elif lock is not self.locks.file:
                    remedy = _again
                elif file is None or self.is_replaced(file, status) or (file.lacks(status) and not has_read_ahead):
                    remedy, has_read_ahead, until = self._read_ahead, True, None  # The time that takes is not counted.
                else:
                    with self.locks.memory:
                        remedy = self._settle(file, status.st_size)
                    if remedy is None or (rewrites and remedy == self._write_anew):
                        yield file
                        return
            finally:
                if file is not None:
                    release(file.fd)
                lock.release()
            if rewrites and remedy not in {_again, self._read_ahead}:
                break
            assert remedy is not None, "without one the file was handed out"
            remedy()
        raise StoreBusyError("The session file keeps changing; try again in a moment.")

    def _read_ahead(self) -> None:
        with self.locks.memory:
            self.catch_up(settled=False)

    def _settle(self, file: SessionFile, size: int) -> _Remedy | None:
        """Mend what a crash left, and return what has to be done without the lock before anything may be written.

        The file lock is held, and the file of this name has this size. Raises StoreDamagedError, and nothing was
        changed, where it was no crash.
        """
        if self._file is not file:
            return _again
        state = file.catch_up(settled=True, size=size)
        file.open_to_write(self.path)
        note = self.note() if state is not State.WHOLE or not file.is_settled else {}
        was_taken_back = note.get("taken_back") == list(file.identity)
        if state is State.SHORTER and was_taken_back:
            self._file = None
            return _again
        if state is State.SHORTER:
            self.tell_shorter(file, note)
        if state is State.SHORTER or is_told_shorter(file, note):
            raise StoreDamagedError(recovery.SHORTER)
        if state is State.UNSETTLED:
            remedy = self._mend(file, may_mend=was_taken_back or self._changed != file.identity)
            if remedy is not None:
                return remedy
        if self._changed == file.identity:
            log.warning("the session file was changed by another's hand; it was read anew")
        self._changed = None
        file.is_settled = True
        return self._write_anew if file.is_poisoned or self._poisoned == file.identity else None

    def _mend(self, file: SessionFile, *, may_mend: bool) -> _Remedy | None:
        tail = recovery.judge(file)
        if file.index.is_empty and recovery.begin_empty(file):
            pass
        elif tail is Tail.DAMAGED and file.was_whole:
            # What does not fit what is known: taken back by a failed writer, or changed by another's hand.
            self._changed, self._file = file.identity, None
            return _again
        elif not may_mend:
            raise StoreDamagedError(recovery.CHANGED)
        elif tail is Tail.TORN:
            recovery.cut_torn_line(self.path, file)
        elif tail is Tail.HOLES:
            return self._write_what_is_whole
        elif file.index.is_empty:
            return self._convert
        else:
            raise StoreDamagedError(f"The session file is damaged at line {file.index.lines + 2}. {recovery.REPAIR}")
        if file.catch_up(settled=True) is not State.WHOLE:
            raise StoreDamagedError(recovery.CHANGED)
        return None

    def take_back_unflushed(self, file: SessionFile) -> None:
        """After a failed flush: cut off what this process appended and could not flush, and write the file anew.

        Nobody was told that those lines were saved. At once, because others may know them: a new file makes them read
        anew what there is.
        """
        with contextlib.suppress(StoreError, OSError):
            with self.locks.file.held(), self.locks.memory:
                self._poisoned = file.identity
                take(file.fd, time.monotonic() + SHORT_PATIENCE_S)
                try:
                    if self._file is file and (begin := file.unflushed()) is not None:
                        self.leave_note(taken_back=file.identity)
                        file.cut(begin)
                        self._file = None
                finally:
                    release(file.fd)
            self._write_anew()

    # --- writing it anew ---------------------------------------------------------------------------------------

    def _create(self) -> None:
        with Rewrite(self.path, SHORT_PATIENCE_S) as rewrite, self.locks.file.held():
            if self.look() is None:
                if self._file is not None:
                    log.error("the session file was deleted by another's hand; a new one is begun")
                    self._file = None
                rewrite.finish()
                self._publish(rewrite)

    def _convert(self) -> None:
        def converted(data: bytes, modified: int) -> recovery.Lines:
            lines = recovery.converted(data, modified)
            if lines is None:
                raise StoreDamagedError(f"The session file is damaged at line 2. {recovery.REPAIR}")
            return lines

        sessions, kept = self.replace("original", converted)
        log.warning("converted the session file (%d sessions); the original is kept as %s", sessions, kept)

    def _write_what_is_whole(self) -> None:
        _sessions, kept = self.replace("torn", lambda data, _modified: recovery.salvaged(data))
        log.warning("a power failure left holes in the session file; whole lines kept, the file is kept as %s", kept)

    def _write_anew(self) -> None:
        with Rewrite(self.path, SHORT_PATIENCE_S) as rewrite:
            self.compact(rewrite)

    def replace(self, kind: str, lines_of: Callable[[bytes, int], recovery.Lines]) -> tuple[int, str]:
        """Write the file anew from all that it holds, and keep it under another name; return (sessions, that name).

        `lines_of(content, time of its last change in ms)`. Nobody writes to such a file, so only the renaming needs the
        file lock; where it changed meanwhile all the same, StoreBusyError is raised.
        """
        with Rewrite(self.path, SHORT_PATIENCE_S) as rewrite:
            before = os.stat(self.path)
            lines = lines_of(self.path.read_bytes(), before.st_mtime_ns // 1_000_000)
            recovery.write(rewrite, lines)
            with self.locks.file.held():
                if version(os.stat(self.path)) != version(before):
                    raise StoreBusyError("The session file was changed by another's hand; try again in a moment.")
                with recovery.kept_file(self.path, kind) as kept:
                    self._publish(rewrite)
        return len(lines), kept.name

    def compact(self, rewrite: Rewrite, cutoff: int = 0, progress: Progress = lambda _done, _of: None) -> int:
        """Write what is live, and not older than the cutoff, to a new file; return how many sessions were left out.

        Others read and write meanwhile: only the last lines are copied, and the new name given, under the file lock.
        """
        with self.writing(rewrites=True) as old, self.locks.memory:
            note, end, sessions = self.note(), old.index.end, old.index.sessions
            live, leaving = old.index.live_at(end, cutoff), self.kept.leaving(old, cutoff)
        leaving.count()
        rewrite.copy_live(old, live, self.stop, progress)
        copied_to = end
        while True:
            with self.locks.memory:
                old.catch_up(settled=False)
                known_to = old.index.end
            if known_to - copied_to <= _TAIL_BYTES:
                break
            rewrite.copy_behind(old, copied_to, known_to)
            copied_to = known_to
        rewrite.flush()
        with self.writing(rewrites=True) as now:
            if now is not old or self.note() != note:
                raise StoreBusyError("The session file was replaced by another's hand; try again.")
            rewrite.copy_behind(old, copied_to, old.index.end)
            rewrite.finish()
            self._publish(rewrite, old, leaving, end=end, cutoff=cutoff)
        self._poisoned = None
        self.kept.settle(rewrite.identity)
        return sessions - sum(block.alive.count(1) for block in live)

    def _publish(
        self, rewrite: Rewrite, old: SessionFile | None = None, leaving: Leaving = NOBODY_LEAVES, **how: int
    ) -> None:
        self.kept.prepare(self.look(), rewrite.identity, leaving)
        before = None if old is None else old.identity
        if old is not None and os.fstat(old.fd).st_nlink > 1:
            log.warning("the session file has a second name, a hard link, which stays with the content of now")
        self.leave_note(**{"from": before, "to": rewrite.identity}, **how)
        try:
            rewrite.publish()
        except OSError:
            # Its name may not be on the disk: it is written anew before anything else is acknowledged.
            with contextlib.suppress(OSError):
                self._poisoned = identity(os.stat(self.path))
            raise


def _again() -> None:
    """Nothing has to be done but to look again."""
