"""The environment: .env below the variables of the process; each fault and doubt is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from testing.reference import DEFAULTS
from tracker.config import ConfigError, load_config
from tracker.environment import SERVER_SETTINGS, Environment, doubts, faults, read_environment


def read(tmp_path: Path, text: str, **process: str) -> Environment:
    (tmp_path / ".env").write_text(text, "utf-8")
    return read_environment(tmp_path / ".env", process)


def test_missing_file_sets_nothing(tmp_path: Path) -> None:
    found = read_environment(tmp_path / ".env", {"PORT": "8001", "HOST": " "})

    assert found == Environment({"PORT": "8001"}, {})
    assert faults(found) == doubts(found) == []


def test_example_file_with_every_line_set_has_no_fault_and_no_doubt(tmp_path: Path) -> None:
    found = read(tmp_path, "".join(f"{name}={default}\n" for name, default in DEFAULTS.items()))

    assert faults(found) == doubts(found) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# PORT=1\n\nPORT=80a\n", "PORT must be a whole number from 1 to 65535, not '80a' (.env line 3)."),
        ("PORT=8000\nPORT=0\n", "PORT must be a whole number from 1 to 65535, not '0' (.env line 2)."),
        ("export WEB_CONCURRENCY=two", "WEB_CONCURRENCY must be a whole number from 1 to 64, not 'two' (.env line 1)."),
        ("HOST=localhost:8000", "such as 127.0.0.1 or 0.0.0.0, not 'localhost:8000' (.env line 1)."),
        ("HOST=http://0.0.0.0", "such as 127.0.0.1 or 0.0.0.0, not 'http://0.0.0.0' (.env line 1)."),
        ("DEMO_SHOP=yes", "DEMO_SHOP must be on or off, not 'yes' (.env line 1)."),
        ("\ufeffDEMO_SHOP=yes", "(.env line 1)."),
        ("A='two\nlines'\nDEMO_SHOP=yes", "(.env line 3)."),
    ],
)
def test_fault_names_the_value_and_its_line(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = faults(read(tmp_path, text))

    assert found.endswith(fault)


def test_value_of_the_process_counts_and_is_said_to_be_there(tmp_path: Path) -> None:
    assert faults(read(tmp_path, "PORT=x", PORT="8000")) == []
    (found,) = faults(read(tmp_path, "PORT=8000", PORT="x"))
    assert found.endswith("not 'x' (the environment).")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    assert len(faults(read(tmp_path, "PORT=x\nDEMO_SHOP=x\nHOLDOUT_PERCENT=x\n"))) == 3


def test_secret_is_not_repeated(tmp_path: Path) -> None:
    (found,) = faults(read(tmp_path, "ADMIN_TOKEN=hunter2"))

    assert "hunter2" not in found
    assert "ADMIN_TOKEN" in found


def test_fault_is_found_wherever_the_service_refuses_to_start(tmp_path: Path) -> None:
    wrong = {name: "\x07" for name in DEFAULTS if name not in SERVER_SETTINGS}
    for name, value in wrong.items():
        environment = read_environment(tmp_path / ".env", {name: value})
        try:
            load_config(environment.values)
        except ConfigError:
            assert len(faults(environment)) == 1, name
        else:
            assert faults(environment) == [], name


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        (
            "ALLOWED_ORIGIN=https://a.example",
            "ALLOWED_ORIGIN is no setting, so it has no effect (.env line 1). Do you mean ALLOWED_ORIGINS?",
        ),
        ("groq_api_key=x", "groq_api_key is no setting, so it has no effect (.env line 1). Do you mean GROQ_API_KEY?"),
        ("\nSHOP_COLOUR=red", "SHOP_COLOUR is no setting, so it has no effect (.env line 2)."),
        ("PORT=8000\nGROQ_API_KEY gsk_abc", ".env line 2 is not a setting: a setting is written NAME=value."),
        ("ADMIN_TOKEN", ".env line 1 is not a setting: a setting is written NAME=value."),
    ],
)
def test_line_without_effect_is_told(tmp_path: Path, text: str, doubt: str) -> None:
    assert doubts(read(tmp_path, text)) == [doubt]


@pytest.mark.parametrize("name", ["FLASK_DEBUG", "DOMAIN", "GUNICORN_CMD_ARGS"])
def test_names_that_other_programs_read_are_no_doubt(tmp_path: Path, name: str) -> None:
    assert doubts(read(tmp_path, f"{name}=1")) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "fe80::1%eth0", "localhost", "my-host.example"])
def test_addresses_to_listen_on(tmp_path: Path, host: str) -> None:
    assert faults(read(tmp_path, f"HOST={host}")) == []
