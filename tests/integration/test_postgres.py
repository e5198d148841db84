"""The service over a real PostgreSQL: its settings, its tables, its secrets, and sessions moved there and back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import Result

from testing.gunicorn_server import ROOT, strict_json, wait_until
from testing.postgres_server import PostgresAddress
from testing.shoppers import NOON, adds, session
from tests.integration.conftest import MakeApp
from tracker.config import Config, ConfigError, load_config
from tracker.decisions.shop.live_file import ShopFile
from tracker.decisions.shop.shop import Shop
from tracker.durable.cell import CellChange, CellError
from tracker.owner.messages.owner_file import EditedFile
from tracker.sessions.store import SessionStore, StoreError
from tracker.storage import migrate, open_storage, open_store
from tracker.storage.postgres.schema import NUMBER, migrations

ANNA = "anna-0001"
REPORT = {"session": ANNA, "itemsInCart": 2, "timeOnPage": {"/cart": 95_000}}
PASSWORD = "a-password-that-nobody-may-see"
NOBODY_LISTENS = f"postgresql://tracker:{PASSWORD}@127.0.0.1:1/shop"


@pytest.fixture
def empty_url(postgres: PostgresAddress, request: pytest.FixtureRequest) -> str:
    """The address of a database without tables."""
    name = f"empty_{abs(hash((request.node.nodeid, os.getpid())))}"
    postgres.execute(f'CREATE SCHEMA "{name}"')
    return postgres.url(name)


Run = Callable[..., Result]


@pytest.fixture
def run(make_app: MakeApp) -> Run:
    """Runs a command of `flask` over the database at `url`."""

    def run_command(*arguments: str, url: str = "", expect: int = 0) -> Result:
        result = make_app(database_url=url).test_cli_runner().invoke(args=arguments)
        assert result.exit_code == expect, result.output
        return result

    return run_command


# --- The setting ---


def test_service_answers_the_same_over_a_database(make_app: MakeApp, database_url: str) -> None:
    app = make_app(database_url=database_url)
    client = app.test_client()

    assert client.post("/ingest", json=REPORT).json == {"ok": True, "saved": True}
    assert client.get("/health").status_code == 200
    assert client.post("/askai", data=ANNA).json["source"] == "rules"  # type: ignore[index]
    store = open_store(database_url)
    stored = store.get(ANNA)
    assert stored is not None
    assert stored.items_in_cart == 2
    store.close()


@pytest.mark.parametrize("url", ["mysql://host/name", "host=127.0.0.1", "postgresql:// spaces/x"])
def test_setting_takes_addresses_of_postgresql_only(url: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL must be an address like") as refused:
        load_config({"DATABASE_URL": url})
    assert url not in str(refused.value)


def test_missing_driver_is_one_line_that_names_the_file_to_install(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['psycopg'] = None\n", "utf-8")

    for command in (["flask", "sessions", "list"], ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]):
        environment = {**os.environ, "DATABASE_URL": database_url, "PYTHONPATH": str(tmp_path), "PORT": "1"}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode != 0
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("The service cannot start: DATABASE_URL must be left empty until its driver")
        assert "requirements-postgres.txt" in line


def test_driver_is_not_loaded_without_the_setting() -> None:
    code = "import sys; from tracker.app import create_app; create_app(); print('psycopg' in sys.modules)"
    environment = {**os.environ, "DATABASE_URL": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


# --- The secret ---


def test_no_answer_and_no_log_line_shows_the_address(make_app: MakeApp, capfd: pytest.CaptureFixture[str]) -> None:
    app = make_app(database_url=NOBODY_LISTENS, log_level="DEBUG")
    client = app.test_client()

    answers = [client.post("/ingest", json=REPORT), client.get("/health"), client.post("/askai", data=ANNA)]
    app.logger.error("connecting to %s failed", NOBODY_LISTENS)
    app.logger.error("the password is %s", PASSWORD)
    listed = app.test_cli_runner().invoke(args=["sessions", "list"])

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["2", None, "2"]
    captured = capfd.readouterr()
    everything = "\n".join([*(answer.text for answer in answers), captured.out, captured.err, listed.output])
    assert "the database cannot be reached" in everything
    for part in (PASSWORD, "127.0.0.1:1", "tracker:", "port 1"):
        assert part not in everything
    assert "the password is ***" in everything


def test_configuration_shows_no_address_when_it_is_printed() -> None:
    assert PASSWORD not in repr(Config(database_url=NOBODY_LISTENS))


# --- Tables ---


def test_service_says_what_to_do_where_the_tables_are_missing(make_app: MakeApp, empty_url: str) -> None:
    client = make_app(database_url=empty_url).test_client()

    refused = client.post("/ingest", json=REPORT)
    health = client.get("/health")

    assert refused.status_code == health.status_code == 503
    assert "flask sessions migrate" in refused.json["error"]["message"]  # type: ignore[index]
    assert "flask sessions migrate" in health.json["problem"]  # type: ignore[index]
    assert migrate(empty_url) == [one.number for one in migrations()]
    assert client.post("/ingest", json=REPORT).status_code == 200, "it goes on without a restart"


def test_migrate_is_a_command_that_can_be_repeated(run: Run, empty_url: str) -> None:
    assert run("sessions", "migrate", url=empty_url).stdout.startswith("applied 1, 2; each process")
    assert run("sessions", "migrate", url=empty_url).stdout.startswith("the tables are up to date")


def test_migrate_explains_what_is_wrong_and_shows_no_password(run: Run) -> None:
    assert "DATABASE_URL is not set" in run("sessions", "migrate", expect=1).stderr
    refused = run("sessions", "migrate", url=NOBODY_LISTENS, expect=1).stderr
    assert refused.count("\n") == 1
    assert "refused" in refused
    assert PASSWORD not in refused


def test_machines_that_migrate_at_once_do_it_once(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty_url] * 4))
    assert sorted(map(len, applied)) == [0, 0, 0, len(list(migrations()))]


def test_a_version_that_the_tables_are_too_new_for_refuses(make_app: MakeApp, postgres: PostgresAddress) -> None:
    name = f"newer_{os.getpid()}"
    url = postgres.new_schema(name)
    postgres.execute(f'INSERT INTO "{name}".schema_version (number, oldest_code) VALUES ({NUMBER + 1}, {NUMBER})')
    assert make_app(database_url=url).test_client().post("/ingest", json=REPORT).status_code == 200
    postgres.execute(f'UPDATE "{name}".schema_version SET oldest_code = {NUMBER + 1} WHERE number = {NUMBER + 1}')

    refused = make_app(database_url=url).test_client().post("/ingest", json=REPORT)

    assert refused.status_code == 503
    assert "newer version" in refused.json["error"]["message"]  # type: ignore[index]


def test_numbers_of_the_files_are_without_a_gap_and_the_newest_is_the_codes_own() -> None:
    found = list(migrations())
    assert [one.number for one in found] == list(range(1, NUMBER + 1))
    assert all(one.oldest_code <= one.number for one in found)


# --- Copies ---


def filled(store: SessionStore, count: int) -> None:
    for number in range(count):
        name = f"shopper-{number:05}"
        store.update(name, adds(name, f"event-{number}", NOON + number))


def records(url: str) -> dict[str, Any]:
    store = open_store(url)
    try:
        return {one.session: one.to_record() for one in store.iterate()}
    finally:
        store.close()


def copied(run: Run, source: str, target: str) -> dict[str, Any]:
    facts: dict[str, Any] = strict_json(
        run("sessions", "copy", "--from", source, "--to", target, "--json").stdout.encode()
    )
    return facts


def check_goes_on(run: Run, tmp_path: Path, source: str, target: str, count: int) -> None:
    """Copy on after an interruption, and back into another file: all three are the same."""
    back = f"file:{tmp_path / 'back.json'}"
    there = len(records(target))
    assert 0 < there < count, "it was interrupted amid its work"

    again = copied(run, source, target)
    assert again == {**again, "ok": True, "new": count - there, "same": there, "compared": count, "differing": []}
    with psycopg.connect(target) as server:
        uncounted = server.execute("SELECT count(*) FROM session WHERE NOT is_counted").fetchone()
    assert uncounted == (0,), "the figures know them all"
    assert copied(run, target, back)["new"] == count
    assert records(source) == records(target) == records(back)


def test_copies_into_a_database_and_back_are_the_same_though_one_was_interrupted(
    run: Run, tmp_path: Path, database_url: str
) -> None:
    source = f"file:{tmp_path / 'source.json'}"
    store, target = open_store(source), open_store(database_url)
    filled(store, 500)
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute(REFUSES_THE_200TH)
        server.execute("CREATE TRIGGER refuses BEFORE INSERT ON session FOR EACH ROW EXECUTE FUNCTION refuse()")
        interrupted = run("sessions", "copy", "--from", source, "--to", database_url, expect=1)
        server.execute("DROP TRIGGER refuses ON session")
    assert "Note: 200 of 500 copied; copy again to go on." in interrupted.stderr

    check_goes_on(run, tmp_path, source, database_url, 500)

    store.update("shopper-00000", adds("shopper-00000", "later", NOON + 500))
    target.update("shopper-00001", adds("shopper-00001", "moved on", NOON + 500))
    once_more = copied(run, source, database_url)
    assert once_more == {**once_more, "new": 0, "changed": 1, "newer": 1, "same": 498, "ok": True}
    for one in (store, target):
        one.close()


REFUSES_THE_200TH = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT count(*) FROM session) >= 200 THEN RAISE EXCEPTION 'not now'; END IF; RETURN NEW; END $$"""


