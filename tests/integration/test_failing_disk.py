"""A disk that fails, is full or refuses: a StoreError, old state readable, no orphan, the next write works (D4)."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from testing.faults.traced_store import ANNA, BERT, CORA, NO_STRACE, Outcome, TracedStore
from testing.shoppers import NOON, adds, beside, names, session
from tests.conftest import gate_takes
from tracker.sessions.store import StoreError, StoreFullError
from tracker.storage.json_file import JsonFileStore
from tracker.storage.json_file.file import CANNOT_WRITE

needs_strace = pytest.mark.skipif(NO_STRACE is not None, reason=str(NO_STRACE))

READS = "pread64,read,newfstatat,fstat"
WRITES = "openat,write,pwrite64,fdatasync,fsync,ftruncate,rename,link,linkat,unlink,mkdir"
FAULTS = [("EIO", READS), ("EIO", WRITES), ("ENOSPC", WRITES), ("EROFS", WRITES)]


# --- where the cases begin --------------------------------------------------------------------------------------------


def nothing(path: Path) -> None:
    """The file is not there yet: made by the first write."""


def sound(path: Path) -> None:
    store = JsonFileStore(path)
    store.update(BERT, lambda _: session(BERT, "old", at=NOON))
    store.update(ANNA, lambda _: session(ANNA, "old", at=NOON + 2))
    store.close()


def torn(path: Path) -> None:
    sound(path)
    whole = path.read_bytes()
    path.write_bytes(whole.removesuffix(b"\n}") + b',\n"cora-0003":{"session":"cora-00')


def holed(path: Path) -> None:
    sound(path)
    whole = path.read_bytes()
    late = whole.splitlines()[-2].replace(ANNA.encode(), b"dora-0004")
    path.write_bytes(whole.removesuffix(b"\n}") + b",\n" + b"\0" * 90 + b"\n" + late + b"\n}")


def damaged(path: Path) -> None:
    sound(path)
    path.write_bytes(path.read_bytes().replace(b'"anna-0001":{', b'"x":[]]],\n"anna-0001":{'))


def original(path: Path) -> None:
    record = {
        "itemsoncart": 1,
        "timeonpage": {"/": 3},
        "events": {"/": [{"type": "click", "ts": 1.7e9, "name": "old"}]},
    }
    path.write_text(json.dumps({ANNA: {"session": ANNA, **record}, BERT: {"session": BERT, **record}}, indent=2))


@dataclass(frozen=True)
class Case:
    act: str
    start: Callable[[Path], None]

    @property
    def old(self) -> set[str]:
        """Whose event "old" is stored before the act, and stays unless the act says otherwise."""
        if self.start is nothing:
            return set()
        return {ANNA, BERT}

    def __str__(self) -> str:
        return f"{self.act}, {self.start.__name__}"


CASES = [
    Case("update", nothing),
    Case("update", sound),
    Case("update", torn),
    Case("update", original),
    Case("delete", sound),
    Case("compact", sound),
    Case("rewrite behind", sound),
    Case("repair", damaged),
    # So far the gate goes: every act, and every state that an act begins from but one.
    Case("update", holed),
    Case("prune", sound),
    Case("compact", original),
    Case("compact", nothing),
]
BY_ACT = {"delete": BERT, "prune": BERT}
"""Who is gone after the act."""


def prepare(case: Case, folder: Path) -> Path:
    folder.mkdir(parents=True)
    case.start(folder / "sessions.json")
    return folder / "sessions.json"


def faults_of(case: Case, path: Path, outcome: Outcome, *, dead: bool = False) -> Iterator[str]:
    """Return everything that is not as it was promised after an act with a fault. `dead`: the fault went on and on."""
    if outcome.act not in {"ok", "killed"} and not outcome.act.startswith("StoreError"):
        yield f"another exception than StoreError: {outcome.act}"
    # The one injected call may be the child's reading or writing after the act, which then fails as it should.
    for told in (outcome.read, outcome.write):
        if told not in {"ok", "killed"} and not told.startswith("StoreError"):
            yield f"another exception than StoreError: {told}"
    done = [outcome.act, outcome.read, outcome.write]
    if not dead and "killed" not in done and sum(told != "ok" for told in done) > 1 and case.start is not damaged:
        yield f"more than one step failed of one fault: {done}"
    if outcome.read == "ok":
        yield from wrong(case, outcome, {who: outcome.found[who] for who in (ANNA, BERT)}, "in the same process")
    yield from faults_afterwards(case, path, outcome)


def wrong(case: Case, outcome: Outcome, found: dict[str, dict[str, int]], where: str) -> Iterator[str]:
    gone = BY_ACT.get(case.act)
    for who in (ANNA, BERT):
        times = found[who].get("old", 0)
        # A prune that fails at the very last, when the name of the new file is made to last, is done all the same.
        may_be_gone = who == gone and (outcome.act in {"ok", "killed"} or case.act == "prune")
        if who in case.old and times != 1 and not (may_be_gone and times == 0):
            yield f"{who} has the old event {times} times {where}"
        if who == gone and outcome.act == "ok" and times:
            yield f"{who} is still there {where}"
    new = found[ANNA].get("new", 0)
    if case.act in {"update", "rewrite behind"} and outcome.act == "ok" and new != 1:
        yield f"acknowledged, and there {new} times {where}"
    if case.act == "update" and outcome.act.startswith("StoreError") and new:
        yield f"refused, and there all the same {where}"


def faults_afterwards(case: Case, path: Path, outcome: Outcome) -> Iterator[str]:
    store = JsonFileStore(path)
    try:
        if case.start is damaged and outcome.act != "ok":
            store.repair()
        store.update("later-001", adds("later-001", "later"))
        found = {who: dict(names(store.get(who))) for who in (ANNA, BERT)}
        yield from wrong(case, outcome, found, "afterwards")
        if outcome.write == "ok" and names(store.get(CORA)) != {"next": 1}:
            yield "the next write was acknowledged and is not there"
        told = {who for who, record in json.loads(path.read_bytes()).items() if record is not None}
        if told != {one.session for one in store.iterate()}:
            yield "json.load and the store differ"
    except (StoreError, ValueError, FileNotFoundError) as error:
        yield f"does not open afterwards: {error!r}"
    finally:
        store.close()
    kept = beside(path)
    expected = int(case.start in {torn, holed, original, damaged})
    most = 2 * expected if outcome.act == "killed" else expected
    if any(name.endswith(".new") for name in kept) or not expected <= len(kept) <= most:
        yield f"orphans: {sorted(kept)}"


# --- one fault at a time ----------------------------------------------------------------------------------------------


def run_all(
    case: Case, folder: Path, faults: list[tuple[str, str]], *, dead: bool = False
) -> tuple[list[str], int, int]:
    """Run the case with every fault at every place; give (what was wrong, cases, how many of them failed the act)."""
    with TracedStore() as traced:
        path = prepare(case, folder / "clean")
        outcome, counted = traced.count(case.act, path, f"{READS},{WRITES},flock")
        assert (outcome.act, outcome.read, outcome.write) == ("ok", "ok", "ok")
        assert list(faults_of(case, path, outcome)) == []
        counted["write"] -= 1  # The child's own answer.
        counted["read"] -= 1  # The child's own start.
        bad: list[str] = []
        cases = failed = 0
        for fault, calls in faults:
            for call in calls.split(","):
                first = 2 if call == "read" else 1
                for number in range(first, counted[call] + first):
                    cases += 1
                    path = prepare(case, folder / f"{fault}-{call}-{number}")
                    how = f"signal={fault}" if fault == "SIGKILL" else f"error={fault}"
                    when = f"{number}+" if dead else f"{number}"
                    outcome, _log = traced.act(case.act, path, call, f"{call}:{how}:when={when}")
                    failed += outcome.act != "ok"
                    where = f"{fault} at {call} {number}"
                    bad += [f"{where}: {what}" for what in faults_of(case, path, outcome, dead=dead)]
    return bad, cases, failed


def show(case: Case, folder: Path, faults: list[tuple[str, str]], *, dead: bool = False) -> None:
    """Run the case with the faults, side by side, and hold that nothing was wrong."""
    with ThreadPoolExecutor(len(faults)) as pool:
        done = list(pool.map(lambda fault: run_all(case, folder / "-".join(fault)[:12], [fault], dead=dead), faults))
    cases, failed = sum(cases for _, cases, _ in done), sum(failed for *_, failed in done)
    print(f"{cases} faults, {failed} of them in the act")
    assert list(chain.from_iterable(bad for bad, _, _ in done)) == []
    assert failed > 0


@needs_strace
@pytest.mark.parametrize("case", gate_takes(8, CASES), ids=str)
def test_any_one_failing_system_call_changes_nothing_and_leaves_nothing(case: Case, tmp_path: Path) -> None:
    show(case, tmp_path, FAULTS)


@needs_strace
@pytest.mark.parametrize("case", gate_takes(8, CASES), ids=str)
def test_a_disk_that_fails_from_any_system_call_on_changes_nothing(case: Case, tmp_path: Path) -> None:
    show(case, tmp_path, [("ENOSPC", WRITES)], dead=True)


@needs_strace
@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_disk_that_dies_at_any_system_call_changes_nothing(case: Case, tmp_path: Path) -> None:
    show(case, tmp_path, [("EIO", WRITES), ("EROFS", WRITES)], dead=True)


@needs_strace
@pytest.mark.parametrize("case", gate_takes(8, CASES), ids=str)
def test_a_process_killed_at_any_system_call_leaves_a_file_that_opens(case: Case, tmp_path: Path) -> None:
    show(case, tmp_path, [("SIGKILL", READS), ("SIGKILL", f"{WRITES},flock")])


# --- faults that two processes meet -----------------------------------------------------------------------------------


@needs_strace
def test_nothing_is_acknowledged_on_a_file_whose_flush_failed_before_it_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    sound(path := tmp_path / "store" / "sessions.json")
    inode = path.stat().st_ino
    with TracedStore() as traced:
        outcome, log = traced.act("update", path, "fdatasync,rename", "fdatasync:error=EIO:when=1")
    assert outcome.act == "StoreError StoreFullError"
    assert outcome.write == "ok"
    failed = log.index("INJECTED")
    assert "rename(" in log[failed:]
    assert path.stat().st_ino != inode


@needs_strace
def test_a_writer_whose_flush_fails_does_not_take_back_what_another_wrote_behind_it(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    sound(path := tmp_path / "store" / "sessions.json")
    other = JsonFileStore(path)
    with TracedStore() as traced, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(traced.act, "update", path, "fdatasync", "fdatasync:error=EIO:delay_enter=500000:when=1")
        while names(other.get(ANNA)) != {"old": 1, "new": 1}:
            assert not slow.done()
        other.update("other-001", adds("other-001", "behind"))
        assert not slow.done()
        outcome, _log = slow.result()
    assert outcome.act == "StoreError StoreFullError"
    for reader in (other, JsonFileStore(path)):
        assert names(reader.get("other-001")) == {"behind": 1}
        reader.close()


@needs_strace
def test_another_process_that_knows_lines_which_are_taken_back_reads_anew(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    sound(path := tmp_path / "store" / "sessions.json")
    other = JsonFileStore(path)
    with TracedStore() as traced, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(traced.act, "update", path, "fdatasync", "fdatasync:error=EIO:delay_enter=300000:when=1")
        while names(other.get(ANNA)) != {"old": 1, "new": 1}:
            assert not slow.done()
        outcome, _log = slow.result()
    assert outcome.act == "StoreError StoreFullError"
    assert names(other.get(ANNA)) == {"old": 1}
    assert names(other.update(ANNA, adds(ANNA, "again"))) == {"old": 1, "again": 1}
    other.close()


# --- health (S6) ------------------------------------------------------------------------------------------------------


@needs_strace
@pytest.mark.parametrize("fault", ["ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EPERM", "EIO"])
def test_a_disk_that_refuses_to_be_written_to_is_a_problem(tmp_path: Path, fault: str) -> None:
    sound(path := tmp_path / "sessions.json")
    before = path.read_bytes()
    with TracedStore() as traced:
        outcome, _log = traced.act("problem", path, "pwrite64", f"pwrite64:error={fault}:when=1+")
        assert outcome.act == "ok"
        assert outcome.told == CANNOT_WRITE
        outcome, _log = traced.act("problem", path, "pwrite64")
        assert (outcome.act, outcome.told) == ("ok", "")
    assert json.loads(path.read_bytes()).keys() == json.loads(before).keys() | {CORA}


def test_a_file_that_may_grow_no_further_is_a_problem(tmp_path: Path, file_limit: Callable[[int | None], None]) -> None:
    sound(path := tmp_path / "sessions.json")
    before = path.read_bytes()
    store = JsonFileStore(path)
    assert store.problem() is None
    for room in (0, 1, 100, 3000):
        file_limit(len(before) + room)
        assert store.problem() == CANNOT_WRITE
        assert path.read_bytes() == before
    file_limit(None)
    assert store.problem() is None
    assert path.read_bytes() == before
    store.close()


def test_a_file_that_must_not_be_changed_is_a_problem(tmp_path: Path) -> None:
    sound(path := tmp_path / "sessions.json")
    store = JsonFileStore(path)
    assert store.problem() is None
    if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
        pytest.skip("this file system knows no `chattr +i`, or root is needed for it")
    try:
        for one in (store, JsonFileStore(path)):
            assert one.problem() == CANNOT_WRITE
            with pytest.raises(StoreFullError):
                one.update(ANNA, adds(ANNA, "refused"))
            assert names(one.get(ANNA)) == {"old": 1}
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert store.problem() is None
    store.close()


# --- the order of locks (S9) ------------------------------------------------------------------------------------------


@needs_strace
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rewriting_lock_is_never_taken_inside_the_file_lock(case: Case, tmp_path: Path) -> None:
    path = prepare(case, tmp_path / "traced")
    with TracedStore() as traced:
        _outcome, log = traced.act(case.act, path, "openat,close,flock")
    opened: dict[str, str] = {}
    held: set[tuple[str, str]] = set()
    for thread, name, args, result in re.findall(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)", log, re.MULTILINE):
        if name == "openat":
            opened[result] = Path(args.split('"')[1]).suffix
        elif name == "close":
            held.discard((thread, opened.get(args, "")))
        elif name == "flock" and result == "0":
            kind = opened[args.partition(",")[0]]
            if "LOCK_UN" in args:
                held.discard((thread, kind))
            else:
                assert kind != ".new" or (thread, ".lock") not in held
                held.add((thread, kind))
    assert ".lock" in opened.values()


# --- no room ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def file_limit() -> Iterator[Callable[[int | None], None]]:
    """Let files grow no further than so many bytes: what is written across the limit is really written in part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size is None else size, hard))

    yield limit
    limit(None)


