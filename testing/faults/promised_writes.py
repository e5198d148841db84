"""Processes that write sessions and note what they were promised, to be recorded by testing.faults.power_loss.

`python -m testing.faults.promised_writes SCENARIO FOLDER`; notes are lines `+ID EVENT` after an update returned, `~ID`
before a deletion and `-ID` after it returned. They go to a file beside the folder.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from testing.faults.power_loss import NOTE
from testing.shoppers import NOON, adds
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Change
from tracker.storage.json_file import JsonFileStore

SESSIONS = ["shopper-0", "shopper-1", "shopper-2"]


class Updates(Protocol):
    def update(self, session_id: str, change: Change) -> ShopperSession: ...


class NaiveStore:
    """How not to do it: the whole file written anew at every update, with one thing left out.

    in-place: written over, then synced. unsynced: written beside and renamed, but not synced before. unnamed: synced
    and renamed, but the folder not synced. unflushed: all by the book, but acknowledged before.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.kind = kind

    def update(self, session_id: str, change: Change) -> ShopperSession:
        whole = json.loads(self.path.read_bytes())
        old = whole.get(session_id)
        new = change(None if old is None else ShopperSession.from_record(old))
        whole[session_id] = new.to_record()
        content = json.dumps(whole).encode()
        target = self.path if self.kind == "in-place" else self.path.with_name("beside")
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.pwrite(fd, content, 0)
        if self.kind != "unsynced":
            os.fsync(fd)
        os.close(fd)
        if self.kind != "in-place":
            os.rename(target, self.path)  # noqa: PTH104 - as system calls
        if self.kind != "unnamed":
            folder = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return new


class Notes:
    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder.parent / NOTE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, line: str) -> None:
        os.write(self._fd, f"{line}\n".encode())


def write(store: Updates, notes: Notes, name: str, count: int) -> None:
    """Add events; the texts are of many lengths, so that lines begin and end at all places of a sector."""
    for number in range(count):
        who, event = SESSIONS[number % len(SESSIONS)], f"{name}.{number}{'x' * (37 * number % 300)}"
        store.update(who, adds(who, event, NOON + number))
        notes.note(f"+{who} {event}")


def side_by_side(*work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    logging.disable(logging.CRITICAL)
    scenario, folder = sys.argv[1], Path(sys.argv[2])
    path, notes = folder / "sessions.json", Notes(folder)
    if scenario.startswith("naive"):
        write(NaiveStore(path, scenario.removeprefix("naive ")), notes, "naive", 4)
        return
    # Two stores of one process exclude each other as two processes do: each has its own descriptors.
    store, other = JsonFileStore(path, compact_from=1500 if scenario == "rewriting" else 1 << 20), JsonFileStore(path)
    if scenario in {"alone", "later"}:
        write(store, notes, scenario, 4)
    elif scenario in {"shared", "rewriting"}:
        work = [
            partial(write, one, notes, f"{scenario}{number}", 5) for number, one in enumerate((store, store, other))
        ]
        side_by_side(*work)
    elif scenario == "compact":
        write(store, notes, "before", 6)
        side_by_side(partial(write, other, notes, "beside", 5), store.compact)
        write(store, notes, "after", 2)
    elif scenario == "compact first":
        store.compact()
        write(store, notes, "after", 3)
    elif scenario == "delete":
        write(store, notes, "before", 5)
        notes.note(f"~{SESSIONS[1]}")
        store.delete(SESSIONS[1])
        notes.note(f"-{SESSIONS[1]}")
        write(other, notes, "after", 1)
    elif scenario == "repair":
        store.repair()
        write(other, notes, "after", 2)
    store.close()
    other.close()


if __name__ == "__main__":
    main()
