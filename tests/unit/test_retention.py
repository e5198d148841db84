"""Retention: what is too old goes once a day and what is too much at once, by one worker; what fails is done later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.gunicorn_server import wait_until
from testing.visits import DAY, MORNING, visit
from tracker.durable.cell import FileCell
from tracker.ops.retention import Retention
from tracker.sessions.store import Progress, StoreBusyError, StoreFullError
from tracker.storage.memory import MemoryStore

KEEP = 90


def visits() -> MemoryStore:
    return MemoryStore(*(visit(f"visit-{days:04}", MORNING - days * DAY) for days in (0, 1, 89, 91, 200)))


def left(store: MemoryStore) -> list[str]:
    return [session.session for session in store.iterate()]


def retention(
    store: MemoryStore, folder: Path, keep_days: int = KEEP, clock: Callable[[], int] = lambda: MORNING
) -> Retention:
    return Retention(store, FileCell(folder / "retention"), keep_days, clock, first_look_s=0.0)


def test_visits_that_were_not_heard_of_for_long_are_deleted(tmp_path: Path) -> None:
    store = visits()

    assert retention(store, tmp_path).look() == 2
    assert left(store) == ["visit-0000", "visit-0001", "visit-0089"]


def test_zero_keeps_everything(tmp_path: Path) -> None:
    store = visits()

    assert retention(store, tmp_path, keep_days=0).look() == 0
    assert len(left(store)) == 5
    assert list(tmp_path.iterdir()) == []


def test_it_is_done_once_a_day_over_all_workers(tmp_path: Path) -> None:
    store = visits()
    now = MORNING
    workers = [retention(store, tmp_path, clock=lambda: now) for _ in range(3)]
    assert workers[0].look() == 2
    store.put(visit("visit-again", MORNING - 200 * DAY))
    assert [worker.look() for worker in workers] == [0, 0, 0]

    now += DAY
    assert [worker.look() for worker in workers] == [1, 0, 0]


class SlowStore(MemoryStore):
    """A store whose prune waits until it is told to go on, or fails."""

    def __init__(self) -> None:
        super().__init__(visit("visit-0200", MORNING - 200 * DAY))
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.fails = False

    def prune(self, cutoff: int, progress: Progress | None = None) -> int:
        self.begun.set()
        assert self.may_end.wait(30)
        if self.fails:
            raise StoreBusyError("others write")
        return super().prune(cutoff, progress)


def test_while_one_worker_deletes_no_other_begins(tmp_path: Path) -> None:
    store = SlowStore()
    thread = retention(store, tmp_path).begin()
    assert thread is not None
    assert store.begun.wait(30)
    assert retention(store, tmp_path).look() == 0
    store.may_end.set()
    thread.join(30)

    assert left(store) == []


def test_what_failed_is_done_at_the_next_look(tmp_path: Path) -> None:
    store = SlowStore()
    store.may_end.set()
    store.fails = True
    assert retention(store, tmp_path).look() == 0
    store.fails = False

    assert retention(store, tmp_path).look() == 1


def test_a_worker_that_died_amid_it_is_followed_by_another(tmp_path: Path) -> None:
    store, now = visits(), MORNING
    (tmp_path / "retention").write_text(f'{{"until": {now + 2 * 3_600_000}}}')
    assert retention(store, tmp_path).look() == 0
    now += 3 * 3_600_000

    assert retention(store, tmp_path, clock=lambda: now).look() == 2


@pytest.mark.parametrize("content", ["", "nothing", "[]", '{"done": "today"}', '{"until": 1e99}'])
def test_a_cell_that_holds_something_else_counts_as_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "retention").write_text(content)

    assert retention(visits(), tmp_path).look() == 2


def test_it_looks_behind_a_request_and_then_not_for_an_hour(tmp_path: Path) -> None:
    store = SlowStore()
    looks = retention(store, tmp_path)
    looks.watch(None)
    assert store.begun.wait(30)
    store.may_end.set()

    assert looks.begin() is None


def test_it_does_not_look_in_the_first_minutes(tmp_path: Path) -> None:
    store = visits()
    looks = Retention(store, FileCell(tmp_path / "retention"), KEEP, lambda: MORNING)

    assert looks.begin() is None
    assert len(left(store)) == 5


# --- by size ----------------------------------------------------------------------------------------------------------


def bounded_by(size: int, store: MemoryStore, folder: Path, now: Callable[[], int] = lambda: MORNING) -> Retention:
    return Retention(store, FileCell(folder / "retention"), KEEP, now, most_bytes=size)


def size_of(store: MemoryStore) -> int:
    return store.size() or 0


def test_a_store_that_is_too_large_loses_the_visits_not_heard_of_for_longest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = visits()
    looks = bounded_by(size_of(store) - 1, store, tmp_path)
    assert looks.notice() is None

    assert looks.make_room() == 2
    assert left(store) == ["visit-0000", "visit-0001", "visit-0089"]
    assert "MAX_STORE_BYTES" in caplog.text
    assert "2 so far" in str(looks.notice())
    assert "2 so far" in str(bounded_by(1, store, tmp_path).notice()), "every worker tells"
    assert bounded_by(1, store, tmp_path, lambda: MORNING + DAY).notice() is None, "for a day"


def test_a_store_within_its_bound_or_without_one_loses_nothing(tmp_path: Path) -> None:
    store = visits()

    assert bounded_by(size_of(store), store, tmp_path).make_room() == 0
    assert bounded_by(0, store, tmp_path).make_room() == 0
    assert len(left(store)) == 5


def test_the_size_is_looked_at_behind_every_request_from_the_first_one_on(tmp_path: Path) -> None:
    store = visits()
    looks, bound = bounded_by(size_of(store), store, tmp_path), size_of(store)

    def is_within() -> bool:
        looks.watch(None)
        return size_of(store) <= bound

    assert is_within()
    assert len(left(store)) == 5
    for number in range(9):
        store.put(visit(f"visit-9{number:03}", MORNING + number))
        wait_until(is_within, "room is made")


def test_only_one_worker_makes_room_at_a_time(tmp_path: Path) -> None:
    store = visits()
    (tmp_path / "retention").write_text(f'{{"until": {MORNING + 600_000}}}')
    assert bounded_by(1, store, tmp_path).make_room() == 0

    assert bounded_by(1, store, tmp_path, lambda: MORNING + 700_000).make_room() == 4


def test_what_was_deleted_today_for_its_age_may_be_followed_by_what_is_too_much(tmp_path: Path) -> None:
    store = visits()
    assert retention(store, tmp_path).look() == 2

    assert bounded_by(1, store, tmp_path).make_room() == 2
    assert retention(store, tmp_path).look() == 0, "the day stays done"


class StuckStore(MemoryStore):
    """A store that is too large and can make no room."""

    tries = 0

    def shrink(self, most: int) -> int:
        self.tries += 1
        raise StoreFullError("the disk is full")


def test_where_no_room_can_be_made_it_is_not_tried_behind_every_request(tmp_path: Path) -> None:
    store = StuckStore(visit("visit-0200", MORNING))
    looks = bounded_by(1, store, tmp_path)
    thread = looks.begin()
    assert thread is not None
    thread.join(30)

    assert looks.begin() is None
    assert store.tries == 1
