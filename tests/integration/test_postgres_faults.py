"""Databases that fail: killed, stopped, full, read-only, overloaded; and several instances of the service over one."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask.testing import FlaskClient

from testing.children import Children
from testing.fake_groq import FakeGroq
from testing.gunicorn_server import GunicornServer, wait_until
from testing.http_client import Client, Reply
from testing.outage import events_in, kill_under_load, report
from testing.postgres_server import QUICK, PostgresServer
from testing.shoppers import NOON, adds, names
from tests.integration.conftest import MakeApp
from tracker.llm.budget import BudgetRefusedError, DailyLimits
from tracker.llm.faults import Fault
from tracker.llm.shared_budget import SharedBudget
from tracker.ops.retention import DAY_MS, Retention
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreBusyError, StoreError, StoreFullError
from tracker.storage import open_storage, open_store

ANNA, BERT = "anna-0001", "bert-0002"


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server for the tests of this module alone, which they may kill: each starts it again."""
    safety = {} if os.environ.get("TRACKER_TESTS") == "thorough" else QUICK
    with PostgresServer(settings={**safety, "log_statement": "all", "log_parameter_max_length": "200"}) as server:
        yield server


@pytest.fixture
def url(own: PostgresServer) -> str:
    return own.new_schema(f"test_{uuid4().hex}")


@pytest.fixture
def client(make_app: MakeApp, url: str) -> FlaskClient:
    return make_app(database_url=url).test_client()


@pytest.fixture
def store(url: str) -> Iterator[SessionStore]:
    opened = open_store(url)
    yield opened
    opened.close()


@contextmanager
def setting(server: PostgresServer, name: str, value: str) -> Iterator[None]:
    """Let every session of the server have a setting, and restore it."""
    server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    server.execute("SELECT pg_reload_conf()")
    wait_until(lambda: server.execute(f"SHOW {name}") == [(value,)], f"{name} is {value}")
    try:
        yield
    finally:
        # A server that is read only takes this all the same.
        server.execute(f"ALTER SYSTEM RESET {name}")
        server.execute("SELECT pg_reload_conf()")
        wait_until(lambda: server.execute(f"SHOW {name}") != [(value,)], f"{name} is not {value}")


def post(client: FlaskClient, session: str = ANNA, number: int = 0) -> Any:
    event = {"type": "click", "ts": 1_790_000_000_000 + number, "n": number}
    return client.post("/ingest", json={"session": session, "itemsInCart": 1, "events": {"/": [event]}})


def stored(client: FlaskClient, session: str = ANNA, number: int = 0) -> None:
    """Post until the report is stored: a machine that stands still for seconds can make it busy."""
    wait_until(lambda: post(client, session, number).status_code == 200, "the report is stored")


