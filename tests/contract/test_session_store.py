"""Every store keeps the promises of the SessionStore port. A further adapter only adds a parameter to `ADAPTERS`."""

from __future__ import annotations

import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from testing.shoppers import NOON, adds, names, session
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreClosedError
from tracker.storage.json_file import JsonFileStore
from tracker.storage.memory import MemoryStore
from tracker.storage.postgres.database import Database
from tracker.storage.postgres.store import PostgresStore

OpenStore = Callable[[], SessionStore]
"""Opens one more store, as another process would, on what the others of the same test keep."""


@dataclass(frozen=True)
class Adapter:
    """A store, and how a test looks behind its port. What is kept stands in a folder, or at an address."""

    open: Callable[[Any], SessionStore]
    """Opens one on what is kept there."""
    kept_after_deletion: Callable[[Any], bytes]
    """Everything that is kept there, as bytes, once the time is over that it takes to remove what was deleted."""
    in_database: bool = False


def swept_files(folder: Path) -> bytes:
    """Wait until the rewrite that follows a deletion is done, at most the minute that is promised."""
    patience = time.monotonic() + 60
    while b":null" in (folder / "sessions.json").read_bytes():
        assert time.monotonic() < patience
        time.sleep(0.01)
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def swept_rows(url: str) -> bytes:
    """Return all that the pages of table and index hold, once the server has cleaned them; records decompressed."""
    patience = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as server:
        while True:
            # Rows that a transaction of another test might still see stay a little longer.
            server.execute("VACUUM session")
            rows = [zlib.decompress(record) for (record,) in server.execute("SELECT record FROM session")]
            pages = [data for (data,) in server.execute(HEAP_ITEMS)]
            if len(pages) == len(rows):
                return b"".join([*rows, *pages, *(bytes.fromhex(data) for (data,) in server.execute(INDEX_ITEMS))])
            assert time.monotonic() < patience
            time.sleep(0.01)


HEAP_ITEMS = """SELECT t_data FROM generate_series(0, pg_relation_size('session') / 8192 - 1) page,
    public.heap_page_items(public.get_raw_page('session', page::int)) WHERE t_data IS NOT NULL"""
INDEX_ITEMS = """SELECT data FROM generate_series(1, pg_relation_size('session_pkey') / 8192 - 1) page,
    public.bt_page_items('session_pkey', page::int) WHERE NOT coalesce(dead, false)"""

IN_MEMORY: defaultdict[Path, MemoryStore] = defaultdict(MemoryStore)
"""What the stores in memory of a test share, by its folder."""

ADAPTERS = {
    "json_file": Adapter(lambda folder: JsonFileStore(folder / "sessions.json", sweep_after_s=0.1), swept_files),
    "json_file_compacting": Adapter(
        lambda folder: JsonFileStore(folder / "sessions.json", compact_from=500, sweep_after_s=0.1), swept_files
    ),
    "memory": Adapter(
        lambda folder: IN_MEMORY[folder].opened_again(), lambda folder: IN_MEMORY[folder].content().encode()
    ),
    # More patience than a request has: a machine that stands still for a second must not fail a promise about order.
    "postgres": Adapter(lambda url: PostgresStore(Database(url, 8, patience_s=30)), swept_rows, in_database=True),
}

ANNA, BERT, CORA = "anna-0001", "bert-0002", "cora-0003"
EVERY_SHAPE = [
    "8letters",
    "f" * 64,
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "1790000000000.0x5eed",
    "--------",
    "........",
    "________",
    "null-null",
    "0123456789",
    "__proto__",
]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param]


