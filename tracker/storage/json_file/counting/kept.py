"""The sums of pruned sessions, in a file of their own: {sums, pending?: {to, sums}}.

A prune writes what leaves as *pending* before the new session file takes its place, with the inode of that file, and
makes it a part of the sums afterwards. So the inode of the session file tells, whenever a crash came, whether what is
pending has left it: nothing is lost, and nothing is counted twice. Every rewrite settles what is pending before it
gives the file another inode.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from tracker.durable.cell import CellError, FileCell
from tracker.sessions.counting import Counting
from tracker.sessions.store import StoreBusyError, StoreDamagedError
from tracker.storage.json_file.counting.leaving import Leaving, NothingKept
from tracker.storage.json_file.file import Identity, SessionFile, flush_name

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 5.0


def sums_path(session_file: Path) -> Path:
    """Return where the sums of a session file stand: `tracker_sums.json` beside `tracker_storage.json`."""
    name = session_file.name
    return session_file.with_name(name.replace("storage", "sums") if "storage" in name else f"{name}.sums")


class KeptSums(NothingKept):
    """The file of sums. It is made when the first session is pruned."""

    def __init__(self, session_file: Path, counting: Counting) -> None:
        """Touch nothing yet."""
        self.path = sums_path(session_file)
        self._counting = counting
        self._cell = FileCell(self.path, _PATIENCE_S)

    def version(self) -> str:
        """Return a text that changes with every write to the file."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return "none"
        return f"{status.st_ino}.{status.st_mtime_ns}"

    def read(self, inode: int) -> list[Any]:
        """Return the sums of what has left the session file with this inode. Raises a StoreError."""
        record = self._record(self._get())
        kept = [self._sums(record["sums"])] if "sums" in record else []
        pending = record.get("pending")
        if pending is not None and pending.get("to") == inode:
            kept.append(self._sums(pending.get("sums")))
        return kept

    def leaving(self, file: SessionFile, cutoff: int) -> Leaving:
        """See NothingKept."""
        return Leaving(self._counting, file, cutoff)

    def prepare(self, now: os.stat_result | None, to: Identity, leaving: Leaving) -> None:
        """See NothingKept."""
        sums, inode = leaving.as_of_now(), None if now is None else now.st_ino
        if sums is not None:
            self._change(inode, {"to": to[1], "sums": sums.to_record()})
        elif self.path.exists():
            try:
                self._change(inode, None)
            except StoreDamagedError as error:
                # Nobody leaves: no rewrite has to wait for what an operator has to mend.
                log.warning("%s", error)

    def settle(self, now: Identity) -> None:
        """See NothingKept."""
        try:
            if self.path.exists():
                self._change(now[1], None)
        except (StoreBusyError, StoreDamagedError) as error:
            log.warning("the sums of pruned sessions are settled later: %s", error)

    def _change(self, now: int | None, pending: dict[str, Any] | None) -> None:
        changed = False

        def change(stored: bytes | None) -> bytes:
            nonlocal changed
            record = self._record(stored)
            before = record.pop("pending", None)
            if before is not None and before.get("to") == now:
                record["sums"] = self._merged(record.get("sums"), before.get("sums"))
            if pending is not None:
                record["pending"] = pending
            changed = before is not None or pending is not None
            return json.dumps(record).encode() if changed or stored is None else stored

        try:
            self._cell.update(change)
            if changed:
                # Else a power failure could bring an earlier mark back, behind a later session file.
                flush_name(self.path)
        except CellError as error:
            raise StoreBusyError(f"The sums of pruned sessions cannot be kept now: {error}.") from error

    def _get(self) -> bytes | None:
        try:
            return self._cell.get()
        except CellError as error:
            raise StoreBusyError(f"The sums of pruned sessions cannot be read now: {error}.") from error

    def _merged(self, record: Any, more: Any) -> Any:
        sums = self._sums(record)
        sums.merge(self._sums(more))
        return self._counting.aged(sums.to_record())

    def _sums(self, record: Any) -> Any:
        try:
            return self._counting.sums(record)
        except ValueError as error:
            raise StoreDamagedError(self._damaged()) from error

    def _record(self, stored: bytes | None) -> dict[str, Any]:
        try:
            record = json.loads(stored or b"{}")
        except ValueError as error:
            raise StoreDamagedError(self._damaged()) from error
        if not isinstance(record, dict) or not isinstance(record.get("pending", {}), dict):
            raise StoreDamagedError(self._damaged())
        return record

    def _damaged(self) -> str:
        return f"The sums of pruned sessions are damaged: put {self.path.name} back from a copy, or move it away."

    def close(self) -> None:
        self._cell.close()
