"""Gunicorn's settings: their fixed values, and those from the environment."""

from __future__ import annotations

import ast
import logging
import os
import re
import resource
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import KNOWN_SETTINGS, Config

from tracker.durable import blocking

ROOT = Path(__file__).resolve().parents[2]
MODEL_DEADLINE = 5


CONF = ROOT / "tracker" / "serving" / "gunicorn_conf.py"


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file, to be read in a folder without .env, so that the developer's own settings have no effect."""
    monkeypatch.chdir(tmp_path)
    return CONF


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name not in {"PATH", "HOME"}:
            monkeypatch.delenv(name)


def load(conf: Path) -> dict[str, Any]:
    return runpy.run_path(str(conf))


def test_every_name_is_a_setting_of_gunicorn() -> None:
    """Gunicorn ignores unknown names, and therefore misspelt ones."""
    known = {setting.name for setting in KNOWN_SETTINGS}
    tree = ast.parse(CONF.read_text("utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    assigned = {target.id for target in targets if isinstance(target, ast.Name)}
    hooks = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    assert {name for name in assigned | hooks if not name.startswith("_")} <= known


def test_file_in_the_checkout_has_the_settings_of_the_package(conf: Path) -> None:
    known = {setting.name for setting in KNOWN_SETTINGS}
    packaged, checkout = load(conf), load(ROOT / "gunicorn.conf.py")

    assert {name for name in packaged if name in known} == {name for name in checkout if name in known}
    assert checkout["bind"] == packaged["bind"]


def test_gunicorn_accepts_every_value(conf: Path) -> None:
    settings = Config()
    for name, value in load(conf).items():
        if name in settings.settings:
            settings.set(name, value)

    assert settings.address == [("127.0.0.1", 8000)]
    assert settings.worker_class.__name__ == "ServiceWorker"
    assert settings.forwarded_allow_ips == []


def test_worker_class_and_sockets_have_their_required_values(conf: Path) -> None:
    values = load(conf)

    assert values["worker_class"] == "tracker.serving.worker.ServiceWorker"
    assert values["reuse_port"] is False, "a reload would reset those who wait in the queue of the worker that ends"
    assert values["keepalive"] == 5
    assert values["control_socket_disable"] is True
    assert values["worker_tmp_dir"] == ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    assert "preload_app" not in values


CONNECTIONS = """
import resource, runpy, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), hard))
print(runpy.run_path(sys.argv[1])["worker_connections"])
"""


@pytest.mark.parametrize(("descriptors", "connections"), [(20_000, 4000), (1024, 896), (100, 16)])
def test_the_number_of_connections_follows_from_the_limit_of_descriptors(
    conf: Path, descriptors: int, connections: int
) -> None:
    """In a process of its own: the one that runs the tests may have more files open than the limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = [sys.executable, "-c", CONNECTIONS, str(conf), str(min(descriptors, hard))]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)

    assert int(done.stdout) == min(connections, max(16, hard - 128))


def test_only_gunicorn_itself_is_patched_by_gevent(conf: Path) -> None:
    """The tests read the file as well, and go on with threads."""
    load(conf)

    assert not blocking.uses_greenlets()


def test_a_shutdown_waits_longer_than_the_model_deadline_and_less_than_ten_seconds(conf: Path) -> None:
    assert MODEL_DEADLINE < load(conf)["graceful_timeout"] < 10


def test_request_line_and_headers_are_limited(conf: Path) -> None:
    values = load(conf)

    assert 0 < values["limit_request_line"] <= 8190
    assert 0 < values["limit_request_fields"] <= 100
    assert 0 < values["limit_request_field_size"] <= 8190


def test_gunicorn_itself_trusts_no_forwarded_header(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    values = load(conf)

    assert values["forwarded_allow_ips"] == ""
    assert values["secure_scheme_headers"] == {}


def test_the_access_log_is_off_and_its_format_has_no_address_or_query(conf: Path) -> None:
    values = load(conf)

    assert values["accesslog"] is None
    assert "logconfig_dict" not in values, "it would switch the access log on"
    # h address, r request line with its query, q query, f referrer, {...} any header or variable
    assert not re.search(r"%\((h|r|q|f|\{.*?)\)", values["access_log_format"])


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (
            "Invalid request from ip=203.0.113.9: Invalid HTTP request line: 'GET /?key=secret'",
            "Invalid HTTP request line",
        ),
        ("Invalid request from ip=2001:db8::9: Invalid HTTP Header: 'secret'", "Invalid HTTP Header"),
        ("Invalid request from ip=203.0.113.9: 9000", "malformed"),
        ("Invalid request from ip=203.0.113.9: Proxy request from '203.0.113.9' not allowed", "Proxy request from"),
    ],
)
def test_a_refused_request_is_logged_without_address_and_content(
    conf: Path, caplog: pytest.LogCaptureFixture, written: str, kind: str
) -> None:
    logger = object.__new__(load(conf)["logger_class"])
    logger.error_log = logging.getLogger("test.refused")

    logger.warning(written)

    assert [record.getMessage().strip() for record in caplog.records] == [f"Refused a request: {kind}"]


def test_other_warnings_are_logged_unchanged(conf: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = object.__new__(load(conf)["logger_class"])
    logger.error_log = logging.getLogger("test.other")

    logger.warning("Worker (pid:%s) was sent %s!", 7, "SIGHUP")

    assert caplog.messages == ["Worker (pid:7) was sent SIGHUP!"]


# --- The environment --------------------------------------------------------------------------------------------------


def test_address_workers_and_log_level_come_from_the_environment(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "0.0.0.0", "PORT": "10000", "WEB_CONCURRENCY": "1", "LOG_LEVEL": "warning"}.items():
        monkeypatch.setenv(name, value)
    values = load(conf)

    assert values["bind"] == "0.0.0.0:10000"
    assert values["workers"] == 1
    assert values["loglevel"] == "warning"


def test_the_environment_overrides_the_env_file(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PORT=9000\nWEB_CONCURRENCY=3\n", "utf-8")
    monkeypatch.setenv("PORT", "9001")
    values = load(conf)

    assert values["bind"] == "127.0.0.1:9001"
    assert values["workers"] == 3
    assert "WEB_CONCURRENCY" not in os.environ


def test_an_empty_variable_takes_its_default(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("WEB_CONCURRENCY", " ")
    values = load(conf)

    assert (values["bind"], values["workers"]) == ("127.0.0.1:8000", 2)


def test_an_ipv6_host_is_written_in_brackets(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "::1")

    assert load(conf)["bind"] == "[::1]:8000"


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "0"), ("PORT", "65536"), ("WEB_CONCURRENCY", "-1"), ("MAX_DEPTH", "deep")],
)
def test_an_invalid_value_stops_the_start_with_one_line_that_names_the_setting(
    conf: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit, match=f"^The service cannot start: {name} must be") as stop:
        load(conf)

    assert "\n" not in str(stop.value)