@pytest.fixture
def place(adapter: Adapter, request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return str(request.getfixturevalue("database_url")) if adapter.in_database else tmp_path


@pytest.fixture
def open_store(adapter: Adapter, place: Path | str) -> Iterator[OpenStore]:
    opened: list[SessionStore] = []

    def open_one() -> SessionStore:
        opened.append(adapter.open(place))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> SessionStore:
    return open_store()


def put(store: SessionStore, *sessions: ShopperSession) -> None:
    for one in sessions:
        store.update(one.session, lambda _stored, one=one: one)  # type: ignore[misc]


def ids(store: SessionStore) -> list[str]:
    return [found.session for found in store.iterate()]


# --- update -----------------------------------------------------------------------------------------------------------


def test_an_update_of_nothing_is_handed_none_and_stores_what_it_returns(store: SessionStore) -> None:
    handed: list[ShopperSession | None] = []

    def change(stored: ShopperSession | None) -> ShopperSession:
        handed.append(stored)
        return session(ANNA, "first")

    assert store.update(ANNA, change) == session(ANNA, "first")
    assert handed == [None]
    assert store.get(ANNA) == session(ANNA, "first")


def test_an_update_is_handed_what_is_stored(store: SessionStore) -> None:
    put(store, session(ANNA, "first"))
    stored = store.update(ANNA, adds(ANNA, "second", NOON + 1))
    assert names(stored) == {"first": 1, "second": 1}
    assert store.get(ANNA) == stored


def test_concurrent_updates_of_one_session_are_all_kept(open_store: OpenStore) -> None:
    stores = [open_store(), open_store()]

    def write(worker: int) -> None:
        for number in range(25):
            stores[worker % 2].update(ANNA, adds(ANNA, f"{worker}-{number}"))

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"{worker}-{number}": 1 for worker in range(8) for number in range(25)}
    assert [names(store.get(ANNA)) for store in (*stores, open_store())] == [expected] * 3


def test_a_change_that_returns_its_own_argument_writes_nothing(store: SessionStore) -> None:
    put(store, session(ANNA, "first"), session(BERT, "first", at=NOON + 1))
    before = store.check()
    stored = store.update(ANNA, lambda stored: stored or session(ANNA))
    assert stored == session(ANNA, "first")
    assert store.check() == before
    assert ids(store) == [BERT, ANNA]


def test_a_change_that_raises_changes_nothing_and_its_error_passes(store: SessionStore) -> None:
    put(store, session(ANNA, "first"))

    def refuse(stored: ShopperSession | None) -> ShopperSession:
        raise LookupError("no")

    before = store.check()
    with pytest.raises(LookupError):
        store.update(ANNA, refuse)
    with pytest.raises(LookupError):
        store.update(BERT, refuse)
    assert store.check() == before
    assert ids(store) == [ANNA]
    assert names(store.update(ANNA, adds(ANNA, "second"))) == {"first": 1, "second": 1}


# --- get, delete ------------------------------------------------------------------------------------------------------


def test_updates_that_come_while_another_one_is_at_work_each_get_what_is_theirs(store: SessionStore) -> None:
    put(store, session(BERT, "old"))
    at_work, go_on = threading.Event(), threading.Event()

    def slow(stored: ShopperSession | None) -> ShopperSession:
        at_work.set()
        assert go_on.wait(30)
        return adds(ANNA, "first")(stored)

    def refuses(stored: ShopperSession | None) -> ShopperSession:
        raise LookupError("mine alone")

    def unchanged(stored: ShopperSession | None) -> ShopperSession:
        assert stored is not None
        return stored

    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(store.update, ANNA, slow)
        assert at_work.wait(30)
        annas = [pool.submit(store.update, ANNA, adds(ANNA, f"name-{number}")) for number in range(6)]
        others = [pool.submit(store.update, CORA, adds(CORA, "hers")), pool.submit(store.update, BERT, unchanged)]
        failing = [pool.submit(store.update, BERT, refuses), pool.submit(store.update, CORA, refuses)]
        time.sleep(0.2)  # they wait by now, or come a little later: it ends the same
        go_on.set()

    for failed in failing:
        with pytest.raises(LookupError, match="mine alone"):
            failed.result()
    assert names(first.result()) == {"first": 1}
    counts = sorted(names(update.result()).total() for update in annas)
    assert counts == [2, 3, 4, 5, 6, 7], "each was handed what the one before it left"
    assert [names(update.result()) for update in others] == [{"hers": 1}, {"old": 1}]
    assert names(store.get(ANNA)).total() == 7
    assert names(store.get(BERT)) == {"old": 1}
    assert names(store.get(CORA)) == {"hers": 1}


def test_an_absent_session_is_none(store: SessionStore) -> None:
    assert store.get(ANNA) is None
    put(store, session(ANNA))
    assert store.get(BERT) is None


@pytest.mark.parametrize("session_id", EVERY_SHAPE)
def test_every_allowed_id_is_kept_and_deleted(open_store: OpenStore, session_id: str) -> None:
    store = open_store()
    put(store, session(ANNA), session(session_id, "first"))
    for reader in (store, open_store()):
        assert reader.get(session_id) == session(session_id, "first")
    assert store.delete(session_id)
    assert ids(open_store()) == [ANNA]


