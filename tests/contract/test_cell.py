"""Every cell keeps the promises of the Cell port. A further adapter only adds a parameter to `ADAPTERS`."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from testing.children import Children
from tracker.durable.cell import Cell, CellError, FileCell

OpenCell = Callable[[], Cell]
"""Opens one more cell, as another process would, on the value that the others of the same test keep."""

ADAPTERS: dict[str, Callable[[Path], Cell]] = {"file": lambda folder: FileCell(folder / "value")}


@pytest.fixture(params=ADAPTERS)
def open_cell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenCell]:
    opened: list[Cell] = []

    def open_one() -> Cell:
        opened.append(ADAPTERS[request.param](tmp_path))
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


def test_a_stopped_holder_is_an_error_in_time_and_no_deadlock(open_cell: OpenCell) -> None:
    cell = open_cell()
    cell.update(count_up)
    here, arrived = os.pipe()

    def stop(value: bytes | None) -> bytes:
        os.write(arrived, b"!")
        os.kill(os.getpid(), signal.SIGSTOP)
        return count_up(value)

    with Children() as children:
        holder = children.start(partial(cell.update, stop))
        os.read(here, 1)
        began = time.monotonic()
        with pytest.raises(CellError):
            cell.update(count_up)
        assert time.monotonic() - began < 2
        assert cell.get() == b"1"
        os.kill(holder, signal.SIGCONT)
        assert children.all_done()
    assert cell.update(count_up) == b"3"


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
