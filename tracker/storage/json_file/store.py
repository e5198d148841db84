"""JsonFileStore: the sessions in one JSON file, shared by threads and processes. docs/storage.md is the plan of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tracker.durable.fork import reset_after_fork
from tracker.durable.lock import LockBusyError
from tracker.sessions.counting import CountedSessions, Counting
from tracker.sessions.legacy import RecordError, read_record
from tracker.sessions.model import Record, ShopperSession
from tracker.sessions.store import (
    Change,
    Position,
    Progress,
    StoreBusyError,
    StoreCheck,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    least_of,
)
from tracker.storage.json_file import recovery, text, writes
from tracker.storage.json_file.blocks import Place, cutoff_for
from tracker.storage.json_file.counting.following import FollowedSums
from tracker.storage.json_file.counting.kept import KeptSums
from tracker.storage.json_file.file import SessionFile, State
from tracker.storage.json_file.rewrite import Rewrite
from tracker.storage.json_file.rewriter import SWEEP_AFTER_S, Rewriter
from tracker.storage.json_file.shared import SharedFile
from tracker.storage.json_file.writes import Write, WriteQueue

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 1.5
"""A writer that cannot get the lock by then gets StoreBusyError; with what follows, within 2 s."""

COMPACT_FROM_BYTES = 1 << 20
"""Fewer dead bytes than this are left alone: rewriting a small file again and again would cost more than it saves."""

REWRITE_PATIENCE_S = 30.0
"""How long prune and compact, which are long work themselves, wait for a rewrite that another process has begun."""


class JsonFileStore:
    """A SessionStore in one file. The file is made, mended or converted when it is first used, not before."""

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout: float = LOCK_TIMEOUT_S,
        compact_from: int = COMPACT_FROM_BYTES,
        sweep_after_s: float = SWEEP_AFTER_S,
        counting: Counting | None = None,
    ) -> None:
        """Touch nothing yet. `compact_from`: dead bytes from which it is rewritten. `counting`: what is summed."""
        self._shared = SharedFile(path, lock_timeout)
        self._counted = _as_it_is if counting is None else counting.counted
        self.sums: CountedSessions | None = None
        """The sums of all sessions, where something is counted."""
        if counting is not None:
            self._shared.kept = kept = KeptSums(path, counting)
            self.sums = FollowedSums(self._shared, counting, kept)
        self._lock_timeout = lock_timeout
        self._rewriter = Rewriter(self._shared, compact_from, sweep_after_s)
        self._plain_errors = self._rewriter.plain_errors
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """Writes of other threads of a parent are not the child's."""
        self._queue = WriteQueue(self._shared.locks.queue)
        self._is_flushing = False

    # --- the port ----------------------------------------------------------------------------------------------

    def update(self, session_id: str, change: Change) -> ShopperSession:
        """See SessionStore. Costs one read and one append of the record, and a share of a lock and of a flush."""
        with self._plain_errors:
            stored = self._commit(session_id, self._counted(change))
        assert stored is not None, "a change returns a session"
        return stored

    def delete(self, session_id: str) -> bool:
        """See SessionStore. Appends a tombstone; one rewrite removes the lines of all sessions deleted meanwhile."""
        found = False

        def remove(stored: ShopperSession | None) -> None:
            nonlocal found
            found = stored is not None

        with self._plain_errors:
            self._commit(session_id, remove)
        return found

    def get(self, session_id: str) -> ShopperSession | None:
        """See SessionStore."""
        key = text.key_of(session_id)
        with self._plain_errors:
            file, place = self._shared.know(lambda file: file.index.find(key))
            self._rewriter.see_to(file.index)
            return None if place is None else _session(session_id, self._read(file, place, session_id))

    def iterate(self, before: Position | None = None) -> Iterator[ShopperSession]:
        """See SessionStore."""
        newest = None if before is None else before[0]
        with self._plain_errors:
            file, groups = self._shared.know(lambda file: file.index.newest_first(newest))
            for group in groups:
                # Sessions of one time come in the order of their ids, which the index does not hold.
                for place in group if len(group) == 1 else sorted(group, key=file.id_at, reverse=True):
                    session = _session(*file.read_any(place))
                    if before is None or (session.updated_at, session.session) < before:
                        yield session

    def prune(self, cutoff: int, progress: Progress | None = None) -> int:
        """See SessionStore. Also removes the files that were kept beside it before the cutoff: they hold sessions."""
        with self._plain_errors:
            for kept in list(recovery.quarantined(self._shared.path)):
                with contextlib.suppress(FileNotFoundError):
                    if kept.stat().st_ctime * 1000 < cutoff:
                        kept.unlink()
        return self.compact(cutoff, progress)

    def size(self) -> int | None:
        """See SessionStore. The file's own size, with what is out of use in it."""
        index = self._shared.index()
        return 0 if index is None else index.end + len(text.FOOTER)

    def shrink(self, most: int) -> int:
        """See SessionStore. While it is written anew, the new file stands beside the old one."""
        with self._plain_errors:
            file, blocks = self._shared.know(lambda file: file.index.copied_blocks())
            if file.size <= most:
                return 0
            return self.compact(cutoff_for(blocks, least_of(most)))

    def problem(self) -> str | None:
        """See SessionStore. Tries what an update does, but for the flush: blanks are appended and taken back."""
        return self.check().problem

    def check(self) -> StoreCheck:
        """See SessionStore."""
        try:
            with self._plain_errors, self._shared.writing() as file, self._shared.locks.memory:
                sessions, size = file.index.sessions, file.size
                file.try_to_append()
                return StoreCheck(sessions, size)
        except StoreError as error:
            return StoreCheck(0, 0, str(error))

    def close(self) -> None:
        """See SessionStore. Removes the lines of deleted sessions that are still in the file."""
        self._rewriter.close()
        self._shared.close()

    # --- only here ---------------------------------------------------------------------------------------------

    def compact(self, cutoff: int = 0, progress: Progress | None = None) -> int:
        """Rewrite the file without dead lines and without sessions older than `cutoff`; return how many those were.

        Others read and write meanwhile. Raises StoreError, and the old file stays.
        """
        with self._plain_errors:
            with self._shared.writing():
                pass  # A file that is not there yet, or has to be mended, is written anew by that.
            with Rewrite(self._shared.path, REWRITE_PATIENCE_S) as rewrite:
                return self._shared.compact(rewrite, cutoff, progress or (lambda _done, _of: None))

    def sweep(self) -> None:
        """Remove the lines of deleted sessions now; where that fails, a later rewrite does it."""
        self._rewriter.sweep()

    def repair(self) -> recovery.Repaired:
        """Save every whole session of a damaged file and keep the damaged one; a sound file is left as it is."""
        with self._plain_errors:
            try:
                with self._shared.writing():
                    file = SessionFile(self._shared.path)
                    file.parses_all = True
                    if file.catch_up(settled=True) is State.WHOLE:
                        return recovery.Repaired(file.index.sessions, None)
            except StoreDamagedError:
                pass
            return recovery.Repaired(*self._shared.replace("damaged", lambda data, _modified: recovery.salvaged(data)))

    # --- group commit ------------------------------------------------------------------------------------------

    def _commit(self, session_id: str, change: writes.Change) -> ShopperSession | None:
        """Store what `change` makes of the session; return that, once it is on the disk.

        The first thread that comes leads: it takes the file lock, writes for all that wait by then, flushes, and hands
        the lead on. The others sleep until they are written, or lead. Who comes during a flush is in the next batch:
        handed on before it, the lead went to each of them in turn, with a lock and a write of its own.
        """
        queue, write = self._queue, Write(session_id, change, self._lock_timeout)
        if not queue.enter(write, self._is_at_work):
            return write.outcome()
        batch = [write]
        try:
            with self._plain_errors:
                try:
                    with self._shared.writing(write.until) as file:
                        batch = queue.batch(write)
                        self._append(file, batch)
                    self._flush(file)
                finally:
                    queue.hand_over()
        except BaseException as error:
            failure = error if isinstance(error, Exception) else StoreBusyError("It was interrupted; try again.")
            for one in batch:
                one.fail(failure)
            if failure is not error:
                raise
        else:
            self._rewriter.see_to(file.index)
        finally:
            for one in batch[1:]:
                one.wake()
        return write.outcome()

    def _append(self, file: SessionFile, batch: list[Write]) -> None:
        """Apply the changes, each to what the ones before it left, and append what came of them. The lock is held."""
        now: dict[str, ShopperSession | None] = {}
        for write in batch:
            session_id = write.session_id
            try:
                old = now[session_id] if session_id in now else self._stored(file, session_id)
                new = write.change(old)
            except Exception as error:  # noqa: BLE001  it is this write's alone, and raised in its own thread
                write.fail(error)
                continue
            if new is not old:
                now[session_id] = new
            write.succeed(new)
        if now:
            with self._shared.locks.memory:
                file.append((session_id, None if new is None else new.to_record()) for session_id, new in now.items())

    def _stored(self, file: SessionFile, session_id: str) -> ShopperSession | None:
        with self._shared.locks.memory:
            place = file.index.find(text.key_of(session_id))
        return None if place is None else _session(session_id, self._read(file, place, session_id))

    def _read(self, file: SessionFile, place: Place, session_id: str) -> Record:
        try:
            return file.read(place, session_id)
        except StoreDamagedError:
            self._shared.doubt(file)
            raise

    def _is_at_work(self) -> bool:
        """Whether the leader reads a file that is new to this process, or waits for the disk: both can take seconds."""
        return self._shared.is_opening or self._is_flushing

    def _flush(self, file: SessionFile) -> None:
        self._is_flushing = True
        try:
            file.flush()
        except StoreFullError:
            with contextlib.suppress(LockBusyError):
                self._shared.take_back_unflushed(file)
            raise
        finally:
            self._is_flushing = False


def _as_it_is(change: Change) -> Change:
    return change


def _session(session_id: str, record: Record) -> ShopperSession:
    try:
        session = ShopperSession.from_record(record)
    except (KeyError, TypeError, ValueError, AttributeError):
        # What a person or another system wrote on a line of its own is read as far as it goes.
        try:
            session = read_record(session_id, record, 0)
        except RecordError as error:
            raise StoreDamagedError(f"A session in the file cannot be read: {error}.") from error
    at = text.updated_at(record)
    if (session.session, session.updated_at) == (session_id, at):
        return session
    return replace(session, session=session_id, updated_at=at)
