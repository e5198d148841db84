"""An update from 1.0.0: its session file, budget, export and settings keep every promise that 1.0.0 made with them.

The samples were written by 1.0.0 itself; tests/samples/1.0.0/README.md describes them. Their times are moved to the
minutes before the test, as if the update happened now.
"""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from flask import Flask

from testing.gunicorn_server import ROOT, GunicornServer
from tests.integration.conftest import ADMIN_TOKEN, MakeApp
from tracker.config import load_config
from tracker.durable.cell import FileCell
from tracker.environment import SERVER_SETTINGS
from tracker.llm.budget import BudgetRefusedError, DailyLimits
from tracker.llm.shared_budget import SharedBudget

SAMPLES = ROOT / "tests" / "samples" / "1.0.0"
SHOP_FILE = ROOT / "tests" / "samples" / "shop-1.0.0.toml"
PUBLIC = ("session", "itemsInCart", "timeOnPage", "events", "updatedAt")
"""What GET /sessions/<id> answers of a record."""


def moved_to_now(name: str) -> str:
    """Return a sample whose times, in milliseconds, are moved so that the latest one was a minute ago."""
    text = (SAMPLES / name).read_text("utf-8")
    time_ms = re.compile(r"\b1795\d{9}\b")
    delta = round(time.time() * 1000) - 60_000 - max(map(int, time_ms.findall(text)))
    return time_ms.sub(lambda match: str(int(match[0]) + delta), text)


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    file = tmp_path / "sessions.json"
    file.write_text(moved_to_now("sessions.json"), "utf-8")
    return file


@pytest.fixture
def old(old_file: Path) -> dict[str, Any]:
    """The records of the old file, by session id; that of a deleted session is None."""
    records: dict[str, Any] = json.loads(old_file.read_text("utf-8"))
    return records


@pytest.fixture
def app(make_app: MakeApp, old_file: Path) -> Flask:
    return make_app(storage_file=old_file, shop_file=SHOP_FILE)


