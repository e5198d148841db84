"""The sums of the session file equal a recount, whatever was changed, deleted and pruned, and wherever a crash came."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from testing.visits import DAY, MORNING, some_visit
from tracker.insights.counting.counting import VisitCounting
from tracker.insights.counting.recount import recount
from tracker.insights.sums import Sums
from tracker.insights.tally import Tally, known
from tracker.sessions.model import ShopperSession
from tracker.storage.json_file import JsonFileStore

STEPS = 20_000 if os.environ.get("TRACKER_TESTS") == "thorough" else 1_500


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


def opened(folder: Path, counting: VisitCounting | None = None, **how: Any) -> JsonFileStore:
    counting = counting or VisitCounting(UTC, lambda: MORNING)
    return JsonFileStore(folder / "tracker_storage.json", counting=counting, **how)


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
        self.ended: list[JsonFileStore] = []
        self.stores: list[JsonFileStore] = []
        self.begin()

    def begin(self) -> None:
        """Begin again after a crash: two processes with nothing in their memories."""
        self.ended += self.stores
        self.counting = [CrashingCounting() for _ in range(2)]
        # Nothing rewrites the file but what is asked to: a thread of a process that has ended would go on here.
        self.stores = [opened(self.folder, one, compact_from=1 << 40, sweep_after_s=3600.0) for one in self.counting]

    def close(self) -> None:
        for store in [*self.ended, *self.stores]:
            store.close()

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
    shop.close()
