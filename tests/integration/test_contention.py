"""Many processes on one file: a stuck one hangs nobody (C2), readers see whole writes (C4), nothing is lost (C1)."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random

import pytest

from testing.children import Children
from testing.shoppers import NOON, adds, beside, names, session
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreBusyError
from tracker.storage.json_file import JsonFileStore

ROOT = Path(__file__).resolve().parents[2]
ANNA, BERT = "anna-0001", "bert-0002"
DEADLINE_S = 10.0  # 2 s are promised; the rest is room for a busy machine: the holders here never let go


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.json"
    store = JsonFileStore(path)
    store.update(ANNA, lambda _: session(ANNA, "old"))
    store.update(BERT, lambda _: session(BERT, "old", at=NOON + 1))
    store.close()
    return path


class Gate:
    """A place where a child waits, and a test that knows when it is there."""

    def __init__(self) -> None:
        self._arrived = multiprocessing.Semaphore(0)
        self._is_open = multiprocessing.Semaphore(0)

    def pass_through(self) -> None:
        self._arrived.release()
        self._is_open.acquire()

    def await_arrival(self) -> None:
        assert self._arrived.acquire(timeout=20), "nobody came"

    def let_through(self) -> None:
        self._is_open.release()


def hold_the_lock(path: Path, gate: Gate) -> None:
    def change(stored: ShopperSession | None) -> ShopperSession:
        gate.pass_through()
        return adds(ANNA, "from the holder")(stored)

    store = JsonFileStore(path)
    store.update(ANNA, change)
    store.close()


def busy_for(work: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(StoreBusyError):
        work()
    return time.monotonic() - began


# --- C2 ---------------------------------------------------------------------------------------------------------------


def test_a_stopped_lock_holder_makes_others_busy_within_two_seconds_and_all_is_well_when_it_goes_on(
    path: Path, children: Children
) -> None:
    store, behind, gate = JsonFileStore(path), JsonFileStore(path), Gate()
    assert names(behind.get(ANNA)) == {"old": 1}
    store.update(ANNA, adds(ANNA, "later"))
    holder = children.start(partial(hold_the_lock, path, gate))
    gate.await_arrival()
    os.kill(holder, signal.SIGSTOP)

    asked: list[Callable[[], object]] = [
        lambda: store.update(ANNA, adds(ANNA, "refused")),
        lambda: store.update(ANNA, adds(ANNA, "refused")),
        lambda: store.update(BERT, adds(BERT, "refused")),
        lambda: store.delete(BERT),
        lambda: store.prune(NOON * 2),
        lambda: store.compact(),
        lambda: JsonFileStore(path).update(BERT, adds(BERT, "refused")),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        assert max(pool.map(busy_for, asked)) < DEADLINE_S
    began = time.monotonic()
    assert store.check().problem is not None
    assert time.monotonic() - began < DEADLINE_S
    # Reading needs no lock, neither for one who knows the file nor for one who comes new or has more to learn.
    for reader in (store, behind, JsonFileStore(path)):
        assert names(reader.get(ANNA)) == {"old": 1, "later": 1}
        assert len(list(reader.iterate())) == 2

    os.kill(holder, signal.SIGCONT)
    gate.let_through()
    assert children.all_done()
    assert names(store.update(ANNA, adds(ANNA, "taken"))) == dict.fromkeys(
        ["old", "later", "from the holder", "taken"], 1
    )
    assert names(store.get(BERT)) == {"old": 1}
    assert store.check().problem is None
    store.close()


def test_a_killed_lock_holder_releases_the_lock(path: Path, children: Children) -> None:
    store, gate = JsonFileStore(path), Gate()
    holder = children.start(partial(hold_the_lock, path, gate))
    gate.await_arrival()
    os.kill(holder, signal.SIGKILL)
    assert names(store.update(ANNA, adds(ANNA, "taken"))) == {"old": 1, "taken": 1}
    store.close()


def test_a_stopped_rewrite_stops_neither_writes_nor_deletions(path: Path, children: Children) -> None:
    store, gate = JsonFileStore(path, sweep_after_s=0.1), Gate()
    for number in range(1000):
        store.update(f"shopper-{number}", adds(f"shopper-{number}", "old", NOON + number))

    def compact() -> None:
        # Progress is told for the first time after 1,000 sessions, in the middle of the copy, without the lock.
        JsonFileStore(path).compact(progress=lambda _done, _of: gate.pass_through())

    stopped = children.start(compact)
    gate.await_arrival()
    os.kill(stopped, signal.SIGSTOP)
    began = time.monotonic()
    assert names(store.update(ANNA, adds(ANNA, "meanwhile"))) == {"old": 1, "meanwhile": 1}
    assert store.delete(BERT)
    assert time.monotonic() - began < DEADLINE_S
    assert store.get(BERT) is None

    os.kill(stopped, signal.SIGCONT)
    for _ in range(2):
        gate.let_through()
    assert children.all_done()
    # The rewrite had copied the deleted session's line; the next write sees to it that it goes.
    store.update(ANNA, adds(ANNA, "afterwards"))
    patience = time.monotonic() + 20
    while BERT.encode() in path.read_bytes():
        assert time.monotonic() < patience
        time.sleep(0.01)
    store.close()
    fresh = JsonFileStore(path)
    assert names(fresh.get(ANNA)) == {"old": 1, "meanwhile": 1, "afterwards": 1}
    assert fresh.check().sessions == 1001
    fresh.close()


# --- C4 ---------------------------------------------------------------------------------------------------------------


def write_in_turn(path: Path, name: str, count: int, compact_from: int, sessions: list[str]) -> None:
    store = JsonFileStore(path, compact_from=compact_from)
    for number in range(count):
        who = sessions[number % len(sessions)]
        store.update(who, adds(who, f"{name}.{number // len(sessions)}", NOON + number))
    store.close()


@pytest.mark.parametrize("compact_from", [1 << 20, 3000], ids=["appending", "rewriting all the time"])
def test_readers_beside_writers_see_whole_writes_in_order_and_no_error(
    path: Path, children: Children, compact_from: int
) -> None:
    sessions = [f"shopper-{number}" for number in range(4)]
    for writer in range(2):
        children.start(partial(write_in_turn, path, f"{writer}", 400, compact_from, sessions))
    store = JsonFileStore(path)
    reads = 0
    last: dict[str, Counter[str]] = {who: Counter() for who in sessions}
    while children.any_running():
        for who in sessions:
            found = names(store.get(who))
            assert found >= last[who], "a later read knows less"
            last[who] = found
        walked = [one.session for one in store.iterate()]
        assert len(walked) == len(set(walked))
        for found in map(names, store.iterate()):
            per_writer = Counter(name.partition(".")[0] for name in found)
            whole = {f"{writer}.{number}" for writer, count in per_writer.items() for number in range(count)}
            assert found.keys() == whole or found.keys() == {"old"}
        reads += 1
    assert reads > 20
    everything = {f"{writer}.{number}": 1 for writer in range(2) for number in range(100)}
    assert [names(store.get(who)) for who in sessions] == [everything] * 4
    store.close()


# --- C1 ---------------------------------------------------------------------------------------------------------------


def test_rewrites_beside_four_writing_processes_lose_nothing(path: Path, children: Children) -> None:
    sessions = [f"shopper-{number}" for number in range(3)]
    inodes = set()
    for writer in range(4):
        children.start(partial(write_in_turn, path, f"{writer}", 300, 1 << 20, sessions))
    store = JsonFileStore(path)
    while children.any_running():
        store.compact()
        inodes.add(path.stat().st_ino)
        assert store.prune(1) == 0
    everything = {f"{writer}.{number}": 1 for writer in range(4) for number in range(100)}
    for reader in (store, JsonFileStore(path)):
        assert [names(reader.get(who)) for who in sessions] == [everything] * 3
        reader.close()
    assert len(inodes) > 3
    assert len(json.loads(path.read_bytes())) == 5


def test_threads_and_processes_that_delete_prune_and_write_agree(path: Path, children: Children) -> None:
    """Each worker owns sessions that only it changes, so it knows what must be there, whatever the others do."""

    def work(seed: int, store: SessionStore) -> None:
        chance, owned = Random(seed), [f"worker-{seed}-{number}" for number in range(4)]
        expected: dict[str, Counter[str]] = {who: Counter() for who in owned}
        for number in range(80):
            who = chance.choice(owned)
            if chance.random() < 0.15:
                assert store.delete(who) == bool(expected[who])
                expected[who] = Counter()
            else:
                expected[who][f"{number}"] = 1
                store.update(who, adds(who, f"{number}", NOON + number))
            assert names(store.get(who)) == expected[who]
        for who in owned:
            assert names(store.get(who)) == expected[who]

    def threads(base: int) -> None:
        store = JsonFileStore(path, compact_from=2000)
        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(work, base + index, store) for index in range(3)]:
                done.result()
        store.close()

    for base in (0, 10, 20):
        children.start(partial(threads, base))
    assert children.all_done()
    assert JsonFileStore(path).check().problem is None
    assert beside(path) == set()


# --- what a compaction costs others (S14) -----------------------------------------------------------------------------


def bytes_read() -> int:
    """Return how many bytes this process has read so far, from whatever."""
    return int(Path("/proc/self/io").read_text().split()[1])


def grow(path: Path, sessions: int = 300) -> None:
    store = JsonFileStore(path, compact_from=1 << 30)
    for round_ in range(2):
        for number in range(sessions):
            store.update(f"shopper-{number}", adds(f"shopper-{number}", f"{round_}{'x' * 4000}", NOON + number))
    store.close()


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's /proc/self/io")
@pytest.mark.parametrize("began_without_a_file", [False, True])
def test_a_compaction_is_not_read_again_by_those_that_know_the_file(
    path: Path, children: Children, began_without_a_file: bool
) -> None:
    if began_without_a_file:
        path.unlink()
    store, reader = JsonFileStore(path), JsonFileStore(path)
    for one in (store, reader):
        one.update(ANNA, adds(ANNA, "here"))
    children.start(partial(grow, path))
    assert children.all_done()
    for one in (store, reader):
        assert len(list(one.iterate())) == len(json.loads(path.read_bytes()))
    children.start(lambda: JsonFileStore(path).compact())
    assert children.all_done()
    assert path.stat().st_size > 1_000_000

    before = bytes_read()
    store.update(ANNA, adds(ANNA, "behind it"))
    assert names(reader.get(ANNA))["behind it"] == 1
    assert bytes_read() - before < 100_000
    for one in (store, reader):
        assert {found.session: names(found) for found in one.iterate()} == {
            found.session: names(found) for found in JsonFileStore(path).iterate()
        }
        one.close()


def test_every_compaction_moves_every_line_to_where_a_fresh_process_finds_it(path: Path) -> None:
    """The places that follow from the order of copying, beside writes, deletions and prunes, are those in the file."""
    chance = Random(7)
    stores = [JsonFileStore(path, compact_from=1 << 30, sweep_after_s=1000) for _ in range(3)]
    everyone = [f"shopper-{number:03}" for number in range(60)]
    expected: dict[str, Counter[str]] = {ANNA: Counter({"old": 1}), BERT: Counter({"old": 1})}
    times = {ANNA: NOON, BERT: NOON + 1}
    for step in range(600):
        store, who = chance.choice(stores), chance.choice(everyone)
        what = chance.random()
        if what < 0.8:
            times[who] = NOON + chance.randrange(1000)
            store.update(who, adds(who, f"{step}", times[who]))
            expected.setdefault(who, Counter())[f"{step}"] = 1
        elif what < 0.9:
            assert store.delete(who) == bool(expected.pop(who, None))
        elif what < 0.98:
            store.compact()
        else:
            cutoff = NOON + chance.randrange(300)
            old = {one for one in expected if times[one] < cutoff}
            assert store.prune(cutoff) == len(old)
            expected = {one: found for one, found in expected.items() if one not in old}
        reader = chance.choice(stores)
        assert names(reader.get(who)) == expected.get(who, Counter())
    for store in (*stores, JsonFileStore(path)):
        walked = [(one.updated_at, one.session) for one in store.iterate()]
        assert walked == sorted(walked, reverse=True)
        assert {who for _, who in walked} == expected.keys()
        assert {who: names(store.get(who)) for who in expected} == expected
        assert store.check().sessions == len(expected)
        store.close()


def test_a_compaction_finishes_beside_many_writes_of_its_own_process(path: Path) -> None:
    grow(path, 200)
    store = JsonFileStore(path, compact_from=1 << 30)
    stop = threading.Event()

    def write(name: str) -> int:
        number = 0
        while not stop.is_set():
            store.update(f"{name}-000{number % 9}", adds(f"{name}-000{number % 9}", f"{number}"))
            number += 1
        return number

    with ThreadPoolExecutor(3) as pool:
        writers = {name: pool.submit(write, name) for name in ("ada", "bob", "eve")}
        for _ in range(5):
            store.compact()
        stop.set()
    for name, writer in writers.items():
        for reader in (store, JsonFileStore(path)):
            events = [names(reader.get(f"{name}-000{which}")).total() for which in range(9)]
            assert sum(events) == writer.result() > 5
    store.close()


# --- deletions (S7) ---------------------------------------------------------------------------------------------------


def wait_until_gone(path: Path, text: bytes) -> None:
    patience = time.monotonic() + 20
    while text in path.read_bytes():
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_one_rewrite_removes_the_lines_of_all_sessions_deleted_meanwhile(path: Path) -> None:
    store = JsonFileStore(path, sweep_after_s=0.5)
    for number in range(40):
        store.update(f"shopper-{number}", adds(f"shopper-{number}", "planted"))
    inode = path.stat().st_ino
    for number in range(40):
        assert store.delete(f"shopper-{number}")
        assert store.get(f"shopper-{number}") is None
    assert path.stat().st_ino == inode, "a deletion rewrites nothing itself"
    wait_until_gone(path, b"planted")
    assert json.loads(path.read_bytes()).keys() == {ANNA, BERT}
    store.close()


@pytest.mark.parametrize("work", ["reads", "writes", "opens"])
def test_the_lines_of_a_deleted_session_are_removed_even_if_the_deleting_process_died(
    path: Path, children: Children, work: str
) -> None:
    store = JsonFileStore(path, sweep_after_s=0.1)
    if work != "opens":
        assert names(store.get(BERT)) == {"old": 1}

    def delete_and_die() -> None:
        JsonFileStore(path).delete(BERT)
        os.kill(os.getpid(), signal.SIGKILL)

    children.wait(children.start(delete_and_die))
    assert BERT.encode() in path.read_bytes()
    if work == "writes":
        store.update(ANNA, adds(ANNA, "new"))
    else:
        assert store.get(ANNA) is not None
    wait_until_gone(path, BERT.encode())
    store.close()


def test_a_store_that_is_closed_leaves_no_line_of_a_deleted_session(path: Path) -> None:
    store = JsonFileStore(path)
    store.delete(BERT)
    assert BERT.encode() in path.read_bytes()
    store.close()
    assert BERT.encode() not in path.read_bytes()


def test_a_process_that_ends_leaves_no_line_of_a_deleted_session(path: Path) -> None:
    """Gunicorn's workers close no store: they end."""
    code = f"from pathlib import Path; from tracker.storage.json_file import JsonFileStore as S; S(Path({str(path)!r}))"
    subprocess.run([sys.executable, "-c", f"{code}.delete({BERT!r})"], cwd=ROOT, check=True)
    assert BERT.encode() not in path.read_bytes()


