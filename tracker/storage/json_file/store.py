"""JsonFileStore: the sessions in one JSON file, shared by threads and processes."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import starmap
from pathlib import Path

from tracker.durable.lock import FileLock, LockBusyError
from tracker.sessions.legacy import RecordError, read_record
from tracker.sessions.model import Record, ShopperSession
from tracker.sessions.store import (
    Change,
    Position,
    Progress,
    StoreBusyError,
    StoreCheck,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
)
from tracker.storage.json_file import recovery, text
from tracker.storage.json_file.compaction import CompactionStoppedError, Copy, Keep
from tracker.storage.json_file.generation import CANNOT_WRITE, Generation
from tracker.storage.json_file.rewrite import Rewrite, make_folder, remove_leftover
from tracker.storage.json_file.turns import Turns, Write

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 1.5
"""A writer that cannot get the lock by then is told to come again; with what follows, it hears so within 2 s."""

COMPACT_FROM_BYTES = 1 << 20
"""Fewer dead bytes than this are left alone: rewriting a small file again and again would cost more than it saves."""

REWRITE_PATIENCE_S = 30.0
"""How long prune and compact, which are long work themselves, wait for a rewrite that another process has begun."""

SHORT_PATIENCE_S = 1.0
"""How long a request waits for one: who rewrites may be stopped."""

REWRITE_AGAIN_S = 60.0
"""After a rewrite that failed: on a full disk, the next one would fail just so, and cost as much."""

_LEAST_FREE_BYTES = 1 << 20


class JsonFileStore:
    """A SessionStore in one file. The file is made, mended or converted when it is first used, not before.

    Every operation first makes sure that it knows the file as it is: one `stat` tells whether another process appended
    to it (then only the new bytes are read) or replaced it (then it is read anew, without the lock).
    """

    def __init__(
        self, path: Path, *, lock_timeout: float = LOCK_TIMEOUT_S, compact_from: int = COMPACT_FROM_BYTES
    ) -> None:
        """Name the file; touches nothing yet. `compact_from`: dead bytes from which the file is rewritten."""
        # A link stays a link: what is renamed over is the file that it points to.
        self.path = path.resolve()
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"), lock_timeout)
        self._compact_from = compact_from
        self._distrusted: tuple[int, int] | None = None
        """The inode whose flush failed: it is written anew before anything else is acknowledged."""
        self._compactor: threading.Thread | None = None
        self._compact_not_before = 0.0
        self._stop = threading.Event()
        self._is_cleared = False
        self._is_closed = False
        self._begin_in_this_process()

    def _begin_in_this_process(self) -> None:
        """Know nothing of the file yet.

        What a parent knew is of no use in its child: a lock that another thread held at the fork stays locked for ever,
        and the error of a flush is told only once to all who share a descriptor.
        """
        self._generation: Generation | None = None
        self._has_parsed_all = False
        self._opening = threading.Lock()
        self._turns = Turns()
        self._pid = os.getpid()

    def _begin_after_a_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin_in_this_process()

    # --- the port ----------------------------------------------------------------------------------------------

    def update(self, session_id: str, change: Change) -> ShopperSession:
        """See SessionStore. Costs one read and one append of the record, and a share of a lock and of a flush.

        Updates of several threads that come together are written by one of them, which calls all their changes.
        """
        self._begin_after_a_fork()
        turns, write = self._turns, Write(session_id, change, time.monotonic() + self._lock.timeout)
        with self._plain_errors():
            if turns.enter(write, self._opening.locked):
                self._write_for_all(write, turns)
            return write.outcome()

    def _write_for_all(self, own: Write, turns: Turns) -> None:
        batch = [own]
        try:
            with self._plain_errors():
                try:
                    with self._writing(own.until) as generation:
                        batch = turns.gather(own)
                        self._write_batch(generation, batch)
                finally:
                    turns.hand_over()
                self._flush(generation)
        except BaseException as error:
            failure = error if isinstance(error, Exception) else StoreBusyError("It was interrupted; try again.")
            for write in batch:
                write.fail(failure)
            if failure is not error:
                raise
        else:
            self._compact_if_worth_it(generation)
        finally:
            for write in batch[1:]:
                write.wake()

    @staticmethod
    def _write_batch(generation: Generation, batch: list[Write]) -> None:
        """Change one after the other, each what the ones before it left, and write what came of it."""
        now: dict[str, ShopperSession] = {}
        for write in batch:
            session_id = write.session_id
            try:
                old = now.get(session_id)
                if old is None and (record := generation.read(session_id)) is not None:
                    old = _session(session_id, record)
                new = write.change(old)
            except Exception as error:  # noqa: BLE001  it is this one's alone, and raised in its own thread
                write.fail(error)
                continue
            if new is not old:
                now[session_id] = new
            write.done(new)
        if now:
            generation.append((session_id, session.to_record()) for session_id, session in now.items())

    def get(self, session_id: str) -> ShopperSession | None:
        """See SessionStore."""
        with self._plain_errors():
            record = self._reading().read(session_id)
        return None if record is None else _session(session_id, record)

    def delete(self, session_id: str) -> bool:
        """See SessionStore. Rewrites the file, so that no line of the session stays in it.

        Where that fails the session is deleted all the same, and the next write tries again to rewrite the file.
        """
        with self._plain_errors():
            with self._writing() as generation:
                if generation.read(session_id) is None:
                    return False
                generation.append([(session_id, None)])
            self._flush(generation)
        try:
            with self._plain_errors(), Rewrite(self.path, SHORT_PATIENCE_S) as rewrite:
                self._compact_into(rewrite)
        except StoreError as error:
            log.warning("a session was deleted; its old lines go with the next rewrite of the file: %s", error)
        return True

    def iterate(self, before: Position | None = None) -> Iterator[ShopperSession]:
        """See SessionStore."""
        with self._plain_errors():
            yield from starmap(_session, self._reading().newest_first(before))

    def prune(self, cutoff: int, progress: Progress | None = None) -> int:
        """See SessionStore. Removes what was set aside before the cutoff, too: it holds sessions just as well."""
        with self._plain_errors():
            for kept in list(recovery.set_aside(self.path)):
                with contextlib.suppress(FileNotFoundError):
                    if kept.stat().st_ctime * 1000 < cutoff:
                        kept.unlink()
        return self.compact(lambda updated_at: updated_at >= cutoff, progress)

    def check(self) -> StoreCheck:
        """See SessionStore."""
        try:
            with self._plain_errors(), self._writing() as generation:
                space = os.fstatvfs(generation.fd)
                is_full = space.f_bavail * space.f_frsize < _LEAST_FREE_BYTES or space.f_flag & os.ST_RDONLY
                return StoreCheck(len(generation), generation.size, CANNOT_WRITE if is_full else None)
        except StoreError as error:
            return StoreCheck(0, 0, str(error))

    def close(self) -> None:
        """See SessionStore."""
        self._is_closed = True
        self._stop.set()
        if self._compactor is not None:
            self._compactor.join()
        self._generation = None
        self._lock.close()

    # --- only here ---------------------------------------------------------------------------------------------

    def compact(self, keep: Keep | None = None, progress: Progress | None = None) -> int:
        """Rewrite the file without what is dead, and without the records that `keep` refuses; say how many those were.

        Others read and write meanwhile. Raises StoreError, and the old file stays.
        """
        with self._plain_errors():
            with self._writing():
                pass  # A file that is not there yet, or is not sound, is written anew itself.
            with Rewrite(self.path, REWRITE_PATIENCE_S) as rewrite:
                return self._compact_into(rewrite, keep, progress)

    def _compact_into(self, rewrite: Rewrite, keep: Keep | None = None, progress: Progress | None = None) -> int:
        with self._writing() as generation:
            copy = Copy(generation, rewrite)
        dropped = copy.run(keep, progress, self._stop)
        rewrite.flush()
        with self._writing() as now:
            if now is not generation:
                raise StoreBusyError("The session file was replaced by another's hand; try again.")
            self._generation = self._published(copy)
        return dropped

    def repair(self) -> recovery.Repaired:
        """Save every whole session of a damaged file and keep the damaged one; a sound file is left as it is."""
        with self._plain_errors():
            try:
                with self._writing() as generation:
                    return recovery.Repaired(len(generation), None)
            except StoreDamagedError:
                with self._lock.held():
                    repaired = recovery.repair(self.path)
                    self._generation = None
                    return repaired

    # --- knowing the file as it is -----------------------------------------------------------------------------

    def _reading(self) -> Generation:
        self._refuse_if_closed()
        self._begin_after_a_fork()
        generation = self._generation
        if generation is not None and self._is_current(generation):
            return generation
        try:
            # What was appended, or put in the file's place, can be read whoever holds the lock, unless half written.
            self._open_outside_the_lock()
            generation = self._generation
            if generation is not None and not self._is_replaced() and generation.learn_if_whole():
                return generation
            with self._writing() as generation:
                return generation
        except (StoreFullError, OSError):
            # What cannot be written to, not even a lock, can often still be read.
            generation = Generation.open_to_read(self.path)
            if not generation.learn() and recovery.judge(generation)[0] is not text.Tail.TORN:
                raise
            self._generation = generation
            return generation

    def _is_current(self, generation: Generation) -> bool:
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == generation.identity and status.st_size == generation.size

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise StoreClosedError("The service is stopping; try again in a moment.")

    @contextmanager
    def _writing(self, until: float | None = None) -> Iterator[Generation]:
        """Hold the lock, taken by `until` (monotonic), with all that others wrote known and the file sound."""
        self._refuse_if_closed()
        self._begin_after_a_fork()
        for is_last_try in (False, False, True):
            if self._open_outside_the_lock():
                until = None  # The time that took is not counted.
            if self._generation is None:
                make_folder(self.path.parent)
            with self._lock.held(until):
                if not is_last_try and self._generation is not None and self._is_replaced():
                    continue  # It was compacted while this one waited, and is read without making others wait.
                generation = self._refreshed()
                if generation.identity == self._distrusted:
                    generation = self._written_anew(generation)
                yield generation
                return

    def _is_replaced(self) -> bool:
        generation = self._generation
        if generation is None or generation.is_read_only:
            return True
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return True
        return (status.st_dev, status.st_ino) != generation.identity or status.st_size < generation.size

    def _open_outside_the_lock(self) -> bool:
        """Read a file that is new to this process before taking the lock, for that can take seconds; tell whether."""
        if not self._is_replaced():
            return False
        with self._opening:
            if not self._is_replaced():
                return True
            try:
                # Every line is parsed once by every process. What takes the file's place later is a copy of such lines.
                generation = Generation.open(self.path, trusts=self._has_parsed_all)
                self._has_parsed_all = generation.learn() or self._has_parsed_all
            except (FileNotFoundError, StoreDamagedError):
                return True
            self._generation = generation
            return True

    def _refreshed(self) -> Generation:
        if not self._is_cleared:
            remove_leftover(self.path)
            self._is_cleared = True
        known = self._generation
        if known is not None and not self._is_replaced() and known.learn():
            return known
        # What does not fit what is known here need not be damage, for a failed writer may have taken its lines back.
        self._generation = None
        try:
            while True:
                if not self.path.exists():
                    recovery.create(self.path)
                generation = Generation.open(self.path)
                if generation.learn() or (recovery.mend(self.path, generation) and generation.learn()):
                    self._generation = generation
                    return generation
        except OSError:
            self._distrust()
            raise

    def _written_anew(self, generation: Generation) -> Generation:
        with Rewrite(self.path, SHORT_PATIENCE_S) as rewrite:
            copy = Copy(generation, rewrite)
            copy.run(None, None, self._stop)
            self._generation = generation = self._published(copy)
        self._distrusted = None
        return generation

    def _published(self, copy: Copy) -> Generation:
        try:
            return copy.publish()
        except OSError:
            self._distrust()
            raise

    def _distrust(self) -> None:
        """After an error: what the file holds may not be on the disk, nor its name last, if it was just renamed."""
        with contextlib.suppress(OSError):
            status = os.stat(self.path)
            self._distrusted = (status.st_dev, status.st_ino)

    # --- after a write -----------------------------------------------------------------------------------------

    def _flush(self, generation: Generation) -> None:
        try:
            generation.flush()
        except StoreFullError:
            with contextlib.suppress(StoreError, OSError, LockBusyError), self._lock.held():
                if self._generation is generation:
                    generation.take_back_unflushed()
                    self._generation, self._distrusted = None, generation.identity
                    # At once, for others may know the lines that were taken back: a new file makes them read it anew.
                    self._written_anew(self._refreshed())
            raise

    def _is_worth_compacting(self, generation: Generation) -> bool:
        return generation.holds_deleted or generation.dead_bytes > max(generation.live_bytes, self._compact_from)

    def _compact_if_worth_it(self, generation: Generation) -> None:
        if (
            self._is_worth_compacting(generation)
            and time.monotonic() >= self._compact_not_before
            and (self._compactor is None or not self._compactor.is_alive())
        ):
            self._compactor = threading.Thread(target=self._compact_in_background, name="compactor", daemon=True)
            self._compactor.start()

    def _compact_in_background(self) -> None:
        try:
            # Without patience: a rewrite that is under way already does what this one would.
            with self._plain_errors(), Rewrite(self.path) as rewrite:
                with self._writing() as generation:
                    is_worth_it = self._is_worth_compacting(generation)
                if is_worth_it:
                    self._compact_into(rewrite)
        except (StoreBusyError, StoreClosedError):
            pass
        except StoreError as error:
            self._compact_not_before = time.monotonic() + REWRITE_AGAIN_S
            log.warning("the session file could not be rewritten, and stays as it is: %s", error)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn what the system says into what the port promises."""
        try:
            yield
        except StoreDamagedError:
            self._generation = None  # Read it anew next time: it may have been mended, or be damaged elsewhere.
            raise
        except LockBusyError as error:
            raise StoreBusyError("Another process holds the sessions; try again in a moment.") from error
        except CompactionStoppedError as error:
            raise StoreClosedError("The service is stopping; try again in a moment.") from error
        except OSError as error:
            log.error("the session file failed: %s", os.strerror(error.errno or 0))
            raise StoreFullError(CANNOT_WRITE) from error


def _session(session_id: str, record: Record) -> ShopperSession:
    try:
        session = ShopperSession.from_record(record)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Not written by this version: what a hand or another system put on a line of its own is read as far as it goes.
        try:
            session = read_record(session_id, record, 0)
        except RecordError as error:
            raise StoreDamagedError(f"A session in the file cannot be read: {error}.") from error
    at = text.updated_at(record)
    if (session.session, session.updated_at) == (session_id, at):
        return session
    return replace(session, session=session_id, updated_at=at)