def test_a_line_written_in_part_is_taken_back_wherever_it_broke(
    tmp_path: Path, file_limit: Callable[[int | None], None]
) -> None:
    path = tmp_path / "sessions.json"
    sound(path)
    store = JsonFileStore(path)
    store.update(CORA, adds(CORA, "0"))
    before = path.read_bytes()
    for room in range(200):
        file_limit(len(before) + room)
        with pytest.raises(StoreFullError):
            store.update(CORA, adds(CORA, "refused"))
        assert path.read_bytes() == before
        assert names(store.get(CORA)) == {"0": 1}
    file_limit(None)
    assert names(store.update(CORA, adds(CORA, "taken"))) == {"0": 1, "taken": 1}
    assert names(JsonFileStore(path).get(CORA)) == {"0": 1, "taken": 1}
    assert beside(path) == set()
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted (run as root): {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_writes_keeps_what_it_has_and_takes_them_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 16_384)
    path = small_disk / "sessions.json"
    store = JsonFileStore(path)
    kept = 0
    refused = 0
    while refused < 20:
        try:
            store.update(f"shopper-{kept}", adds(f"shopper-{kept}", "kept"))
            kept += 1
        except StoreFullError:
            refused += 1
    assert kept > 50
    everyone = {f"shopper-{number}" for number in range(kept)}
    assert json.loads(path.read_bytes()).keys() == everyone
    assert {one.session for one in store.iterate()} == everyone
    assert store.check().problem is not None
    with pytest.raises(StoreFullError):
        store.compact()
    assert beside(path) == {"ballast"}
    fresh = JsonFileStore(path)
    assert {one.session for one in fresh.iterate()} == everyone
    with pytest.raises(StoreFullError):
        fresh.update("refused-1", adds("refused-1", "refused"))

    ballast.unlink()
    for one in (store, fresh):
        one.update(f"later-{id(one)}", adds(f"later-{id(one)}", "taken"))
        assert one.check().sessions == kept + (1 if one is store else 2)
        one.close()
    assert len(json.loads(path.read_bytes())) == kept + 2
    assert beside(path) == set()


