"""The sums in a database equal a recount, whatever several programs change, delete and prune at the same time."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date

import psycopg
import pytest

from testing.children import Children
from testing.postgres_server import PostgresAddress
from testing.visits import DAY, MORNING, ordered, some_visit, visit
from tests.integration.conftest import ADMIN_TOKEN, MakeApp
from tracker.insights.counting.counting import VisitCounting
from tracker.insights.counting.recount import recount
from tracker.insights.sums import Sums
from tracker.insights.tally import Tally, known
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore
from tracker.storage.postgres.database import Database
from tracker.storage.postgres.schema import migrations
from tracker.storage.postgres.store import PostgresStore
from tracker.storage.postgres.sums import DatabaseSums

TODAY = date(2026, 9, 21).toordinal()
STEPS = 10_000 if os.environ.get("TRACKER_TESTS") == "thorough" else 400


class Instance:
    """What one process of the service has open."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, 4, patience_s=30)
        self.sums = DatabaseSums(self.database, VisitCounting(UTC, lambda: MORNING))
        self.store = PostgresStore(self.database, self.sums)

    def read(self) -> Sums:
        sums = self.sums.read().sums
        assert isinstance(sums, Sums)
        return sums


OpenInstance = Callable[[], Instance]


@pytest.fixture
def open_instance(database_url: str) -> Iterator[OpenInstance]:
    opened: list[Instance] = []

    def open_one() -> Instance:
        opened.append(Instance(database_url))
        return opened[-1]

    yield open_one
    for one in opened:
        one.store.close()


@pytest.fixture
def uncounting(database_url: str) -> Iterator[SessionStore]:
    """A store that counts nothing, as that of a copy, or of the version before."""
    store = PostgresStore(Database(database_url, 2, patience_s=30))
    yield store
    store.close()


def put(store: SessionStore, session: ShopperSession) -> ShopperSession:
    """Store the session as a merge would: the tally of the one before stays, so that its day does."""
    return store.update(session.session, lambda old: replace(session, tally=() if old is None else old.tally))


def heard_of_again(stored: ShopperSession | None) -> ShopperSession:
    assert stored is not None
    return replace(stored, updated_at=stored.updated_at + 1)


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as server:
        return server.execute(query.encode()).fetchall()


def test_after_any_changes_deletions_and_prunes_sums_equal_a_recount(
    open_instance: OpenInstance, uncounting: SessionStore
) -> None:
    chance = random.Random(1)
    instances = [open_instance() for _ in range(2)]
    living: dict[str, tuple[int, Tally]] = {}
    pruned, now = Sums(), MORNING

    def expected() -> Sums:
        sums = Sums()
        sums.merge(pruned)
        for _at, found in living.values():
            sums.exchange(None, found)
        return sums

    for step in range(STEPS):
        now += chance.randrange(DAY // 20)
        one = chance.choice(instances)
        session_id = f"visit-{chance.randrange(60):04}"
        match chance.random():
            case draw if draw < 0.8:
                stored = put(one.store, some_visit(chance, session_id, now))
                found = known(list(stored.tally))
                assert found is not None
                living[session_id] = (stored.updated_at, found)
            case draw if draw < 0.85 and session_id in living:
                # The same visit in another program's hands: it is counted anew by whoever asks next.
                at, found = living[session_id]
                uncounting.update(session_id, heard_of_again)
                living[session_id] = (at + 1, found)
            case draw if draw < 0.95:
                store = chance.choice([one.store, uncounting])
                assert store.delete(session_id) is (living.pop(session_id, None) is not None)
            case draw if draw < 0.98:
                one.sums.fold()
            case _:
                cutoff = now - chance.randrange(2 * DAY)
                gone = [name for name, (at, _found) in living.items() if at < cutoff]
                assert one.store.prune(cutoff) == len(gone)
                for name in gone:
                    pruned.exchange(None, living.pop(name)[1])
        if step % 25 == 0:
            assert chance.choice(instances).read() == expected()
    for one in [*instances, open_instance()]:
        assert one.read() == expected()
    counted = recount(uncounting.iterate(), UTC)
    counted.merge(pruned)
    assert counted == expected()
    assert pruned.own.days


def test_sums_are_exact_while_processes_write_and_take_changes_in(open_instance: OpenInstance) -> None:
    """Four processes change the same visits; nobody reads a visit twice, or less of them than before."""
    here = open_instance()

    def write(seed: int) -> None:
        own, chance = open_instance(), random.Random(seed)

        def work(number: int) -> None:
            put(own.store, replace(some_visit(chance, f"visit-{number:04}", MORNING), example=False))
            if number % 10 == seed:
                own.sums.fold()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, [number % 40 for number in range(100)]))
        own.store.close()

    before = 0
    with Children() as children, ThreadPoolExecutor(1) as pool:
        for seed in range(4):
            children.start(lambda seed=seed: write(seed))  # type: ignore[misc]
        all_done = pool.submit(children.all_done)
        while not all_done.done():
            visits = sum(row[0] for row in here.read().own.days.values())
            assert before <= visits <= 40
            before = visits
        assert all_done.result()
    assert here.read() == open_instance().read() == recount(here.store.iterate(), UTC)
    assert sum(row[0] for row in here.read().own.days.values()) == 40