def test_whatever_was_stored_comes_back_as_it_was(open_store: OpenStore) -> None:
    whole = replace(
        session(ANNA),
        items_in_cart=2**53,
        time_on_page={"/": 0, "/ключ": 2**53, "": 1},
        events={
            'a "quoted": page, \\ and {braces}': [
                {
                    "type": "клик 👩‍🚀",
                    "ts": 0,
                    "text": '\u2028\u2029 "\\ \n\r\t \x7f \ufeff ":{}',
                    "deep": [[{"a": None}]],
                },
                {"type": "input", "ts": 2**53, "flag": True, "ratio": 0.1, "": "", "\n}": ",\n"},
            ]
        },
        further={"consent": {"analytics": True}, "note": "null"},
    )
    put(open_store(), whole)
    assert open_store().get(ANNA) == whole


def test_a_deleted_session_is_gone_for_everyone(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    put(store, session(ANNA, "first"), session(BERT, "first", at=NOON + 1))
    assert names(other.get(ANNA)) == {"first": 1}
    assert store.delete(ANNA) is True
    for reader in (store, other, open_store()):
        assert reader.get(ANNA) is None
        assert ids(reader) == [BERT]
        assert reader.check().sessions == 1
    assert other.delete(ANNA) is False


def test_deleting_leaves_no_trace_of_the_session(open_store: OpenStore, adapter: Adapter, place: Path | str) -> None:
    store = open_store()
    for number in range(5):
        store.update(ANNA, adds(ANNA, f"planted-{number}"))
        store.update(BERT, adds(BERT, f"other-{number}"))
    assert store.delete(ANNA)
    assert ids(store) == ids(open_store()) == [BERT]
    left = adapter.kept_after_deletion(place)
    assert b"planted" not in left
    assert ANNA.encode() not in left
    assert names(store.get(BERT)) == {f"other-{number}": 1 for number in range(5)}


def test_a_deleted_session_begins_anew(store: SessionStore) -> None:
    put(store, session(ANNA, "first"))
    store.delete(ANNA)
    assert names(store.update(ANNA, adds(ANNA, "second"))) == {"second": 1}
    assert ids(store) == [ANNA]


def test_deleting_nothing_says_so(store: SessionStore) -> None:
    assert store.delete(ANNA) is False
    put(store, session(ANNA))
    assert store.delete(BERT) is False
    assert ids(store) == [ANNA]


# --- iterate ----------------------------------------------------------------------------------------------------------


def test_an_empty_store_gives_no_sessions(store: SessionStore) -> None:
    assert ids(store) == []


def test_sessions_come_newest_first(store: SessionStore) -> None:
    put(store, session(ANNA), session(BERT, at=NOON + 1), session(CORA, at=NOON + 2))
    assert ids(store) == [CORA, BERT, ANNA]
    store.update(ANNA, adds(ANNA, "back again", NOON + 3))
    assert ids(store) == [ANNA, CORA, BERT]


def pages(store: SessionStore, size: int) -> list[str]:
    walked: list[str] = []
    before = None
    while len(walked) <= 1000:
        page = [found for _, found in zip(range(size), store.iterate(before), strict=False)]
        if not page:
            return walked
        walked += [found.session for found in page]
        before = (page[-1].updated_at, page[-1].session)
    pytest.fail("paging does not end")


@pytest.mark.parametrize("size", [1, 2, 7, 100])
@pytest.mark.parametrize(
    "clock",
    [
        lambda number, chance: NOON + number,
        lambda number, chance: NOON,
        lambda number, chance: NOON + chance.randrange(9),
    ],
    ids=["one after the other", "all in one millisecond", "clocks that disagree"],
)
def test_paging_meets_every_session_exactly_once(
    store: SessionStore, size: int, clock: Callable[[int, Random], int]
) -> None:
    chance = Random(2)
    everyone = [f"shopper-{number:02}" for number in range(30)]
    for number, session_id in enumerate(chance.sample(everyone, len(everyone))):
        put(store, session(session_id, at=clock(number, chance)))
    walked = pages(store, size)
    assert sorted(walked) == everyone
    assert walked == ids(store)


def test_paging_goes_on_where_it_stood_when_that_session_changed_or_went(store: SessionStore) -> None:
    put(store, *(session(f"shopper-{number}", at=NOON + number) for number in range(6)))
    store.delete("shopper-3")
    store.update("shopper-4", adds("shopper-4", "again", NOON + 9))
    for before in ((NOON + 3, "shopper-3"), (NOON + 4, "shopper-4")):
        left = ["shopper-3", "shopper-2", "shopper-1", "shopper-0"]
        assert [found.session for found in store.iterate(before)] == left[1:]


def test_iterating_goes_on_beside_writes_and_deletions(store: SessionStore) -> None:
    put(store, *(session(f"shopper-{number}", f"event-{number}", at=NOON + number) for number in range(20)))
    walk = store.iterate()
    met = [next(walk).session]
    store.update("shopper-0", adds("shopper-0", "late", NOON + 100))
    store.delete("shopper-19")
    put(store, session("newcomer-1", at=NOON + 101))
    met += [found.session for found in walk]
    assert len(met) == len(set(met))
    assert {f"shopper-{number}" for number in range(1, 19)} <= set(met)


# --- prune, check, close ----------------------------------------------------------------------------------------------


def test_pruning_removes_exactly_what_is_older_than_the_cutoff(
    open_store: OpenStore, adapter: Adapter, place: Path | str
) -> None:
    store = open_store()
    put(store, *(session(f"shopper-{number}", f"event-{number}", at=NOON + number) for number in range(10)))
    seen: list[tuple[int, int]] = []
    assert store.prune(NOON + 4, lambda done, of: seen.append((done, of))) == 4
    assert ids(store) == ids(open_store()) == [f"shopper-{number}" for number in range(9, 3, -1)]
    assert seen == sorted(seen)
    assert all(done <= of for done, of in seen)
    assert b"event-3" not in adapter.kept_after_deletion(place)
    assert store.prune(NOON + 4) == 0


def test_pruning_an_empty_store_removes_nothing(store: SessionStore) -> None:
    assert store.prune(NOON) == 0


def test_a_store_that_is_too_large_loses_what_was_not_updated_for_longest(
    open_store: OpenStore, adapter: Adapter, place: Path | str
) -> None:
    store, other = open_store(), open_store()
    filling = Random(1).randbytes(99_000).hex()  # which no store can compress to much less than half of it
    for number in range(99):
        put(
            store,
            session(f"shopper-{number:03}", f"event-{number:03}", filling[number * 2000 :][:2000], at=NOON + number),
        )
    put(other, *(session(f"shopper-{number:03}", "again", at=NOON + 1000 + number) for number in range(3)))
    assert store.shrink(1 << 30) == 0
    assert len(ids(store)) == 99

    lost = store.shrink(100_000)
    left = [*(f"shopper-{number:03}" for number in (2, 1, 0)), *(f"shopper-{number:03}" for number in range(98, 2, -1))]
    assert 0 < lost < 96
    assert ids(store) == ids(open_store()) == left[: 99 - lost]
    assert f"event-{lost + 2:03}".encode() not in adapter.kept_after_deletion(place)
    if (size := store.size()) is not None:
        assert size <= 75_000
        assert other.shrink(100_000) == other.shrink(size) == 0, "nothing is to be done"


def test_the_newest_sessions_stay_whatever_they_take(store: SessionStore) -> None:
    put(store, session(ANNA, "x" * 9000, at=NOON), session(BERT, "x" * 9000, at=NOON + 1))

    store.shrink(100)
    assert BERT in ids(store)
    assert store.shrink(100) == 0


def test_a_sound_store_checks_well(store: SessionStore) -> None:
    assert store.problem() is None
    assert store.check().problem is None
    put(store, session(ANNA), session(BERT))
    check = store.check()
    assert (check.sessions, check.problem) == (2, None)
    assert check.size_bytes > 0


def test_a_closed_store_refuses_everything(store: SessionStore) -> None:
    put(store, session(ANNA))
    store.close()
    with pytest.raises(StoreClosedError):
        store.get(ANNA)
    with pytest.raises(StoreClosedError):
        store.update(ANNA, adds(ANNA, "late"))
    with pytest.raises(StoreClosedError):
        store.delete(ANNA)
    with pytest.raises(StoreClosedError):
        list(store.iterate())
    with pytest.raises(StoreClosedError):
        store.prune(NOON)
    assert store.check().problem is not None
    assert store.problem() is not None
    store.close()


def test_two_stores_see_what_each_other_writes(open_store: OpenStore) -> None:
    one, two = open_store(), open_store()
    for number in range(10):
        writer, reader = (one, two) if number % 2 else (two, one)
        writer.update(ANNA, adds(ANNA, f"event-{number}", NOON + number))
        assert names(reader.get(ANNA)) == {f"event-{count}": 1 for count in range(number + 1)}
        assert [names(found) for found in reader.iterate()] == [names(writer.get(ANNA))]