# --- forks ------------------------------------------------------------------------------------------------------------


def test_a_store_used_before_a_fork_is_safe_in_parent_and_children(path: Path, children: Children) -> None:
    store = JsonFileStore(path)
    store.update(ANNA, adds(ANNA, "before"))

    def add(name: str) -> None:
        for number in range(50):
            store.update(ANNA, adds(ANNA, f"{name}.{number}"))

    for child in range(3):
        children.start(partial(add, f"child {child}"))
    add("parent")
    assert children.all_done()
    expected = {f"{who}.{number}" for who in ("child 0", "child 1", "child 2", "parent") for number in range(50)}
    assert names(store.get(ANNA)) == dict.fromkeys({"old", "before", *expected}, 1)
    store.close()


def test_a_fork_in_the_middle_of_a_write_leaves_the_child_a_store_that_works(path: Path, children: Children) -> None:
    store, gate, forked = JsonFileStore(path), Gate(), Gate()

    def slow(stored: ShopperSession | None) -> ShopperSession:
        gate.pass_through()
        return adds(ANNA, "parent")(stored)

    def child() -> None:
        # The parent holds the lock, so this is busy; it is not stuck for ever.
        assert busy_for(lambda: store.update(ANNA, adds(ANNA, "refused"))) < DEADLINE_S
        forked.pass_through()
        store.update(ANNA, adds(ANNA, "child"))
        store.close()

    writing = threading.Thread(target=store.update, args=(ANNA, slow))
    writing.start()
    gate.await_arrival()
    children.start(child)
    forked.await_arrival()
    gate.let_through()
    writing.join()
    forked.let_through()
    assert children.all_done()
    assert names(store.update(ANNA, adds(ANNA, "after"))) == {"old": 1, "parent": 1, "child": 1, "after": 1}
    store.close()