def test_version_changes_with_the_sums_and_not_without(open_instance: OpenInstance) -> None:
    one, other = open_instance(), open_instance()
    put(one.store, visit())
    before = other.sums.version()
    assert other.sums.version() == before
    put(one.store, visit(time_on_page={"/": 5}))
    assert other.sums.version() == before, "it counts for the same"
    put(one.store, visit(items_in_cart=1))
    after = other.sums.version()
    assert after != before
    one.store.delete(visit().session)
    assert other.sums.version() not in {before, after}
    assert not other.read().own.days


def test_sessions_of_another_program_are_counted_by_whoever_asks_next(
    open_instance: OpenInstance, uncounting: SessionStore, database_url: str
) -> None:
    for number in range(1201):
        put(uncounting, ordered(visit(f"visit-{number:04}"), 990, MORNING, key=f"{number:016x}"))
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute("UPDATE session SET record = 'nothing' WHERE id = 'visit-0007'")
    one = open_instance()

    assert one.sums.find(f"{17:016x}") == "visit-0017"
    assert one.read().own.visits(TODAY) == 1200
    put(one.store, ordered(visit("visit-0001"), 990, MORNING))
    assert one.sums.find(f"{1:016x}") is None
    assert one.read() == recount((found for found in _readable(uncounting)), UTC)


def _readable(store: SessionStore) -> Iterator[ShopperSession]:
    for number in range(1201):
        if number != 7:
            found = store.get(f"visit-{number:04}")
            assert found is not None
            yield found


def test_a_deleted_session_leaves_no_id_behind(open_instance: OpenInstance, database_url: str) -> None:
    one = open_instance()
    for name in ("visit-0001", "visit-0002"):
        put(one.store, ordered(visit(name), 990, MORNING, key="ab" * 8))
    assert one.store.delete("visit-0001")
    one.store.close()

    assert rows(database_url, "SELECT id FROM tally_change") == []
    assert rows(database_url, "SELECT id FROM session") == [("visit-0002",)]
    assert open_instance().sums.find("ab" * 8) == "visit-0002"
    assert open_instance().read().own.visits(TODAY) == 1


def test_many_changes_are_taken_in_by_the_processes_that_made_them(
    open_instance: OpenInstance, database_url: str
) -> None:
    one = open_instance()
    for number in range(3):
        put(one.store, visit(f"visit-{number:04}"))
    one.sums.fold(at_least=4)
    assert len(rows(database_url, "SELECT FROM tally_change")) == 3
    one.sums.fold(at_least=3)
    assert rows(database_url, "SELECT FROM tally_change") == []
    assert one.read().own.visits(TODAY) == open_instance().read().own.visits(TODAY) == 3


def test_report_over_a_database_reads_no_visit_and_outlives_pruning(make_app: MakeApp, database_url: str) -> None:
    client = make_app(database_url=database_url, admin_token=ADMIN_TOKEN).test_client()
    for number in range(3):
        report = {"session": f"visit-{number:04}", "itemsInCart": 2, "timeOnPage": {"/products/cup": 9_000}}
        assert client.post("/ingest", json=report).status_code == 200
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute("UPDATE session SET record = 'nothing'")

    def figures() -> tuple[int, int]:
        answer = client.get("/report.json", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        assert answer.status_code == 200, answer.text
        return answer.json["total"]["visits"], answer.json["total"]["carts_left"]  # type: ignore[index]

    assert figures() == (3, 3)
    store = PostgresStore(Database(database_url, 1))
    assert store.prune(2**53) == 3
    store.close()
    assert figures() == (3, 3)


def test_tables_of_the_version_before_are_filled_while_it_still_writes(postgres: PostgresAddress) -> None:
    """Its statements know no tallies: they go on over the new tables, and what it stores is counted all the same."""
    name = f"before_{os.getpid()}"
    postgres.execute(f'CREATE SCHEMA "{name}"')
    url = postgres.url(name)
    first, *others = migrations()
    instance = Instance(postgres.new_schema(f"{name}_now"))
    put(instance.store, visit("visit-0001"))
    with psycopg.connect(postgres.url(f"{name}_now"), autocommit=True) as server:
        ((record,),) = server.execute("SELECT record FROM session").fetchall()
    instance.store.close()

    written = "INSERT INTO session (updated_minute, updated_at, record, id, version) VALUES (1, %s, %s, %s, 1)"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE TABLE schema_version (number int, oldest_code int)")
        server.execute(first.sql.encode())
        server.execute(written, (MORNING, record, "visit-0001"))
        for one in others:
            server.execute(one.sql.encode())
        server.execute("INSERT INTO schema_version VALUES (2, 1)")
        server.execute(written, (MORNING, record, "visit-0002"))
    after = Instance(url)
    assert after.read().own.visits(TODAY) == 2
    after.store.close()
