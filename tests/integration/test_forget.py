"""POST /forget: what a visit left behind is erased when its shopper withdraws consent."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tracker.app import create_app
from tracker.config import load_config

SESSION = "af4bac4d-077a-4756-91d0-fa2570fd206f"
REPORT = {"session": SESSION, "events": {"/": [{"type": "view", "ts": 1712345690000}]}}


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "sessions.json"


@pytest.fixture
def client(storage: Path) -> FlaskClient:
    settings = {"TRACKER_STORAGE_FILE": str(storage), "ALLOWED_ORIGINS": "https://shop.example"}
    return create_app(load_config(settings)).test_client()


def test_a_forgotten_visit_is_in_no_answer(client: FlaskClient) -> None:
    assert client.post("/ingest", json=REPORT).status_code == 200
    answer = client.post("/forget", data=SESSION, content_type="text/plain")

    assert (answer.status_code, answer.json) == (200, {"ok": True})
    assert client.post("/askai", data=SESSION).status_code == 404


def test_the_answer_does_not_tell_whether_there_was_such_a_visit(client: FlaskClient) -> None:
    client.post("/ingest", json=REPORT)
    known = client.post("/forget", data=SESSION)
    unknown = client.post("/forget", data="never-heard-of-this-one")

    assert (known.status_code, known.data) == (unknown.status_code, unknown.data)


def test_other_visits_stay(client: FlaskClient) -> None:
    client.post("/ingest", json=REPORT)
    client.post("/ingest", json=REPORT | {"session": "another-visit"})
    client.post("/forget", data=SESSION)

    assert client.post("/askai", data="another-visit").status_code == 200


@pytest.mark.parametrize(("body", "status"), [(b"", 422), (b"short", 422), (b":colon-first", 422), (b"\xff" * 20, 422)])
def test_what_is_no_session_id_is_refused(client: FlaskClient, body: bytes, status: int) -> None:
    assert client.post("/forget", data=body).status_code == status


def test_only_pages_of_the_shop_may_ask_for_it(client: FlaskClient) -> None:
    client.post("/ingest", json=REPORT)
    foreign = client.post("/forget", data=SESSION, headers={"Origin": "https://other.example"})
    own = client.post("/forget", data=SESSION, headers={"Origin": "https://shop.example"})

    assert (foreign.status_code, own.status_code) == (403, 200)
    assert own.headers["Access-Control-Allow-Origin"] == "https://shop.example"
