"""The sums of the session file equal a recount, whatever was changed, deleted and pruned, and wherever a crash came."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date
from pathlib import Path
from typing import Any

import pytest

from testing.visits import DAY, MORNING, ordered, some_visit, visit
from tracker.insights.counting.counting import VisitCounting, VisitSums
from tracker.insights.counting.recount import recount
from tracker.insights.sums import Sums
from tracker.insights.tally import Tally, known
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import StoreDamagedError
from tracker.storage.json_file import JsonFileStore
from tracker.storage.json_file.counting.kept import sums_path

TODAY = date(2026, 9, 21).toordinal()
STEPS = 20_000 if os.environ.get("TRACKER_TESTS") == "thorough" else 1_500


OPENED: list[JsonFileStore] = []
"""The stores of a test, which are closed before its folder goes."""


class CrashError(BaseException):
    """The process ends here."""


class CrashingCounting(VisitCounting):
    """Counts visits, until it is to end the process before what is pending becomes a part of the sums."""

    def __init__(self) -> None:
        super().__init__(UTC, lambda: MORNING)
        self.crashes = False

    def aged(self, record: Any) -> Any:
        if self.crashes:
            raise CrashError
        return super().aged(record)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, because thousands of writes are flushed there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)
        while OPENED:
            OPENED.pop().close()


def opened(folder: Path, counting: VisitCounting | None = None, **how: Any) -> JsonFileStore:
    counting = counting or VisitCounting(UTC, lambda: MORNING)
    OPENED.append(JsonFileStore(folder / "tracker_storage.json", counting=counting, **how))
    return OPENED[-1]


def sums_of(store: JsonFileStore) -> Sums:
    assert store.sums is not None
    sums = store.sums.read().sums
    assert isinstance(sums, Sums)
    return sums


def put(store: JsonFileStore, session: ShopperSession) -> ShopperSession:
    """Store the session as a merge would: the tally of the one before stays, so that its day does."""
    return store.update(session.session, lambda old: replace(session, tally=() if old is None else old.tally))


class Shop:
    """A store in several processes that crash, and what its sums must be."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.pruned = Sums()
        self.living: dict[str, tuple[int, Tally]] = {}
        self.now = MORNING
        self.crashes = 0
        """Those that left something pending."""
        self.begin()

    def begin(self) -> None:
        """Begin again after a crash: two processes with nothing in their memories."""
        self.counting = [CrashingCounting() for _ in range(2)]
        # Nothing rewrites the file but what is asked to: a thread of a process that has ended would go on here.
        self.stores = [opened(self.folder, one, compact_from=1 << 40, sweep_after_s=3600.0) for one in self.counting]

    def step(self) -> None:
        self.now += self.chance.randrange(DAY // 50)
        store = self.chance.choice(self.stores)
        match self.chance.random():
            case draw if draw < 0.85:
                session = some_visit(self.chance, f"visit-{self.chance.randrange(200):04}", self.now)
                stored = put(store, session)
                found = known(list(stored.tally))
                assert found is not None
                self.living[session.session] = (session.updated_at, found)
            case draw if draw < 0.98:
                session_id = f"visit-{self.chance.randrange(200):04}"
                assert store.delete(session_id) is (self.living.pop(session_id, None) is not None)
            case draw if draw < 0.99:
                store.compact()
            case _:
                self.prune(store, self.chance.randrange(4))

    def prune(self, store: JsonFileStore, crash: int) -> None:
        cutoff = self.now - self.chance.randrange(2 * DAY)
        if crash == 0:
            store.prune(cutoff)
            self._have_left(cutoff)
        elif crash == 1:

            def ends(_done: int, _of: int) -> None:
                raise CrashError

            with pytest.raises(CrashError):
                store.prune(cutoff, ends)
            self.begin()
        else:
            path, before = self.folder / "tracker_storage.json", self.folder / "before"
            os.link(path, before)
            for one in self.counting:
                one.crashes = True
            with contextlib.suppress(CrashError):
                store.prune(cutoff)
            # Where something was pending since an earlier crash, this one came before the new file was there.
            if has_left := not path.samefile(before):
                self.crashes += 1
            if has_left and crash == 2:
                # As if it had ended before the new file took its place: what is pending has not left.
                before.replace(path)
            else:
                before.unlink()
                if has_left:
                    self._have_left(cutoff)
            for one in self.counting:
                one.crashes = False
            self.begin()

    def _have_left(self, cutoff: int) -> None:
        for session_id, (at, found) in list(self.living.items()):
            if at < cutoff:
                del self.living[session_id]
                self.pruned.exchange(None, found)

    def expected(self) -> Sums:
        sums = Sums()
        sums.merge(self.pruned)
        for _at, found in self.living.values():
            sums.exchange(None, found)
        return sums


def test_after_any_changes_deletions_prunes_and_crashes_sums_equal_a_recount(folder: Path) -> None:
    shop = Shop(folder, seed=1)
    for step in range(STEPS):
        shop.step()
        if step % 25 == 0:
            assert sums_of(shop.chance.choice(shop.stores)) == shop.expected()
    for store in [*shop.stores, opened(folder)]:
        assert sums_of(store) == shop.expected()
        living = recount(store.iterate(), UTC)
        living.merge(shop.pruned)
        assert living == shop.expected()
    assert shop.pruned.own.days
    assert shop.crashes > STEPS // 500


class NotingSums(VisitSums):
    """Sums that note whose tally was put in or taken out."""

    def __init__(self, noted: list[tuple[str, int]]) -> None:
        super().__init__(UTC)
        self._noted = noted

    def put(self, session_id: str, tally: bytes, sign: int) -> None:
        self._noted.append((session_id, sign))
        super().put(session_id, tally, sign)


class NotingCounting(VisitCounting):
    def __init__(self) -> None:
        super().__init__(UTC, lambda: MORNING)
        self.noted: list[tuple[str, int]] = []

    def sums(self, record: Any = None) -> VisitSums:
        return NotingSums(self.noted) if record is None else super().sums(record)


def test_a_question_counts_only_what_is_new(folder: Path) -> None:
    counting = NotingCounting()
    store, other = opened(folder, counting), opened(folder)
    for number in range(50):
        put(store, visit(f"visit-{number:04}"))
    assert sums_of(store).own.visits(TODAY) == 50
    assert len(counting.noted) == 50
    counting.noted.clear()
    for at in range(3):
        put(other, visit("visit-0007", MORNING + at))
    put(other, visit("visit-0099"))
    assert other.delete("visit-0008")

    assert sums_of(store).own.visits(TODAY) == 50
    assert sorted(counting.noted) == [("visit-0007", -1), ("visit-0007", 1), ("visit-0008", -1), ("visit-0099", 1)]
    counting.noted.clear()
    assert sums_of(store).own.visits(TODAY) == 50
    assert counting.noted == []


def test_a_compaction_is_followed_without_counting_anew(folder: Path) -> None:
    counting = NotingCounting()
    store, other = opened(folder, counting), opened(folder)
    for number in range(20):
        put(store, visit(f"visit-{number:04}"))
    sums_of(store)
    counting.noted.clear()
    put(other, visit("visit-0003", MORNING + 1))
    other.compact()
    put(other, visit("visit-0004", MORNING + 1))

    assert sums_of(store).own.visits(TODAY) == 20
    assert sorted(counting.noted) == [(f"visit-000{one}", sign) for one in (3, 4) for sign in (-1, 1)]


def test_records_of_1_0_0_without_a_tally_are_counted_and_keep_their_day(folder: Path) -> None:
    old = JsonFileStore(folder / "tracker_storage.json")
    put(old, visit("visit-0001", MORNING - DAY, updated_at=MORNING))
    assert b'"tally"' not in (folder / "tracker_storage.json").read_bytes()
    store = opened(folder)
    assert sums_of(store).own.visits(TODAY - 1) == 1
    put(store, ordered(visit("visit-0001", MORNING, updated_at=MORNING + 5 * DAY), 990, MORNING))

    assert sums_of(store).own.visits(TODAY - 1) == 1
    assert sums_of(store).own.minor[TODAY - 1, "EUR"] == 990
    assert sums_of(opened(folder)) == sums_of(store)


@pytest.mark.parametrize(
    "spoiled", [b"[]", b"[2]", b'"text"', b'[1,"x",3,0,"",[],[],[],[]]', b'[1,1,1,0,"",[5],[],[],[]]']
)
def test_a_tally_that_cannot_be_read_is_made_anew_from_the_record(folder: Path, spoiled: bytes) -> None:
    store = opened(folder)
    put(store, visit("visit-0001"))
    store.close()
    path = folder / "tracker_storage.json"
    begin, _, rest = path.read_bytes().partition(b'"tally":')
    path.write_bytes(begin + b'"tally":' + spoiled + b',"itemsInCart"' + rest.partition(b',"itemsInCart"')[2])

    assert sums_of(opened(folder)).own.visits(TODAY) == 1


@pytest.mark.parametrize("content", [b"nothing", b"[]", b'{"sums": 5}', b'{"pending": 5}'])
def test_kept_sums_that_another_hand_spoiled_are_told_and_not_overwritten(folder: Path, content: bytes) -> None:
    store = opened(folder)
    put(store, visit("visit-0001"))
    kept = sums_path(folder / "tracker_storage.json")
    kept.write_bytes(content)

    assert kept.name == "tracker_sums.json"
    with pytest.raises(StoreDamagedError, match=r"tracker_sums\.json"):
        sums_of(store)
    if content != b'{"sums": 5}':
        with pytest.raises(StoreDamagedError, match=r"tracker_sums\.json"):
            store.prune(MORNING + DAY)
        assert store.compact() == 0, "no rewrite has to wait for it"
        assert kept.read_bytes() == content
        assert store.get("visit-0001") is not None


def test_an_order_is_found_by_its_key_in_every_process(folder: Path) -> None:
    store, other = opened(folder), opened(folder)
    put(store, ordered(visit("visit-0001"), 990, MORNING, key="ab" * 8))
    assert other.sums is not None
    assert other.sums.find("ab" * 8) == "visit-0001"
    assert other.sums.find(f"{990:064x}"[:16]) == "visit-0001"
    put(store, ordered(visit("visit-0002"), 991, MORNING, key="cd" * 8))
    assert other.sums.find("cd" * 8) == "visit-0002"
    store.delete("visit-0001")
    assert other.sums.find("ab" * 8) is None
