"""What was acknowledged survives a power failure at any moment, whatever the disk kept of what was not synced (D2).

System calls of real runs are recorded with strace and replayed into legal states of the disk (testing.faults.power_loss
says which); a fresh store must open each of them and hold every promise. All states of a moment are tried where they
are no more than `STATES`, else a seeded sample of so many with the extremes in it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from testing.faults.power_loss import Disk, Files, digest, record
from testing.faults.promised_writes import SESSIONS
from testing.faults.traced_store import NO_STRACE, ROOT
from testing.shoppers import NOON, adds, names
from tracker.sessions.store import StoreError
from tracker.storage.json_file import JsonFileStore

pytestmark = pytest.mark.skipif(NO_STRACE is not None, reason=str(NO_STRACE))

STATES = 3000 if os.environ.get("TRACKER_TESTS") == "thorough" else 60
"""States tried for each moment and each naming of the files."""

Found = dict[str, Counter[str]]
Opens = Callable[[Path, Path], Found]
"""Opens the file in the folder of a state as it would be after a restart; raises what it raises."""


@pytest.fixture
def state_folder() -> Iterator[Path]:
    """A folder in memory, because thousands of states are synced there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


# --- where the runs begin ---------------------------------------------------------------------------------------------


def nothing(path: Path) -> None:
    pass


def empty(path: Path) -> None:
    path.write_text("{}")


def sound(path: Path) -> None:
    store = JsonFileStore(path)
    for number, who in enumerate(SESSIONS):
        store.update(who, adds(who, "old", NOON - 10 + number))
    store.close()


def torn(path: Path) -> None:
    sound(path)
    path.write_bytes(path.read_bytes().removesuffix(b"\n}") + b',\n"shopper-9":{"session":' + b'"x' * 700)


def torn_at_once(path: Path) -> None:
    path.write_bytes(b'{\n"shopper-9":{"session":' + b'"x' * 700)


def holed(path: Path) -> None:
    sound(path)
    late = path.read_bytes().splitlines()[-2].replace(SESSIONS[2].encode(), b"shopper-8")
    path.write_bytes(path.read_bytes().removesuffix(b"\n}") + b",\n" + b"\0" * 600 + b"\n" + late + b"\n}")


def damaged(path: Path) -> None:
    sound(path)
    path.write_bytes(path.read_bytes().replace(b'\n"shopper-1"', b']\n"shopper-1"'))


def original(path: Path) -> None:
    event = {"type": "click", "ts": NOON / 1000 - 10, "name": "old"}
    path.write_text(json.dumps({who: {"session": who, "events": {"/": [event]}} for who in SESSIONS}, indent=2))


# --- the check --------------------------------------------------------------------------------------------------------


def open_store(folder: Path, path: Path) -> Found:
    """Open a state as the service does, write to it, and read it as any JSON parser does."""
    store = JsonFileStore(path)
    try:
        found = {one.session: names(one) for one in store.iterate()}
        store.update("restarted-1", adds("restarted-1", "first"))
        told = {who for who, session in json.loads(path.read_bytes()).items() if session is not None}
        assert told == {*found, "restarted-1"}
    finally:
        store.close()
    assert not list(folder.rglob("*.new"))
    return found


def repair_and_open(folder: Path, path: Path) -> Found:
    """Open a state as an operator does who has a damaged file."""
    store = JsonFileStore(path)
    store.repair()
    store.close()
    return open_store(folder, path)


def open_naively(folder: Path, path: Path) -> Found:
    return {
        who: Counter(event["name"] for page in session["events"].values() for event in page)
        for who, session in json.loads(path.read_bytes()).items()
    }


