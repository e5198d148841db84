"""Writing the session file anew without its dead lines, while others go on reading and writing.

The live lines are copied without the lock, which takes long; under the lock only what was written meanwhile is added
and the new file is renamed over the old. Nobody can tell when it happened, but for the size.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tracker.sessions.store import Progress
from tracker.storage.json_file import text
from tracker.storage.json_file.generation import Entry, Generation, length, moved, offset, updated_at
from tracker.storage.json_file.rewrite import Rewrite

Keep = Callable[[int], bool]
"""Which sessions to keep, by when they were updated; asked once for each, by the copy made without the lock."""

_RUN_BYTES = 1 << 20


class CompactionStoppedError(Exception):
    """The store is being closed: the old file stays."""


class Copy:
    """The first half: everything live in `old`, as far as `old` is known now, copied into `rewrite`."""

    def __init__(self, old: Generation, rewrite: Rewrite) -> None:
        self._old = old
        self._rewrite = rewrite
        self._known_to = old.end
        self._was_empty = old.lines == 0
        self._entries = old.entries()
        self._index: dict[str, Entry] = {}
        self._lines_before = old.lines

    def run(self, keep: Keep | None, progress: Progress | None, stop: threading.Event) -> int:
        """Copy, in the order of writing; lines that stand side by side go in one piece. Tell how many were left out."""
        entries, done = self._entries, 0
        run: list[tuple[str, Entry]] = []
        run_end = 0
        for session_id, entry in entries:
            done += 1
            if done % 1000 == 0:
                if stop.is_set():
                    raise CompactionStoppedError
                if progress is not None:
                    progress(done, len(entries))
            if keep is not None and not keep(updated_at(entry)):
                continue
            end = offset(entry) + length(entry)
            is_next = offset(entry) == run_end + len(text.joint(first=False))
            if run and not (is_next and end - offset(run[0][1]) <= _RUN_BYTES):
                self._copy(run)
                run = []
            run.append((session_id, entry))
            run_end = end
        if run:
            self._copy(run)
        if progress is not None:
            progress(len(entries), len(entries))
        return len(entries) - len(self._index)

    def _copy(self, run: list[tuple[str, Entry]]) -> None:
        begin, last = offset(run[0][1]), run[-1][1]
        lines = self._old.read_bytes(begin, offset(last) + length(last) - begin)
        shift = self._rewrite.add(lines, len(run)) - begin
        for session_id, entry in run:
            self._index[session_id] = moved(entry, shift)

    def publish(self) -> Generation:
        """The second half, under the lock and with `old` just refreshed: add what is new, and take the old's place."""
        old, rewrite = self._old, self._rewrite
        end, lines = rewrite.end, rewrite.lines
        behind = self._known_to + len(text.joint(first=self._was_empty))
        written, gone = old.changes_since(self._known_to)
        if old.end > self._known_to:
            shift = rewrite.add(old.read_bytes(behind, old.end - behind), old.lines - self._lines_before) - behind
            written = [(session_id, moved(entry, shift)) for session_id, entry in written]
        new = Generation(rewrite.publish())
        new.adopt(self._index, end, lines)
        new.take_over(written, gone, rewrite.end, rewrite.lines - lines)
        return new
