"""The sums of living sessions: they follow the session file, in a process that was asked for them.

Nothing is kept a session. Whatever a line put out of use still stands in the file, so its tally is read there and taken
out; where a compaction is about to leave it behind, that is done just before.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, Final

from tracker.durable import blocking
from tracker.durable.fork import reset_after_fork
from tracker.sessions.counting import Counting
from tracker.sessions.store import StoreBusyError, StoreDamagedError
from tracker.storage.json_file.blocks import Block
from tracker.storage.json_file.counting.beginnings import put_block, put_place
from tracker.storage.json_file.counting.kept import KeptSums
from tracker.storage.json_file.file import SessionFile
from tracker.storage.json_file.shared import SharedFile

_TRIES: Final = 20


class FollowedSums:
    """A CountedSessions over the session file.

    What it knows is protected by the store's memory lock; `_asking` lets one thread at a time count a whole file.
    """

    def __init__(self, shared: SharedFile, counting: Counting, kept: KeptSums) -> None:
        self._shared = shared
        self._counting = counting
        self._kept = kept
        shared.on_moved = self._moved
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """Know nothing yet: the parent's file is not the child's."""
        self._asking = threading.Lock()
        self._file: SessionFile | None = None
        self._sums: Any = None
        self._upto = 0
        """The number of the first line that is not counted yet."""
        self._answer: tuple[str, Any] = ("", None)

    # --- the port ----------------------------------------------------------------------------------------------

    def version(self) -> str:
        """See CountedSessions."""
        file, end = self._shared.know(lambda file: file.index.end)
        return f"{file.identity[1]}.{end}.{self._kept.version()}"

    def read(self) -> Any:
        """See CountedSessions."""
        with self._asking:
            for _ in range(_TRIES):
                version, answer = self.version(), None
                if self._answer[0] == version:
                    return self._answer[1]
                file, answer = self._living()
                for kept in self._kept.read(file.identity[1]):
                    answer.merge(kept)
                # A prune may have begun and ended between the two: then they do not belong together.
                if self.version() == version:
                    self._answer = (version, answer)
                    return answer
                if self._is_current(file):
                    return answer
        raise StoreBusyError("The session file keeps changing; try again in a moment.")

    def find(self, key: str) -> str | None:
        """See CountedSessions."""
        with self._asking:
            self._living(copied=False)
            with self._shared.locks.memory:
                found: str | None = self._sums.find(key)
        return found

    # --- following ---------------------------------------------------------------------------------------------

    def _is_current(self, file: SessionFile) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.stat(self._shared.path).st_ino == file.identity[1]
        return False

    def _living(self, *, copied: bool = True) -> tuple[SessionFile, Any]:
        """Return (the file, a copy of the sums of its sessions), with everything counted that it holds now."""

        def caught_up(file: SessionFile) -> Any:
            if file is not self._file:
                return None
            self._take_new(file)
            if not copied:
                return self._sums
            copy = self._counting.sums()
            copy.merge(self._sums)
            return copy

        for _ in range(_TRIES):
            file, sums = self._shared.know(caught_up)
            if sums is not None:
                return file, sums
            self._count_all()
        raise StoreBusyError("The session file keeps changing; try again in a moment.")

    def _count_all(self) -> None:
        """Count the sessions of the whole file, without keeping others from it meanwhile."""

        def begun(file: SessionFile) -> tuple[list[Block], int]:
            return file.index.copied_blocks(), file.index.next_number

        file, (blocks, upto) = self._shared.know(begun)
        sums = self._counting.sums()
        try:
            for block in blocks:
                put_block(sums, file, block)
                blocking.give_way()
        except StoreDamagedError:
            self._shared.doubt(file)
            raise
        with self._shared.locks.memory:
            if self._shared.is_known(file):
                self._file, self._sums, self._upto = file, sums, upto

    def _take_new(self, file: SessionFile) -> None:
        """Count what was appended since the last time. The memory lock is held."""
        index, upto = file.index, self._upto
        if index.next_number == upto:
            return
        try:
            for number in index.killed_from(upto):
                if number < upto and (place := index.place_of(number)) is not None:
                    put_place(self._sums, file, place, -1)
            for place in index.live_from(upto):
                put_place(self._sums, file, place, 1)
            self._upto = index.next_number
        except BaseException:
            self._file = None  # Half of it is counted.
            raise

    def _moved(self, old: SessionFile, new: SessionFile) -> None:
        """Follow a compaction. The memory lock is held, and everything in the old file is known."""
        if self._file is not old:
            return
        self._file = None
        if new.index.sessions == old.index.sessions:
            with contextlib.suppress(OSError, StoreDamagedError):
                self._take_new(old)
                self._file = new
        # Else sessions were pruned: everything is counted anew when somebody asks.
