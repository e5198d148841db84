"""What another's hand does to the files of a running store is noticed and told: never a silent loss (S3 to S5, S8)."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from testing.children import Children
from testing.shoppers import NOON, adds, beside, names
from tracker.sessions.store import StoreBusyError, StoreDamagedError, StoreError, StoreFullError
from tracker.storage.json_file import JsonFileStore

EVERYONE = [f"shopper-{number}" for number in range(30)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.json"
    store = JsonFileStore(path)
    for number, who in enumerate(EVERYONE):
        store.update(who, adds(who, "old", NOON + number))
    store.close()
    return path


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    caplog.set_level(logging.WARNING)
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


def write_until(path: Path, name: str, stop: Path, noted: Path) -> None:
    """Add events until the file `stop` is there; note each one that was acknowledged."""
    store = JsonFileStore(path)
    number = 0
    with noted.open("a") as notes:
        while not stop.exists():
            who = EVERYONE[number % 3]
            try:
                store.update(who, adds(who, f"{name}.{number}", NOON + number))
            except StoreBusyError:
                continue
            notes.write(f"{who} {name}.{number}\n")
            notes.flush()
            number += 1
    store.close()


class Writers:
    """Two processes that write, and more that start later; what they were promised must be there in the end."""

    def __init__(self, path: Path, folder: Path, children: Children) -> None:
        self._path, self._folder, self._children = path, folder, children
        self._stop = folder / "stop"
        self._count = 0
        folder.mkdir()
        for _ in range(2):
            self.start_one()

    def start_one(self) -> None:
        self._count += 1
        name = f"writer-{self._count}"
        self._children.start(partial(write_until, self._path, name, self._stop, self._folder / name))

    def write_on(self, count: int) -> None:
        """Return when every writer was promised so many more."""
        before = {one: len(self._promises(one)) for one in range(1, self._count + 1)}
        patience = time.monotonic() + 30
        while any(len(self._promises(one)) < had + count for one, had in before.items()):
            assert time.monotonic() < patience
            time.sleep(0.01)

    def _promises(self, number: int) -> list[str]:
        noted = self._folder / f"writer-{number}"
        return noted.read_text().splitlines() if noted.exists() else []

    def lost(self) -> list[str]:
        """Stop them; return what they were promised and is not there."""
        self._stop.touch()
        assert self._children.all_done()
        store = JsonFileStore(self._path)
        found = {who: names(store.get(who)) for who in EVERYONE[:3]}
        store.close()
        promised = [line.split() for one in range(1, self._count + 1) for line in self._promises(one)]
        assert len(promised) > 50
        return [f"{who} {event}" for who, event in promised if event not in found[who]]


# --- S3: a link in the file's place -----------------------------------------------------------------------------------


def move_and_link(path: Path) -> None:
    path.rename(path.with_name("real.json"))
    path.symlink_to("real.json")


def move_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.symlink_to("moved")


@pytest.mark.parametrize("move", [move_and_link, move_the_folder], ids=lambda move: move.__name__)
def test_a_file_moved_behind_a_link_has_one_writer_at_a_time(
    tmp_path: Path, children: Children, move: Callable[[Path], None]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "sessions.json"
    writers = Writers(path, tmp_path / "notes", children)
    writers.write_on(20)
    move(path)
    writers.start_one()
    writers.write_on(150)
    JsonFileStore(path).compact()
    writers.write_on(50)

    assert writers.lost() == []
    assert path.resolve() != path


def test_two_names_of_one_file_have_one_writer_at_a_time(path: Path, children: Children, tmp_path: Path) -> None:
    # A hard link: a second service may know the file by it, with a lock file of another name.
    path.with_name("second.json").hardlink_to(path)
    one, two = (JsonFileStore(name, compact_from=1 << 30) for name in (path, path.with_name("second.json")))

    def write(store: JsonFileStore, name: str) -> None:
        for number in range(150):
            store.update(EVERYONE[0], adds(EVERYONE[0], f"{name}.{number}", NOON + number))

    threads = [threading.Thread(target=write, args=pair) for pair in ((one, "one"), (two, "two"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {"old": 1} | {f"{name}.{number}": 1 for name in ("one", "two") for number in range(150)}
    for store in (one, two):
        assert names(store.get(EVERYONE[0])) == expected
        store.close()


def test_a_rewrite_of_a_file_with_a_hard_link_warns_that_the_names_part(path: Path, log: Callable[[], str]) -> None:
    path.with_name("second.json").hardlink_to(path)
    store = JsonFileStore(path)
    store.compact()
    assert "second name" in log()
    assert not path.samefile(path.with_name("second.json"))
    store.close()


def test_a_link_that_is_pointed_elsewhere_is_followed(tmp_path: Path, log: Callable[[], str]) -> None:
    path = tmp_path / "sessions.json"
    path.symlink_to("first.json")
    store = JsonFileStore(path)
    store.update(EVERYONE[0], adds(EVERYONE[0], "first"))
    path.unlink()
    path.symlink_to("second.json")
    store.update(EVERYONE[0], adds(EVERYONE[0], "second"))
    store.close()

    assert json.loads((tmp_path / "second.json").read_bytes()).keys() == {EVERYONE[0]}
    assert "leads to another place" in log()


# --- S4: the lock file ------------------------------------------------------------------------------------------------


def test_a_lock_file_removed_again_and_again_under_load_loses_nothing(
    path: Path, children: Children, tmp_path: Path
) -> None:
    writers = Writers(path, tmp_path / "notes", children)
    writers.write_on(10)
    for number in range(25):
        lock = path.with_name("sessions.json.lock")
        if number % 3 == 2:
            shutil.copy(lock, tmp_path / "copied.lock")
            (tmp_path / "copied.lock").replace(lock)
        else:
            lock.unlink(missing_ok=True)
        store = JsonFileStore(path)
        store.compact()
        store.close()
        writers.write_on(3)

    assert writers.lost() == []


# --- S5: shorter, empty, gone -----------------------------------------------------------------------------------------


def cut_in_a_line(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def cut_at_the_end_of_a_line(path: Path) -> None:
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(whole.rindex(b",\n", 0, len(whole) * 2 // 3))
        file.seek(0, os.SEEK_END)
        file.write(b"\n}")


def empty(path: Path) -> None:
    os.truncate(path, 0)


def begin_anew(path: Path) -> None:
    path.write_text("{}\n")


@pytest.mark.parametrize(
    "act", [cut_in_a_line, cut_at_the_end_of_a_line, empty, begin_anew], ids=lambda act: act.__name__
)
def test_a_file_cut_while_it_is_in_use_is_reported_and_not_written_to(
    path: Path, act: Callable[[Path], None], log: Callable[[], str]
) -> None:
    before = path.read_bytes()
    store = JsonFileStore(path)
    assert len(list(store.iterate())) == 30
    act(path)
    cut = path.read_bytes()
    restarted = JsonFileStore(path)
    for _ in range(2):
        for work in (
            lambda: store.update(EVERYONE[0], adds(EVERYONE[0], "refused")),
            lambda: store.get(EVERYONE[0]),
            lambda: store.delete(EVERYONE[0]),
            lambda: list(store.iterate()),
            lambda: store.prune(NOON * 2),
            lambda: restarted.update("someone-1", adds("someone-1", "refused")),
        ):
            with pytest.raises(StoreDamagedError, match="shorter by another's hand"):
                work()
        assert "flask sessions repair" in str(store.problem())
    assert path.read_bytes() == cut
    assert "shorter by another's hand" in log()

    with path.open("r+b") as file:  # Put back as it was, by `cp backup sessions.json`.
        file.write(before)
    assert store.problem() is None
    assert len(list(store.iterate())) == 30
    assert names(store.update(EVERYONE[29], adds(EVERYONE[29], "new"))) == {"old": 1, "new": 1}
    restarted.update("someone-1", adds("someone-1", "taken"))
    for one in (store, restarted):
        one.close()


@pytest.mark.parametrize("act", [cut_in_a_line, cut_at_the_end_of_a_line, empty], ids=lambda act: act.__name__)
def test_after_a_cut_repair_goes_on_with_what_is_left(path: Path, act: Callable[[Path], None]) -> None:
    running = JsonFileStore(path)
    assert names(running.get(EVERYONE[0])) == {"old": 1}
    act(path)
    cut = path.read_bytes()
    assert running.problem() is not None
    repaired = JsonFileStore(path).repair()

    assert repaired.kept_as is not None
    assert path.with_name(repaired.kept_as).read_bytes() == cut
    assert running.problem() is None
    assert len(list(running.iterate())) == repaired.sessions == (0 if act is empty else 20)
    running.update("someone-1", adds("someone-1", "new"))
    running.close()


def test_a_deleted_file_is_reported_and_a_new_one_begun(path: Path, log: Callable[[], str]) -> None:
    store = JsonFileStore(path)
    assert len(list(store.iterate())) == 30
    path.unlink()
    store.update("someone-1", adds("someone-1", "new"))
    assert [one.session for one in store.iterate()] == ["someone-1"]
    assert "deleted by another's hand" in log()
    store.close()


def test_another_file_put_in_its_place_is_reported_and_read_anew(path: Path, log: Callable[[], str]) -> None:
    other = path.with_name("other.json")
    backup = JsonFileStore(other)
    backup.update("restored-1", adds("restored-1", "kept"))
    backup.close()
    store = JsonFileStore(path)
    assert len(list(store.iterate())) == 30
    other.rename(path)
    assert [one.session for one in store.iterate()] == ["restored-1"]
    assert "put in the place" in log()
    store.close()


def test_changed_content_of_the_same_file_is_reported_and_read_anew(path: Path, log: Callable[[], str]) -> None:
    store, reader = JsonFileStore(path), JsonFileStore(path)
    assert len(list(store.iterate())) == len(list(reader.iterate())) == 30
    path.write_bytes(path.read_bytes().replace(b"shopper-", b"longer-named-shopper-"))
    assert names(store.update("longer-named-shopper-0", adds("longer-named-shopper-0", "new"))) == {"old": 1, "new": 1}
    assert names(reader.get("longer-named-shopper-0")) == {"old": 1, "new": 1}
    assert len(list(store.iterate())) == 30
    assert "changed by another's hand" in log()
    for one in (store, reader):
        one.close()


def test_a_rewrite_of_our_own_is_not_reported(path: Path, log: Callable[[], str]) -> None:
    store, other = JsonFileStore(path), JsonFileStore(path)
    for _ in range(3):
        other.get(EVERYONE[0])
        store.update(EVERYONE[0], adds(EVERYONE[0], "more"))
        store.compact()
    assert len(list(other.iterate())) == 30
    assert names(other.get(EVERYONE[0])) == {"old": 1, "more": 3}
    assert log() == ""
    for one in (store, other):
        one.close()


# --- S8: a typo in the path -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["dada/sessions.json", "a/b/sessions.json", "link.json"])
def test_a_folder_that_does_not_exist_is_a_problem_and_is_not_made(tmp_path: Path, where: str) -> None:
    (tmp_path / "link.json").symlink_to("nowhere/sessions.json")
    before = sorted(tmp_path.iterdir())
    store = JsonFileStore(tmp_path / where)
    with pytest.raises(StoreFullError, match="folder of the session file does not exist"):
        store.update("someone-1", adds("someone-1", "refused"))
    with pytest.raises(StoreError):
        store.get("someone-1")
    assert "folder of the session file does not exist" in str(store.problem())
    assert str(tmp_path) not in str(store.problem())
    assert sorted(tmp_path.iterdir()) == before

    (tmp_path / where).resolve().parent.mkdir(parents=True)
    store.update("someone-1", adds("someone-1", "taken"))
    assert beside((tmp_path / where).resolve()) == set()
    store.close()