# --- D5 ---------------------------------------------------------------------------------------------------------------


def test_the_leftover_of_a_killed_rewrite_is_removed_at_the_next_start(path: Path) -> None:
    path.with_name("sessions.json.new").write_bytes(b'{\n"anna-0001":{"sess')
    store = JsonFileStore(path)
    assert names(store.get(ANNA)) == {"old": 1}
    assert store.check().problem is None
    assert beside(path) == set()
    store.close()


def test_a_running_rewrite_is_not_taken_for_a_leftover(path: Path, children: Children) -> None:
    gate = Gate()

    def compact() -> None:
        JsonFileStore(path).compact(progress=lambda _done, _of: gate.pass_through())

    children.start(compact)
    gate.await_arrival()
    store = JsonFileStore(path)
    store.update(ANNA, adds(ANNA, "meanwhile"))
    assert beside(path) == {"sessions.json.new"}
    gate.let_through()
    assert children.all_done()
    assert beside(path) == set()
    assert names(store.get(ANNA)) == {"old": 1, "meanwhile": 1}
    store.close()


def test_rewrites_killed_again_and_again_leave_one_file_at_most(path: Path, children: Children) -> None:
    for _ in range(10):
        gate = Gate()

        def compact(gate: Gate = gate) -> None:
            JsonFileStore(path).compact(progress=lambda _done, _of: gate.pass_through())

        killed = children.start(compact)
        gate.await_arrival()
        os.kill(killed, signal.SIGKILL)
        assert children.wait(killed) == -signal.SIGKILL
        assert beside(path) == {"sessions.json.new"}
    store = JsonFileStore(path)
    store.update(ANNA, adds(ANNA, "after"))
    assert beside(path) == set()
    store.close()