def refusal(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, answer.json["error"]["code"], answer.headers["Retry-After"]


# --- One fault at a time ---


def test_a_server_that_is_away_is_a_503_until_it_is_back(client: FlaskClient, own: PostgresServer) -> None:
    stored(client)
    own.kill()
    assert [refusal(post(client, number=number)) for number in range(3)] == [(503, "store_unavailable", "2")] * 3
    assert client.get("/health").status_code == 503
    assert client.get("/healthz").status_code == 200
    own.start()
    stored(client, number=4)
    assert client.get("/health").status_code == 200


def test_connections_that_the_server_closed_meanwhile_cost_no_request(client: FlaskClient, own: PostgresServer) -> None:
    assert post(client).status_code == 200
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'shopify-tracker'"
    for number in range(1, 5):
        assert own.execute(ended)[0][0] >= 1
        wait_until(lambda: own.execute(ended) == [(0,)], "they are gone")
        assert post(client, number=number).status_code == 200


def test_a_server_that_hangs_is_busy_and_takes_the_next_report(client: FlaskClient, own: PostgresServer) -> None:
    stored(client)
    with stopped(own):
        assert refusal(post(client, number=1)) == (503, "store_busy", "1")
    stored(client, number=2)


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """Stop every process of the server, as a machine that stands still does."""
    pids = [server.pid, *(pid for (pid,) in server.execute("SELECT pid FROM pg_stat_activity"))]
    send(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        send(pids, signal.SIGCONT)


def send(pids: list[int], by: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, by)


def test_a_row_that_another_program_locks_is_busy_and_nothing_waits_on(
    client: FlaskClient, own: PostgresServer, url: str
) -> None:
    stored(client)
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM session FOR UPDATE")
        assert refusal(post(client, number=1)) == (503, "store_busy", "1")
        stored(client, BERT)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_until(lambda: own.execute(waiting) == [(0,)], "the statement was ended on the server")
    stored(client, number=1)


def test_a_server_that_is_read_only_says_so(client: FlaskClient, own: PostgresServer) -> None:
    stored(client)
    with setting(own, "default_transaction_read_only", "on"):
        refused = post(client, number=1)
        assert refusal(refused) == (503, "store_unavailable", "2")
        assert "takes no writes" in refused.json["error"]["message"]
        assert "takes no writes" in client.get("/health").json["problem"]  # type: ignore[index]
    stored(client, number=1)
    assert client.get("/health").status_code == 200


def test_a_full_disk_is_reported_until_a_write_succeeds(client: FlaskClient, url: str) -> None:
    """The server raises what it raises where it cannot extend a file."""
    stored(client)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$"
        )
        server.execute("CREATE TRIGGER full_disk BEFORE UPDATE ON session FOR EACH ROW EXECUTE FUNCTION full_disk()")
        assert refusal(post(client, number=1)) == (503, "store_cannot_write", "30")
        assert "disk is full" in client.get("/health").json["problem"]  # type: ignore[index]
        server.execute("DROP TRIGGER full_disk ON session")
    stored(client, number=1)
    assert client.get("/health").status_code == 200


@pytest.mark.thorough
def test_a_table_on_a_disk_that_is_really_full(store: SessionStore, own: PostgresServer, url: str) -> None:
    disk = own.folder / f"small-{uuid4().hex[:8]}"
    disk.mkdir()
    options = f"size=1m,mode=700,uid={own.user},gid={own.user}"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=False).returncode:
        pytest.skip("no file system may be mounted here: run it as root")
    try:
        own.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("ALTER TABLE session SET TABLESPACE small")
        kept = filled_up(store)
        assert "disk is full" in str(store.problem())
        assert {one.session for one in store.iterate()} == set(kept)
        assert store.prune(2**53) == len(kept)
        store.update(ANNA, adds(ANNA, "first"))
        assert store.problem() is None
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("ALTER TABLE session SET TABLESPACE pg_default")
        own.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def filled_up(store: SessionStore) -> list[str]:
    """Store sessions until one is refused for want of room; return those that were stored."""
    kept: list[str] = []
    for number in range(1000):
        name = f"shopper-{number:05}"
        try:
            store.update(name, adds(name, os.urandom(10_000).hex()))
        except StoreFullError:
            return kept
        kept.append(name)
    pytest.fail("the disk takes more than it has")


def test_a_commit_that_the_standby_does_not_confirm_is_not_acknowledged(
    client: FlaskClient, own: PostgresServer
) -> None:
    stored(client)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with setting(own, "synchronous_standby_names", "absent"):
        assert refusal(post(client, number=1)) == (503, "store_busy", "1")
        wait_until(lambda: own.execute(waiting) == [(0,)], "the commit was ended on the server")
    stored(client, number=1)


def test_a_commit_that_an_operator_ends_without_the_standby_is_not_acknowledged(
    store: SessionStore, own: PostgresServer
) -> None:
    store.update(ANNA, adds(ANNA, "first"))
    ends = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with setting(own, "synchronous_standby_names", "absent"), ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.update, ANNA, adds(ANNA, "second"))
        wait_until(lambda: writing.done() or own.execute(ends) != [(0,)], "the commit waits")
        with pytest.raises(StoreError):
            writing.result()


