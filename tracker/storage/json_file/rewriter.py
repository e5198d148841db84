"""The thread that rewrites the file behind the writers, and the errors of the system as the port has them."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from types import TracebackType

from tracker.durable.fork import reset_after_fork
from tracker.durable.lock import LockBusyError
from tracker.sessions.store import StoreBusyError, StoreClosedError, StoreError, StoreFullError
from tracker.storage.json_file.file import CANNOT_WRITE
from tracker.storage.json_file.index import Index
from tracker.storage.json_file.rewrite import Rewrite
from tracker.storage.json_file.shared import SharedFile

log = logging.getLogger(__name__)

SWEEP_AFTER_S = 30.0
"""When the lines of deleted sessions are removed, within the minute that is promised: one rewrite serves them all."""

AGAIN_S = 60.0
"""After a rewrite that failed: on a full disk, the next one would fail just so, and cost as much."""

NO_FOLDER = (
    "The sessions cannot be written: the folder of the session file does not exist. Make it, or correct the file's "
    "name in the settings."
)


class Rewriter:
    """Rewrites the file in a thread of its own, begun when it first has something to do.

    At once where the dead bytes outweigh the live ones; within a minute where the file holds lines of deleted sessions,
    also those that another process deleted, for it may have died since.
    """

    def __init__(self, shared: SharedFile, compact_from: int, sweep_after_s: float) -> None:
        self._shared = shared
        self.plain_errors = PlainErrors(shared)
        self._compact_from = compact_from
        self._sweep_after_s = sweep_after_s
        self._not_before = 0.0
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """The thread of a parent does not live in its child."""
        self._thread: threading.Thread | None = None
        self._due: float | None = None
        self._wake = threading.Event()

    def see_to(self, index: Index) -> None:
        """Note when the file is to be rewritten, if it is."""
        if self._is_mostly_dead(index):
            due = time.monotonic()
        elif index.tombstones:
            due = time.monotonic() + self._sweep_after_s
        else:
            return
        due = max(due, self._not_before)
        with self._shared.locks.queue:
            if self._due is not None and self._due <= due:
                return
            self._due = due
            if self._thread is None:
                # Where the process ends before, `close` does it.
                atexit.register(self.close)
                self._thread = threading.Thread(target=self._work, name="rewriter", daemon=True)
                self._thread.start()
        self._wake.set()

    def _is_mostly_dead(self, index: Index) -> bool:
        dead = index.dead_bytes
        return dead > self._compact_from and dead > index.live_bytes

    def _work(self) -> None:
        while not self._shared.stop.is_set():
            wait = None if self._due is None else self._due - time.monotonic()
            if wait is None or wait > 0:
                self._wake.wait(wait)
                self._wake.clear()
                continue
            self._due = None
            self._rewrite()
            if (index := self._shared.index()) is not None:
                self.see_to(index)

    def _rewrite(self) -> None:
        try:
            # Without patience: a rewrite that is under way already does what this one would.
            with self.plain_errors, Rewrite(self._shared.path) as rewrite:
                with self._shared.writing(rewrites=True) as file:
                    is_due = file.index.tombstones or self._is_mostly_dead(file.index)
                if is_due:
                    self._shared.compact(rewrite)
        except StoreBusyError:
            self._not_before = time.monotonic() + 1
        except StoreClosedError:
            pass
        except StoreError as error:
            self._not_before = time.monotonic() + AGAIN_S
            log.warning("the session file could not be rewritten, and stays as it is: %s", error)

    def close(self) -> None:
        """End the thread, and remove the lines of deleted sessions that are still in the file."""
        self._shared.stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            atexit.unregister(self.close)
        self._shared.stop.clear()
        self.sweep()

    def sweep(self) -> None:
        """Remove the lines of deleted sessions now, if there are any."""
        index = self._shared.index()
        if index is not None and index.tombstones:
            self._rewrite()


class PlainErrors:
    """In a `with`, turns what the system reports into what the port promises."""

    def __init__(self, shared: SharedFile) -> None:
        self._shared = shared

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, LockBusyError):
            raise StoreBusyError("Another process holds the sessions; try again in a moment.") from error
        if isinstance(error, OSError):
            log.error("the session file failed: %s", os.strerror(error.errno or 0))
            if isinstance(error, FileNotFoundError) and not self._shared.path.parent.is_dir():
                raise StoreFullError(NO_FOLDER) from error
            raise StoreFullError(CANNOT_WRITE) from error