def lay_out(files: Files, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def broken_promises(disk: Disk, moment: float, found: Found) -> Iterator[str]:
    promised: dict[str, set[str]] = {}
    unsure: set[str] = set()
    for when, line in disk.promises:
        if when < moment:
            who, _, event = line[1:].partition(" ")
            if line[0] == "+":
                promised.setdefault(who, set()).add(event)
            elif line[0] == "~":
                unsure.add(who)
            else:
                promised.pop(who, None)
                unsure.discard(who)
                yield from (f"{event} of {who} is back" for event in found.get(who, ()))
    for who, events in promised.items():
        held = found.get(who, Counter())
        if who not in unsure or held:
            yield from (f"{event} of {who} is lost" for event in sorted(events - held.keys()))
    yield from (f"{event} of {who} counts {n} times" for who in found for event, n in found[who].items() if n > 1)


class Tally:
    def __init__(self) -> None:
        self.moments = self.states = self.different = 0
        self.unreadable: list[str] = []
        self.broken: list[str] = []


def fail_everywhere(disk: Disk, folder: Path, opens: Opens, file: str, kept: set[str]) -> Tally:
    """Let the power fail at every moment of the disk's history; `kept`: whose event "old" was there from the start."""
    tally, chance = Tally(), Random(2)
    known: dict[bytes, Found | str] = {}
    for moment in [0.0, *disk.moments]:
        tally.moments += 1
        for files in disk.states_at(moment, chance, STATES):
            tally.states += 1
            if (key := digest(files)) not in known:
                lay_out(files, folder / "state")
                try:
                    known[key] = opens(folder / "state", folder / "state" / file)
                except (StoreError, ValueError, OSError, AssertionError) as error:
                    known[key] = repr(error)
            found = known[key]
            if isinstance(found, str):
                tally.unreadable.append(f"at {moment}: {found}")
                continue
            tally.broken += [f"at {moment}: {what}" for what in broken_promises(disk, moment, found)]
            tally.broken += [
                f"at {moment}: the old {who} is lost" for who in kept if found.get(who, Counter())["old"] != 1
            ]
    tally.different = len(known)
    return tally


def run(disk: Disk, scenario: str, log: Path, inject: str | None = None) -> None:
    command = [sys.executable, "-m", "testing.faults.promised_writes", scenario, str(disk.root)]
    disk.replay(record(command, log, inject=inject, cwd=ROOT))


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of files are mended here, and each says so."""
    caplog.set_level(logging.CRITICAL)


# --- what must hold ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "scenario"),
    [
        (nothing, "alone"),
        (empty, "alone"),
        (sound, "alone"),
        (sound, "shared"),
        (sound, "rewriting"),
        (sound, "compact"),
        (sound, "compact first"),
        (sound, "delete"),
        (torn, "alone"),
        (torn_at_once, "alone"),
        (holed, "alone"),
        (original, "shared"),
        (damaged, "repair"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_power_failure_at_any_moment_loses_nothing_that_was_acknowledged(
    tmp_path: Path, state_folder: Path, start: Callable[[Path], None], scenario: str
) -> None:
    root = tmp_path / "watched"
    root.mkdir()
    start(root / "sessions.json")
    (root / "sessions.json.lock").unlink(missing_ok=True)
    disk = Disk.watch(root)
    run(disk, scenario, tmp_path / "strace")
    assert len(disk.promises) >= 2
    kept = set() if start in {nothing, empty, torn_at_once} else set(SESSIONS)
    kept -= {SESSIONS[1]} if scenario == "delete" else set()
    opens = repair_and_open if start is damaged else open_store
    tally = fail_everywhere(disk, state_folder, opens, "sessions.json", kept)
    print(f"{tally.moments} moments, {tally.states} states, {tally.different} of them different")
    assert tally.unreadable == []
    assert tally.broken == []
    assert tally.different > 10


@pytest.mark.parametrize("place", range(-3, 4))
def test_a_line_whose_foot_stands_across_two_sectors_survives_the_next_one(
    tmp_path: Path, state_folder: Path, place: int
) -> None:
    root = tmp_path / "watched"
    root.mkdir()
    path = root / "sessions.json"
    sound(path)
    size = path.stat().st_size
    path.write_bytes(
        path.read_bytes().replace(b'"old"', b'"old","text":"' + b"x" * (2048 + place - size - 10) + b'"', 1)
    )
    assert path.stat().st_size == 2048 + place
    disk = Disk.watch(root)
    run(disk, "alone", tmp_path / "strace")
    tally = fail_everywhere(disk, state_folder, open_store, "sessions.json", set(SESSIONS))
    assert tally.unreadable == []
    assert tally.broken == []


@pytest.mark.parametrize("death", ["fdatasync:when=1", "rename:when=1", "fsync:when=1", "fdatasync:when=2"])
def test_what_is_acknowledged_behind_a_process_that_died_in_a_rewrite_survives_a_power_failure(
    tmp_path: Path, state_folder: Path, death: str
) -> None:
    root = tmp_path / "watched"
    root.mkdir()
    sound(root / "sessions.json")
    disk = Disk.watch(root)
    # Above all between the renaming and the first fsync, which would have made it last.
    run(disk, "compact first", tmp_path / "strace", inject=death.replace(":", ":signal=SIGKILL:"))
    run(disk, "later", tmp_path / "strace")
    tally = fail_everywhere(disk, state_folder, open_store, "sessions.json", set(SESSIONS))
    assert tally.unreadable == []
    assert tally.broken == []


# --- and what must be found -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["in-place", "unsynced", "unnamed"])
def test_the_same_check_finds_the_loss_in_a_naive_store(tmp_path: Path, state_folder: Path, kind: str) -> None:
    root = tmp_path / "watched"
    root.mkdir()
    (root / "sessions.json").write_text("{}")
    disk = Disk.watch(root)
    run(disk, f"naive {kind}", tmp_path / "strace")
    assert len(disk.promises) == 4
    tally = fail_everywhere(disk, state_folder, open_naively, "sessions.json", set())
    if kind == "unnamed":
        assert tally.unreadable == []
        assert tally.broken != []
    else:
        assert tally.unreadable != []
