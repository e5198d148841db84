"""Every cell keeps the promises of the Cell port. A further adapter only adds a parameter to `ADAPTERS`."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from testing.children import Children
from tracker.durable.cell import Cell, CellError, FileCell
from tracker.storage import open_storage

OpenCell = Callable[[], Cell]
"""Opens one more cell, as another process would, on the value that the others of the same test keep."""

ADAPTERS = ("file", "postgres")


@pytest.fixture(params=ADAPTERS)
def open_cell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenCell]:
    kept = request.getfixturevalue("database_url") if request.param == "postgres" else f"file:{tmp_path / 'kept'}"
    opened: list[Cell] = []

    def open_one() -> Cell:
        opened.append(open_storage(kept).cell("value"))
        return opened[-1]

    yield open_one
    for cell in opened:
        cell.close()


def count_up(value: bytes | None) -> bytes:
    return b"%d" % (int(value or b"0") + 1)


def test_a_cell_is_empty_until_something_is_stored(open_cell: OpenCell) -> None:
    handed: list[bytes | None] = []

    def change(value: bytes | None) -> bytes:
        handed.append(value)
        return b"first"

    cell = open_cell()
    assert cell.get() is None
    assert cell.update(change) == b"first"
    assert set(handed) == {None}
    assert cell.get() == open_cell().get() == b"first"


@pytest.mark.parametrize("value", [b"", b"\0\n\xff", b"x" * 4096])
def test_any_bytes_come_back_as_they_were(open_cell: OpenCell, value: bytes) -> None:
    open_cell().update(lambda _old: value)
    assert open_cell().get() == value


def test_a_change_that_raises_changes_nothing_and_its_error_passes(open_cell: OpenCell) -> None:
    cell = open_cell()
    cell.update(count_up)

    def refuse(value: bytes | None) -> bytes:
        raise LookupError("no")

    with pytest.raises(LookupError):
        cell.update(refuse)

    def fail(value: bytes | None) -> bytes:
        raise OSError("the change's own")

    with pytest.raises(OSError, match="own"):
        cell.update(fail)
    assert cell.get() == b"1"
    assert cell.update(count_up) == b"2"


def test_updates_of_threads_and_processes_are_all_kept(open_cell: OpenCell) -> None:
    cell = open_cell()

    def work(own: Cell) -> None:
        done = 0
        while done < 50:
            try:
                own.update(count_up)
                done += 1
            except CellError:
                continue

    with Children() as children:
        for _ in range(2):
            children.start(lambda: work(cell))
            children.start(lambda: work(open_cell()))
        threads = [threading.Thread(target=work, args=(one,)) for one in (cell, open_cell())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert children.all_done()
    assert cell.get() == b"300"


def test_of_a_budget_exactly_what_is_there_is_granted(open_cell: OpenCell) -> None:
    """400 questions at a time, a budget of 100: what a change decides holds for all."""
    granted: list[bool] = []
    cells = [open_cell() for _ in range(4)]

    def take(value: bytes | None) -> bytes:
        return b"%d" % min(int(value or b"0") + 1, 101)

    def ask(cell: Cell) -> None:
        for _ in range(20):
            while True:
                seen: list[int] = []

                def change(value: bytes | None, seen: list[int] = seen) -> bytes:
                    seen.append(int(value or b"0"))
                    return take(value)

                try:
                    cell.update(change)
                except CellError:
                    continue
                granted.append(seen[-1] < 100)
                break

    threads = [threading.Thread(target=ask, args=(cells[number % 4],)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (granted.count(True), granted.count(False)) == (100, 300)


def test_a_stopped_holder_keeps_nobody_waiting_and_no_update_is_lost(open_cell: OpenCell) -> None:
    """An update beside it is refused in time, or goes through; then the holder's own change is made anew."""
    cell = open_cell()
    cell.update(count_up)
    here, arrived = os.pipe()
    stops = [signal.SIGSTOP]

    def stop_once(value: bytes | None) -> bytes:
        if stops:
            os.write(arrived, b"!")
            os.kill(os.getpid(), stops.pop())
        return count_up(value)

    with Children() as children:
        holder = children.start(partial(cell.update, stop_once))
        os.read(here, 1)
        expected = 1
        with contextlib.suppress(CellError):
            cell.update(count_up)
            expected = 2
        assert cell.get() == b"%d" % expected
        os.kill(holder, signal.SIGCONT)
        assert children.all_done()
    assert cell.update(count_up) == b"%d" % (expected + 2)


def test_a_value_that_cannot_be_written_stays_as_it_was_and_leaves_nothing(tmp_path: Path) -> None:
    cell = FileCell(tmp_path / "value")
    cell.update(count_up)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        for _ in range(3):
            with pytest.raises(CellError):
                cell.update(lambda _value: b"x" * 4000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cell.get() == b"1"
    assert {file.name for file in tmp_path.iterdir()} == {"value", "value.lock"}
    assert cell.update(count_up) == b"2"
    cell.close()


def test_a_folder_that_is_not_there_is_an_error_of_the_cell(tmp_path: Path) -> None:
    cell = FileCell(tmp_path / "nowhere" / "value")
    assert cell.get() is None
    with pytest.raises(CellError):
        cell.update(count_up)
    cell.close()


def test_a_cell_whose_lock_file_is_removed_loses_no_update(tmp_path: Path) -> None:
    cell, other = FileCell(tmp_path / "value"), FileCell(tmp_path / "value")
    for _ in range(20):
        cell.update(count_up)
        (tmp_path / "value.lock").unlink()
        other.update(count_up)
    assert cell.get() == b"40"
    for one in (cell, other):
        one.close()