@pytest.mark.parametrize("start", [nothing, torn, holed, original], ids=lambda start: start.__name__)
def test_a_full_disk_at_the_first_opening_leaves_everything_as_it_was(
    small_disk: Path, start: Callable[[Path], None]
) -> None:
    path = small_disk / "sessions.json"
    start(path)
    before = path.read_bytes() if path.exists() else None
    (small_disk / f"{path.name}.lock").touch()
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    for _ in range(5):
        store = JsonFileStore(path)
        # What is torn can be cut where the disk has no room, but the cut bytes must be kept first.
        with pytest.raises(StoreFullError):
            store.update(CORA, adds(CORA, "refused"))
        store.close()
    assert (path.read_bytes() if path.exists() else None) == before
    assert beside(path) == {"ballast"}
    ballast.unlink()
    store = JsonFileStore(path)
    assert names(store.update(CORA, adds(CORA, "taken"))) == {"taken": 1}
    if start is not nothing:
        assert names(store.get(ANNA)) == {"old": 1}
    store.close()


def test_a_folder_that_cannot_be_written_to_can_still_be_read(small_disk: Path) -> None:
    path = small_disk / "sessions.json"
    sound(path)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = JsonFileStore(path)
    for _ in range(2):
        assert names(store.get(ANNA)) == {"old": 1}
        assert [one.session for one in store.iterate()] == [ANNA, BERT]
        with pytest.raises(StoreFullError):
            store.update(ANNA, adds(ANNA, "refused"))
        with pytest.raises(StoreFullError):
            store.prune(NOON)
        assert store.check().problem is not None
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert names(store.update(ANNA, adds(ANNA, "taken"))) == {"old": 1, "taken": 1}
    store.close()
