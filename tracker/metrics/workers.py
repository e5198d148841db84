"""The counts of all workers of one master, dead ones too: each publishes its own every second, and any can add them up.

A file a worker, in a folder that the master makes before the first fork and removes at its end. What a worker counted
that is gone, the master adds to one further file, so that no counter ever goes back. A worker that is killed takes with
it what it counted since it last published, which nobody has seen yet.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import orjson

from tracker.metrics.counts import Rows, added, counted

_GONE: Final = "gone.json"
_MOST_NAMES: Final = 100
"""Names of files that were added to those of the dead: more than can be added while somebody reads."""


class WorkerCounts:
    """The counts of the workers whose master made the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = 0
        self._file = folder

    def publish(self) -> None:
        """Let the others see what this process has counted. Raises nothing: where it fails, a later time does it."""
        if self._owner != os.getpid():
            # Never the name of a worker that is gone, as the number of a process alone could be.
            self._owner = os.getpid()
            self._file = self._folder / f"{self._owner}-{secrets.token_hex(4)}.json"
        with contextlib.suppress(OSError):
            _write(self._file, {"rows": _listed(counted())})

    def add_up(self) -> Rows:
        """Return the sum of what all workers have published, and this process has counted up to now."""
        self.publish()
        published = {file.name: _read(file) for file in self._folder.glob("*-*.json")}
        # Read last: a worker that died meanwhile is in it, by its name, and with all that it counted.
        gone = _read(self._folder / _GONE)
        living = [one for name, one in published.items() if name not in gone.get("names", [])]
        return added(map(_rows_of, [gone, *living]))

    def bury(self, pid: int) -> None:
        """Keep what a worker has counted that is gone, and remove its file. Only the master does."""
        gone = _read(self._folder / _GONE)
        for file in self._folder.glob(f"{pid}-*.json"):
            names = [*gone.get("names", []), file.name][-_MOST_NAMES:]
            gone = {"names": names, "rows": _listed(added([_rows_of(gone), _rows_of(_read(file))]))}
            with contextlib.suppress(OSError):
                _write(self._folder / _GONE, gone)
                file.unlink()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


_of_this_service: WorkerCounts | None = None


def begin(folder: str | None) -> None:
    """Make the folder, in `folder` if that is given; the workers that are forked from now on share it."""
    global _of_this_service  # noqa: PLW0603  a fork hands on the state of the process
    _of_this_service = WorkerCounts(Path(tempfile.mkdtemp(prefix="shopify-tracker-", dir=folder)))


def publish() -> None:
    """See WorkerCounts."""
    if _of_this_service is not None:
        _of_this_service.publish()


def bury(pid: int) -> None:
    """See WorkerCounts."""
    if _of_this_service is not None:
        _of_this_service.bury(pid)


def end() -> None:
    """Remove the folder."""
    if _of_this_service is not None:
        _of_this_service.remove()


def add_up() -> Rows:
    """Return what all workers have counted; of a process without a master what it counted itself."""
    return counted() if _of_this_service is None else _of_this_service.add_up()


# --- one file -----------------------------------------------------------------------------------------------------


def _listed(rows: Rows) -> dict[str, Any]:
    return {name: list(by_labels.items()) for name, by_labels in rows.items()}


def _rows_of(content: dict[str, Any]) -> Rows:
    return {name: {tuple(labels): row for labels, row in rows} for name, rows in content.get("rows", {}).items()}


def _write(file: Path, content: dict[str, Any]) -> None:
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(content))
    new.replace(file)


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return {}  # not yet, or not any more
    return content