def test_whoever_comes_during_a_flush_waits_for_it_and_is_written_with_the_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushing, disk_is_ready = threading.Event(), threading.Event()
    to_the_disk, written = os.fdatasync, os.pwrite
    writes: list[int] = []
    store = JsonFileStore(path, lock_timeout=0.2)
    store.update("visit-first", adds("visit-first", "one"))

    def slow_flush(fd: int) -> None:
        flushing.set()
        assert disk_is_ready.wait(30)
        to_the_disk(fd)

    def counted(fd: int, data: bytes, offset: int) -> int:
        writes.append(len(data))
        return written(fd, data, offset)

    monkeypatch.setattr(os, "fdatasync", slow_flush)
    monkeypatch.setattr(os, "pwrite", counted)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(store.update, "visit-first", adds("visit-first", "two"))
        assert flushing.wait(30)
        ids = [f"visit-{number:05}" for number in range(5)]
        others = [pool.submit(store.update, one, adds(one, "one")) for one in ids]
        time.sleep(1)  # much longer than the lock is waited for
        assert len(writes) == 1
        disk_is_ready.set()
        for done in (first, *others):
            done.result(30)
    assert len(writes) < 6, "those who came together were written together"
    store.close()
    assert {"visit-first", *ids} <= set(json.loads(path.read_bytes()))
