"""Retention: what is too old goes once a day, by one worker at a time, and what fails is done later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from testing.visits import DAY, MORNING, visit
from tracker.durable.cell import FileCell
from tracker.ops.retention import Retention
from tracker.sessions.store import Progress, StoreBusyError
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
    app = Flask("app")
    looks = retention(store, tmp_path)
    looks.register(app)
    app.test_client().get("/")
    assert store.begun.wait(30)
    store.may_end.set()

    assert looks.begin() is None


def test_it_does_not_look_in_the_first_minutes(tmp_path: Path) -> None:
    store = visits()
    looks = Retention(store, FileCell(tmp_path / "retention"), KEEP, lambda: MORNING)

    assert looks.begin() is None
    assert len(left(store)) == 5