def test_a_pool_whose_connections_are_all_in_use_is_busy(url: str) -> None:
    store = open_store(url, pool_size=1)
    at_work, go_on = threading.Event(), threading.Event()

    def slow(stored: Any) -> Any:
        at_work.set()
        assert go_on.wait(60)
        return adds(ANNA, "first")(stored)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(store.update, ANNA, slow)
        assert at_work.wait(60)
        with pytest.raises(StoreBusyError):
            store.update(BERT, adds(BERT, "first"))
        go_on.set()
        with pytest.raises(StoreBusyError):
            holding.result()  # Its own time was over, too: nothing of it was written.
    assert names(store.update(BERT, adds(BERT, "second"))) == {"second": 1}
    assert store.get(ANNA) is None
    store.close()


# --- Instances under load ---


@pytest.fixture(scope="module")
def groq() -> Iterator[FakeGroq]:
    with FakeGroq() as fake:
        yield fake


@pytest.fixture(scope="module")
def shared_url(own: PostgresServer) -> str:
    return own.new_schema(f"test_{uuid4().hex}")


@pytest.fixture(scope="module")
def instances(
    shared_url: str, groq: FakeGroq, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[GunicornServer]]:
    """Two instances of the service over one database, one of them loaded before it forks; 100 calls a day."""
    env = {
        "DATABASE_URL": shared_url,
        "GROQ_API_KEY": "gsk_test",
        "GROQ_BASE_URL": groq.base_url,
        "MODEL_DAILY_CALLS": "100",
    }
    with ExitStack() as started:
        yield [
            started.enter_context(GunicornServer(tmp_path_factory.mktemp("instance"), workers=2, env=env, args=args))
            for args in ((), ("--preload",))
        ]


# --- The server is killed under load ---


def test_nothing_acknowledged_is_lost_though_the_server_is_killed_five_times(
    instances: list[GunicornServer], own: PostgresServer, shared_url: str
) -> None:
    outage = kill_under_load(instances, own, shared_url, kills=5)
    assert len(outage.acknowledged) >= 180
    assert (outage.lost, outage.doubled, outage.other) == (set(), set(), [])
    assert set(outage.refused) <= {"1", "2"}


# --- Several instances over one database ---


def accepted(client: Client, path: str, body: Any) -> Reply:
    """Post, again where the service is busy, as the script does."""
    until = time.monotonic() + 120
    while (answer := client.post(path, body)).status == 503:
        assert time.monotonic() < until, answer.body
        time.sleep(0.1)
    return answer


def test_two_instances_store_exactly_what_they_acknowledge(instances: list[GunicornServer], shared_url: str) -> None:
    def shop(number: int) -> set[str]:
        events = set()
        with instances[number % 2].client() as client:
            for index in range(25):
                event = f"two-{number}-{index}"
                assert accepted(client, "/ingest", report(f"shopper-{index % 5:04}", event)).status == 200
                events.add(event)
        return events

    with ThreadPoolExecutor(16) as pool:
        acknowledged = set().union(*pool.map(shop, range(16)))

    stored = events_in(shared_url)
    assert {event: times for event, times in stored.items() if event.startswith("two-")} == dict.fromkeys(
        acknowledged, 1
    )
    assert len(acknowledged) == 400


def test_400_reservations_of_four_processes_at_a_budget_of_100_are_granted_100_times(url: str) -> None:
    limits = DailyLimits(calls=100, tokens=10**9)

    def reserve() -> None:
        budget = SharedBudget(open_storage(url).cell("allowance"), limits)
        with ThreadPoolExecutor(8) as pool:
            granted = sum(pool.map(lambda _number: is_granted(budget), range(100)))
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("INSERT INTO granted VALUES (%s)", (granted,))

    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE TABLE granted (count int)")
        with Children() as children:
            for _ in range(4):
                children.start(reserve)
            assert children.all_done()
        ((granted,),) = server.execute("SELECT sum(count) FROM granted").fetchall()
    cell = open_storage(url).cell("allowance")
    spent, _tokens = SharedBudget(cell, limits).spent()
    cell.close()
    assert spent == 100
    # One whose outcome was unknown, because the machine stood still for seconds, was counted and not granted.
    assert granted <= 100