def run(app: Flask, *arguments: str) -> str:
    result = app.test_cli_runner().invoke(args=list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def owner_reads(app: Flask, session: str) -> Any:
    return app.test_client().get(f"/sessions/{session}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).json


def public(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in PUBLIC}


# --- The session file -------------------------------------------------------------------------------------------------


def test_real_service_opens_the_file_and_changes_no_byte_of_what_is_in_it(old_file: Path, tmp_path: Path) -> None:
    before = old_file.read_bytes()
    with GunicornServer(tmp_path, env={"ADMIN_TOKEN": ADMIN_TOKEN}) as server, server.client() as client:
        assert client.get("/health").json()["status"] == "healthy"
        assert client.post("/ingest", {"session": "new-0000-0001"}).json()["saved"] is True

    assert old_file.read_bytes().startswith(before.removesuffix(b"\n}"))
    assert sorted(path.name for path in tmp_path.glob("sessions.json.*-*")) == [], "nothing is put into quarantine"


def test_every_visit_is_answered_as_it_was(app: Flask, old: dict[str, Any]) -> None:
    kept = {name: record for name, record in old.items() if record is not None}

    assert len(kept) >= 7
    assert {name: public(owner_reads(app, name)) for name in kept} == {
        name: public(record) for name, record in kept.items()
    }


def test_deleted_visit_stays_deleted(app: Flask) -> None:
    assert owner_reads(app, "gone-0000-0001")["error"]["code"] == "unknown_session"


def test_report_that_1_0_0_has_stored_adds_nothing_when_it_is_sent_again(app: Flask, old: dict[str, Any]) -> None:
    client = app.test_client()
    for name in ("rules-0000-0001", "buyer-0000-0001", "words-0000-0001"):
        record = old[name]
        body = {
            "session": name,
            "itemsInCart": record["itemsInCart"],
            "timeOnPage": record["timeOnPage"],
            "events": record["events"],
            "sentAt": record["merge"]["cartClock"],
        }
        assert client.post("/ingest", json=body).json == {"ok": True, "saved": True}
        after = owner_reads(app, name)
        for key in ("events", "timeOnPage", "itemsInCart"):
            assert after[key] == record[key], (name, key)


def test_envelope_that_1_0_0_has_counted_is_not_counted_again(app: Flask, old: dict[str, Any]) -> None:
    record = old["envelope-0000-0001"]
    clock = record["merge"]["cartClock"]
    state = {
        "session": "envelope-0000-0001",
        "itemsInCart": 3,
        "timeOnPage": {"/cart": 9.5},
        "events": {"/cart": [{"type": "view", "ts": record["events"]["/cart"][0]["ts"] / 1000}]},
    }
    envelope = {"reason": "interval", "ts": clock / 1000, "session": "envelope-0000-0001", "state": state}
    assert app.test_client().post("/ingest", json=envelope).status_code == 200

    after = owner_reads(app, "envelope-0000-0001")
    assert after["events"] == record["events"]


# --- Decisions --------------------------------------------------------------------------------------------------------


def test_popup_that_was_dismissed_before_the_update_counts_after_it(app: Flask) -> None:
    answer = app.test_client().post("/askai", data="rules-0000-0001").get_json()

    assert (answer["show_popup"], answer["source"], answer["trigger"]) == (False, "gate", "dismissed")


@pytest.mark.parametrize(
    ("session", "said"),
    [
        ("rules-0000-0001", "Free returns within 30 days."),
        ("groq-0000-0001", "Free returns within 30 days."),
        ("withheld-0000-0001", "holdout"),
    ],
)
def test_decisions_of_1_0_0_are_told_in_the_story_of_their_visit(app: Flask, session: str, said: str) -> None:
    assert said in run(app, "explain", session)


def test_backtest_judges_decisions_of_1_0_0(app: Flask) -> None:
    assert run(app, "backtest")


def test_calls_to_the_model_that_were_spent_before_the_update_are_spent(tmp_path: Path) -> None:
    spent = json.loads((SAMPLES / "allowance.json").read_text("utf-8"))
    assert spent["calls"] == 1
    (tmp_path / "sessions.json.allowance").write_text(json.dumps(spent), "utf-8")
    cell = FileCell(tmp_path / "sessions.json.allowance")
    that_day = round(datetime.fromisoformat(f"{spent['day']}T12:00:00+00:00").timestamp() * 1000)

    with pytest.raises(BudgetRefusedError):
        SharedBudget(cell, DailyLimits(calls=1, tokens=1_000_000)).reserve(1000, that_day)
    SharedBudget(cell, DailyLimits(calls=2, tokens=1_000_000)).reserve(1000, that_day)


# --- The owner's files ------------------------------------------------------------------------------------------------


def test_export_of_1_0_0_is_imported_whole_and_only_once(
    make_app: MakeApp, tmp_path: Path, old: dict[str, Any]
) -> None:
    export = tmp_path / "export.ndjson"
    export.write_text(moved_to_now("export.ndjson"), "utf-8")
    app = make_app(storage_file=tmp_path / "empty.json")
    kept = {name for name, record in old.items() if record is not None}

    assert f"{len(kept)} session" in run(app, "sessions", "import", str(export))
    run(app, "sessions", "import", str(export))
    listed = [json.loads(line)["session"] for line in run(app, "sessions", "list", "--json").splitlines()]
    assert sorted(listed) == sorted(kept)


def test_settings_of_1_0_0_are_known_and_their_values_accepted() -> None:
    settings = {name: value or "" for name, value in dotenv_values(SAMPLES / "env").items()}

    assert len(settings) > 20
    config = load_config({name: value for name, value in settings.items() if name not in SERVER_SETTINGS})
    assert str(config.storage_file) == "tracker_storage.json"
    assert config.max_session_events == 5000
