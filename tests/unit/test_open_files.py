"""Whoever lets go of a lock, a cell or a store without closing it leaves no open file behind."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.shoppers import NOON, session
from tracker.durable.cell import FileCell
from tracker.durable.lock import FileLock
from tracker.storage.json_file import JsonFileStore

OPEN = Path("/dev/fd")


def use_a_lock(folder: Path) -> None:
    with FileLock(folder / "lock", 1).held():
        pass


def use_a_cell(folder: Path) -> None:
    FileCell(folder / "cell").update(lambda _: b"1")


def use_a_store(folder: Path) -> None:
    JsonFileStore(folder / "sessions.json").update("a-visit-0001", lambda _: session("a-visit-0001", "x", at=NOON))


@pytest.mark.parametrize("use", [use_a_lock, use_a_cell, use_a_store])
def test_nothing_stays_open_of_what_nobody_refers_to(tmp_path: Path, use: Callable[[Path], None]) -> None:
    gc.collect()
    before = len(list(OPEN.iterdir()))
    for _ in range(20):
        use(tmp_path)
    gc.collect()

    assert len(list(OPEN.iterdir())) <= before