def is_granted(budget: SharedBudget) -> bool:
    while True:
        try:
            budget.reserve(10, time.time_ns() // 1_000_000)
        except BudgetRefusedError as refused:
            if refused.fault is Fault.UNAVAILABLE:
                continue
            return False
        return True


def test_400_questions_to_two_instances_use_a_budget_of_100_exactly(
    instances: list[GunicornServer], groq: FakeGroq, shared_url: str
) -> None:
    storage = open_storage(shared_url)
    cart = {"/cart": 90_000, "/": 9_000}
    asking = [f"asks-{number:03}" for number in range(400)]

    def ask(number: int) -> list[str]:
        with instances[number % 2].client() as client:
            return [accepted(client, "/askai", name).json()["source"] for name in asking[number::16]]

    with ThreadPoolExecutor(16) as pool:
        now = time.time_ns() // 1_000_000
        visits = [ShopperSession(session=name, items_in_cart=7, time_on_page=cart, updated_at=now) for name in asking]
        list(pool.map(lambda one: storage.sessions.update(one.session, lambda _stored: one), visits))
        sources = Counter(source for found in pool.map(ask, range(16)) for source in found)

    spent, _tokens = SharedBudget(storage.cell("allowance"), DailyLimits(calls=100, tokens=10**9)).spent()
    storage.sessions.close()
    assert spent == 100
    assert sources.total() == 400
    # A call whose reservation was too late to be acknowledged is counted and not made; each leaves a line in the log.
    unsure = sum(one.log().count("the model's calls cannot be counted") for one in instances)
    assert 100 - unsure <= groq.calls <= 100
    assert sources["groq"] <= groq.calls


# --- Retention ---


def test_of_all_instances_one_deletes_what_is_too_old(url: str) -> None:
    places = [open_storage(url) for _ in range(4)]
    for number in range(20):
        places[0].sessions.update(f"shopper-{number:04}", adds(f"shopper-{number:04}", "long ago"))
    keepers = [Retention(one.sessions, one.cell("retention"), 30, lambda: NOON + 31 * DAY_MS) for one in places]
    with ThreadPoolExecutor(4) as pool:
        deleted = list(pool.map(Retention.look, keepers))
    assert sorted(deleted) == [0, 0, 0, 20]
    assert [one.look() for one in keepers] == [0, 0, 0, 0], "once a day"
    for one in places:
        one.sessions.close()


# --- Statements ---


def test_every_statement_of_a_request_names_exactly_one_session(
    own: PostgresServer, make_app: MakeApp, url: str
) -> None:
    """So the same code runs where the table is distributed over several servers by the session's id."""
    began = len(own.log())
    with FakeGroq() as groq:
        client = make_app(database_url=url, groq_api_key="gsk_test", groq_base_url=groq.base_url).test_client()
        for number, session in enumerate((ANNA, BERT, ANNA)):
            stored(client, session, number)
            times = {"/cart": 90_000, "/": 9_000}
            assert client.post("/ingest", json={"session": session, "itemsInCart": 7, "timeOnPage": times}).json
            assert client.post("/askai", data=session).status_code == 200
        assert groq.calls >= 1
        assert client.post("/forget", json={"session": BERT}).status_code == 200
    recorded = statements(own.log()[began:])
    about_sessions = [one for one in recorded if " session " in one[0] and "schema_version" not in one[0]]
    about_cells = [one for one in recorded if " cell " in one[0]]

    assert len(about_sessions) >= 9
    assert len(about_cells) >= 2
    for statement, values in about_sessions:
        assert " WHERE id = $" in statement or "INSERT INTO session " in statement, statement
        assert len({ANNA, BERT} & set(values)) == 1, (statement, values)
    for statement, values in about_cells:
        assert " WHERE name = $" in statement or statement.startswith("INSERT INTO cell "), statement
        assert len(CELLS & set(values)) == 1, (statement, values)


CELLS = {"allowance", "epochs", "orders", "seen", "shop"}


def statements(log: str) -> list[tuple[str, list[str]]]:
    """Return (statement, values) for each one that the service sent, as the server itself recorded them."""
    found: list[tuple[str, list[str]]] = []
    for line in log.splitlines():
        _before, mark, statement = line.partition("LOG:  execute <unnamed>: ")
        if mark:
            found.append((statement, []))
        _before, mark, values = line.partition("DETAIL:  Parameters: ")
        if mark and found:
            found[-1][1].extend(value.partition(" = ")[2].strip("'") for value in values.split(", "))
    return found