@pytest.mark.thorough
def test_copies_of_20000_sessions_are_the_same_though_one_was_killed(
    run: Run, tmp_path: Path, database_url: str
) -> None:
    source = f"file:{tmp_path / 'source.json'}"
    store, target = open_store(source), open_store(database_url)
    filled(store, 20_000)
    command = [sys.executable, "-m", "flask", "sessions", "copy", "--from", source, "--to", database_url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as first:
        wait_until(lambda: target.check().sessions > 5000 or first.poll() is not None, "it copies", 300)
        first.send_signal(signal.SIGKILL)
    for one in (store, target):
        one.close()

    check_goes_on(run, tmp_path, source, database_url, 20_000)


def test_copy_refuses_places_that_it_cannot_use(run: Run, tmp_path: Path) -> None:
    there = f"file:{tmp_path / 'sessions.json'}"
    for source, target, why in [
        (there, there, "the same place"),
        (there, "sessions.json", "file:PATH or postgresql://"),
        (NOBODY_LISTENS, there, "cannot be reached"),
    ]:
        done = run("sessions", "copy", "--from", source, "--to", target, expect=2 if "PATH" in why else 1)
        assert why in done.stderr
        assert PASSWORD not in done.stderr


# --- The shop's file ---

SHOP = """name = "Published"
[[help]]
id = "chat"
text = "Shall we talk it over?"
"""


def test_a_published_file_reaches_every_instance_and_faults_are_not_published(
    make_app: MakeApp, run: Run, tmp_path: Path, database_url: str
) -> None:
    file = tmp_path / "published.toml"
    file.write_text("name = 7", "utf-8")
    assert "line 1" in run("shop", "publish", str(file), url=database_url, expect=1).stdout
    file.write_text(SHOP, "utf-8")

    assert run("shop", "publish", str(file), url=database_url).stdout.startswith("published Published with 1 message;")

    for _ in range(2):
        shop = ShopFile(tmp_path / "nothing.toml", open_storage(database_url).cell("shop"))
        assert shop.current().name == "Published"
        assert EditedFile(tmp_path / "nothing.toml", shop).text() == SHOP
        assert not EditedFile(tmp_path / "nothing.toml", shop).can_be_written(), "it would change one instance's copy"
    assert run("shop", "publish", "--withdraw", url=database_url).stdout.startswith("withdrawn;")
    assert ShopFile(tmp_path / "nothing.toml", open_storage(database_url).cell("shop")).current() == Shop()


def test_publishing_without_a_database_says_what_to_do_instead(run: Run, tmp_path: Path) -> None:
    assert "change the file where it lies" in run("shop", "publish", "shop.example.toml", expect=1).stderr


def test_a_known_published_file_stays_in_force_while_the_database_is_away(tmp_path: Path) -> None:
    class Lost:
        value: bytes | None = SHOP.encode()

        def get(self) -> bytes | None:
            if self.value is None:
                raise CellError("away")
            return self.value

        def update(self, change: CellChange) -> bytes:
            raise CellError("away")

        def close(self) -> None:
            pass

    cell = Lost()
    shop = ShopFile(tmp_path / "nothing.toml", cell, look_every_s=0)
    assert shop.current().name == "Published"
    cell.value = None
    assert shop.current().name == "Published"
    assert shop.problem is None


# --- Render ---


def test_second_form_of_render_runs_two_instances_over_a_database() -> None:
    blueprint = yaml.safe_load((ROOT / "deploy" / "render-postgres.yaml").read_text("utf-8"))
    first = yaml.safe_load((ROOT / "render.yaml").read_text("utf-8"))["services"][0]
    (service,) = blueprint["services"]
    settings = {entry["key"]: entry for entry in service["envVars"]}

    assert service["startCommand"] == first["startCommand"]
    assert service["numInstances"] == 2
    assert "disk" not in service
    assert service["healthCheckPath"] == "/healthz"
    assert service["preDeployCommand"] == "flask sessions migrate"
    assert "requirements-postgres.txt" in service["buildCommand"]
    (database,) = blueprint["databases"]
    assert settings["DATABASE_URL"]["fromDatabase"] == {"name": database["name"], "property": "connectionString"}
    wanted = {entry["key"] for entry in first["envVars"]} - {"TRACKER_STORAGE_FILE"}
    assert settings.keys() == wanted | {"DATABASE_URL", "DATABASE_CONNECTIONS"}


# --- Retention ---


def test_two_machines_that_prune_at_once_delete_each_old_session_once(database_url: str) -> None:
    stores = [open_store(database_url) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put(stores[number % 2], number), range(1200)))
        pruned = list(pool.map(lambda store: store.prune(NOON + 1100), stores))
    assert sum(pruned) == 1100
    assert stores[0].check().sessions == 100
    for store in stores:
        store.close()


def put(store: SessionStore, number: int) -> None:
    name = f"shopper-{number:05}"
    store.update(name, lambda _stored: session(name, at=NOON + number))


def test_a_closed_store_opens_no_connection_again(database_url: str) -> None:
    store = open_store(database_url)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.get(ANNA)
