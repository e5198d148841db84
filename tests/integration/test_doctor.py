"""flask doctor: each finding in a folder where it is so, for people and for machines."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from testing.fake_groq import FakeGroq
from testing.gunicorn_server import ROOT, GunicornServer
from testing.postgres_server import PostgresAddress
from testing.shoppers import NOON, session
from tests.integration.conftest import ADMIN_TOKEN
from tracker.__main__ import program
from tracker.cli.doctor.machine import look_at_clock, look_at_limits
from tracker.cli.doctor.sessions import look_at_room
from tracker.config import Config
from tracker.durable.disk import network_of
from tracker.storage import open_storage, open_store
from tracker.storage.postgres.schema import NUMBER

GROQ_KEY = "gsk_a-key-that-nobody-may-see"
SECRET = "a-secret-that-nobody-may-see"
NOBODY_LISTENS = f"postgresql://tracker:{SECRET}@127.0.0.1:1/shop"


@pytest.fixture(autouse=True)
def folder(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the doctor is called; nothing serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PORT", str(free.getsockname()[1]))
    return empty_folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["doctor", *arguments])


def findings(*arguments: str, env: str = "") -> list[tuple[str, str, str]]:
    """Return (about, kind, text and details) of each finding; the exit status is 1 where there is a fault."""
    if env:
        Path(".env").write_text(env, "utf-8")
        Path(".env").chmod(0o600)
    result = run("--json", *arguments)
    *found, end = map(json.loads, result.stdout.splitlines())
    kinds = [one["kind"] for one in found]
    assert end == {"ok": "fault" not in kinds, "faults": kinds.count("fault"), "warnings": kinds.count("warning")}
    assert result.exit_code == (0 if end["ok"] else 1)
    assert result.stderr == ""
    return [(one["about"], one["kind"], " | ".join([one["text"], *one.get("details", [])])) for one in found]


def of(found: list[tuple[str, str, str]], about: str, *kinds: str) -> str:
    return "\n".join(text for one, kind, text in found if one == about and (not kinds or kind in kinds))


def test_new_folder_has_no_fault_and_nothing_is_made_in_it(folder: Path) -> None:
    found = findings()

    assert {kind for _about, kind, _text in found} == {"ok"}
    assert list(folder.iterdir()) == []


def test_people_read_one_line_a_finding_and_a_sum_at_the_end() -> None:
    Path(".env").write_text("KEEP_DAYS=lots\n", "utf-8")
    result = run()

    assert result.exit_code == 1
    first, *_rest, empty, last = result.stdout.splitlines()
    assert first == "FAULT    settings  KEEP_DAYS must be a whole number from 0 to 36500, not 'lots' (.env line 1)."
    assert (empty, last) == ("", "1 fault, 1 warning.")


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_settings_are_listed_with_their_origin_and_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEP_DAYS", "30")
    found = findings(
        env=f"ADMIN_TOKEN={ADMIN_TOKEN}\nSHOPIFY_WEBHOOK_SECRET={SECRET}\nHOLDOUT_PERCENT=20\nWEB_CONCURRENCY=1\n"
    )

    told = of(found, "settings", "ok")
    assert "ADMIN_TOKEN             set  (.env line 1)" in told
    assert "KEEP_DAYS               30  (the environment)" in told
    assert "WEB_CONCURRENCY         1  (.env line 4)" in told
    assert "HOLDOUT_PERCENT" not in told, "it has its default"
    assert ADMIN_TOKEN not in str(found)
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("env", "kind", "text"),
    [
        ("PORT=80a", "ok", ""),
        ("MAX_PAGES=0", "fault", "MAX_PAGES must be a whole number from 1 to 1000000, not '0' (.env line 1)."),
        ("ALLOWED_ORIGIN=https://a.example", "warning", "Do you mean ALLOWED_ORIGINS?"),
        ("ADMIN_TOKEN", "warning", ".env line 1 is not a setting"),
        ("HOST=0.0.0.0", "warning", "ADMIN_TOKEN is not set, so your pages are closed"),
        ("HOST=0.0.0.0", "warning", "ALLOWED_ORIGINS is not set, so any site may post"),
        ("ALLOWED_ORIGINS=https://shop.example", "warning", "TRUSTED_PROXIES is 0"),
    ],
)
def test_setting_that_is_wrong_or_risky_is_a_finding(env: str, kind: str, text: str) -> None:
    assert text in of(findings(env=f"{env}\n"), "settings", kind)


def test_env_file_that_others_can_read_or_that_is_no_text_is_told() -> None:
    Path(".env").write_text("KEEP_DAYS=3\n", "utf-8")
    Path(".env").chmod(0o644)
    assert "chmod o= .env" in of(findings(), "settings", "warning")
    Path(".env").write_bytes(b"KEEP_DAYS=\xff")
    assert of(findings(), "settings", "fault") == ".env cannot be read: it must be a text file in UTF-8."


def test_flask_doctor_tells_a_wrong_setting_too(folder: Path) -> None:
    (folder / ".env").write_text("MAX_PAGES=0\nKEEP_DAYS=lots\n", "utf-8")
    command = [sys.executable, "-m", "flask", "doctor", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FLASK_APP": "tracker.wsgi"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["faults"] == 2, done.stdout + done.stderr


# --- The session file -------------------------------------------------------------------------------------------------


def stored(path: Path, updated_at: int = NOON) -> None:
    store = open_store(f"file:{path}")
    store.update("anna-0001", lambda _none: replace(session("anna-0001"), updated_at=updated_at))
    store.close()


def test_session_file_is_counted_tried_and_left_as_it_is(folder: Path) -> None:
    stored(folder / "tracker_storage.json")
    before = (folder / "tracker_storage.json").read_bytes()
    found = findings()

    assert "1 session, " in of(found, "sessions", "ok")
    assert "Writing, flushing and locking work there." in of(found, "sessions", "ok")
    assert (folder / "tracker_storage.json").read_bytes() == before


def test_damaged_file_is_a_fault_that_says_what_to_do(folder: Path) -> None:
    (folder / "tracker_storage.json").write_text("this is no session file", "utf-8")

    assert "flask sessions repair" in of(findings(), "sessions", "fault")


def test_missing_folder_is_a_fault() -> None:
    told = of(findings(env="TRACKER_STORAGE_FILE=nowhere/sessions.json\n"), "sessions", "fault")

    assert told.endswith("does not exist: make it, or change TRACKER_STORAGE_FILE.")


def test_file_in_memory_is_a_warning(folder: Path) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("needs Linux's /dev/shm")
    told = of(findings(env="TRACKER_STORAGE_FILE=/dev/shm/doctor-of-a-test.json\n"), "sessions", "warning")

    assert "lies on memory, which a restart empties" in told


@pytest.mark.parametrize(
    ("free", "size", "kind"),
    [(60 << 20, 0, "fault"), (1 << 30, 1 << 20, "ok"), (1 << 30, 1 << 30, "warning"), (100 << 20, 0, "warning")],
)
def test_room_on_the_disk_has_to_hold_a_second_copy(folder: Path, free: int, size: int, kind: str) -> None:
    found = look_at_room(folder, free, size)

    assert found.kind == kind
    assert kind == "ok" or "free some space" in found.text


@pytest.mark.parametrize(("kind", "is_network"), [("ext4", False), ("nfs4", True), ("9p", True), ("fuse.sshfs", True)])
def test_file_system_of_another_machine_is_known(tmp_path: Path, kind: str, is_network: bool) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - {kind} device rw\n")

    assert network_of(tmp_path, mounts) == (kind if is_network else None)


# --- Clock and limits -------------------------------------------------------------------------------------------------


def test_clock_before_the_newest_visit_is_a_fault(folder: Path) -> None:
    stored(folder / "tracker_storage.json", updated_at=time.time_ns() // 1_000_000 + 3_600_000)

    assert "before the newest visit" in of(findings(), "clock", "fault")


def test_clock_of_a_machine_that_lost_its_time_is_a_fault() -> None:
    (found,) = look_at_clock(Config(), 86_400_000)

    assert (found.kind, found.text) == (
        "fault",
        "The clock stands at 1970-01-02 00:00:00 (UTC): set it, or all days are wrong.",
    )


def limits(workers: int, root: Path, stored_bytes: int = 0) -> str:
    return "\n".join(f"{one.kind} {one.text}" for one in look_at_limits(workers, stored_bytes, root))


@pytest.fixture
def small_machine(tmp_path: Path) -> Path:
    """The root folder of a machine of half a processor and 512 MB."""
    folder = tmp_path / "sys" / "fs" / "cgroup"
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text("536870912\n")
    (folder / "cpu.max").write_text("50000 100000\n")
    return tmp_path


def test_limits_of_a_container_are_seen(small_machine: Path) -> None:
    told = limits(1, small_machine)
    assert "ok 1 worker needs up to 130 MB, and there are 512 MB." in told
    assert "ok 1 worker on 0.5 processors." in told
    told = limits(8, small_machine)
    assert "warning 8 workers need up to 690 MB, and there are 512 MB: fewer workers" in told
    assert "warning 8 workers on 0.5 processors, where they wait for each other: set WEB_CONCURRENCY=1." in told


def test_few_open_files_are_a_warning(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        assert "warning A worker takes 128 connections at once, because a process may open 256 files: raise" in (
            limits(1, tmp_path)
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# --- The service, the shop's file, the model, and a page --------------------------------------------------------------


def test_running_service_is_found(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    with GunicornServer(tmp_path_factory.mktemp("server"), workers=1) as server:
        monkeypatch.setenv("PORT", str(server.port))
        assert f"runs at http://127.0.0.1:{server.port}/" in of(findings(), "service", "ok")


def test_port_of_another_program_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        told = of(findings(), "service", "fault")

    assert told == (
        f"It cannot listen on 127.0.0.1 port {port}: address already in use."
        f" Another port: set PORT={port + 1} in .env or in the environment."
    )


def test_fault_of_the_file_of_messages_is_told_with_its_line(folder: Path) -> None:
    (folder / "shop.toml").write_text('name = "A shop"\n[[fact]]\nid = "a"\ntext = "Free returns."\n', "utf-8")

    assert "shop.toml, line 2: " in of(findings(), "messages", "fault")


@pytest.mark.parametrize(
    ("mode", "kind", "text"),
    [
        ("good", "ok", "openai/gpt-oss-20b answered in "),
        ("401", "fault", "Check GROQ_API_KEY and GROQ_MODEL."),
        ("429", "fault", "Your plan allows no more now: try again later."),
        ("html", "fault", "Try another GROQ_MODEL."),
    ],
)
def test_model_is_tried_once_where_it_is_asked_for(mode: str, kind: str, text: str) -> None:
    with FakeGroq(mode) as groq:
        env = f"GROQ_API_KEY={GROQ_KEY}\nGROQ_BASE_URL={groq.base_url}\n"
        assert "`--ask` tries it" in of(findings(env=env), "model", "ok")
        assert groq.requests == []
        found = findings("--ask")
        assert len(groq.requests) == 1

    assert text in of(found, "model", kind)
    assert GROQ_KEY not in str(found)


@pytest.mark.parametrize(
    ("origin", "kind", "text"),
    [
        ("https://shop.example", "ok", "Access-Control-Allow-Origin: https://shop.example"),
        ("https://shop.example/products/x?y", "ok", "A browser sends the origin alone: https://shop.example"),
        ("https://other.example", "fault", "ALLOWED_ORIGINS is https://shop.example: add https://other.example to it."),
        ("http://shop.example", "fault", "Pages of http://shop.example are refused"),
        ("shop.example", "fault", "is no origin: give it as the browser shows it, like https://shop.example"),
    ],
)
def test_browser_of_a_page_would_be_told(folder: Path, origin: str, kind: str, text: str) -> None:
    found = findings("--origin", origin, env="ALLOWED_ORIGINS=https://shop.example\nTRUSTED_PROXIES=1\n")

    assert text in of(found, "origin", kind)
    assert [path.name for path in folder.iterdir()] == [".env"]


# --- A database -------------------------------------------------------------------------------------------------------


def test_database_is_asked_for_its_tables_and_connections(database_url: str) -> None:
    found = findings(env=f"DATABASE_URL={database_url}\nWEB_CONCURRENCY=2\nDATABASE_CONNECTIONS=8\n")

    told = of(found, "database", "ok")
    assert "answers." in told
    assert f"Its tables have number {NUMBER}; this version needs {NUMBER}." in told
    assert "= 1 x 2 x 8 = 16; the server allows 197, of which " in told
    assert "0 sessions" in of(found, "sessions", "ok")
    assert "There is no shop.toml" in of(found, "messages", "ok")
    cell = open_storage(database_url, 1).cell("shop")
    cell.update(lambda _before: b'name = "A shop"\n[[fact]]\n')
    cell.close()
    assert "the published file, line 2: " in of(findings(), "messages", "fault")
    assert "1000 x 2 x 8 = 16000; the server allows 197: lower" in of(
        findings("--instances", "1000"), "database", "fault"
    )


def test_database_without_tables_or_without_an_answer_is_a_fault(postgres: PostgresAddress) -> None:
    postgres.execute("CREATE SCHEMA IF NOT EXISTS doctor_without_tables")
    told = of(findings(env=f"DATABASE_URL={postgres.url('doctor_without_tables')}\n"), "database", "fault")
    assert told == f"The database has no tables, and this version needs number {NUMBER}: run `flask sessions migrate`."
    found = findings(env=f"DATABASE_URL={NOBODY_LISTENS}\n")
    assert "Check DATABASE_URL, and that the server may be reached from here." in of(found, "database", "fault")
    assert SECRET not in str(found)
