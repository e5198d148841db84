"""The preview of a message: the owner sees it as shoppers would, and nothing is decided, recorded or counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from testing.fake_groq import FakeGroq
from tracker.app import create_app
from tracker.config import load_config

SHOP = """
name = "Linden"
languages = ["en", "de"]

[[facts]]
id = "free-returns"
text = { en = "Returns are free.", de = "Rückgabe ist kostenlos." }
opens = "/policies/refund-policy"
button = { en = "How returns work", de = "So geht die Rückgabe" }

[[offers]]
id = "long-ago"
text = { en = "10 % off with SECRET.", de = "10 % Rabatt mit SECRET." }
code = "SECRET"
until = 2020-01-01
"""


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "sessions.json"


@pytest.fixture
def client(tmp_path: Path, storage: Path) -> FlaskClient:
    (tmp_path / "shop.toml").write_text(SHOP, "utf-8")
    settings = {"TRACKER_STORAGE_FILE": str(storage), "TRACKER_SHOP_FILE": str(tmp_path / "shop.toml")}
    settings |= {"ALLOWED_ORIGINS": "https://shop.example"}
    return create_app(load_config(settings)).test_client()


def preview(client: FlaskClient, message: Any, language: str = "en", origin: str = "https://shop.example") -> Any:
    body = {"session": "previewing", "preview": message, "language": language}
    return client.post("/askai", json=body, headers={"Origin": origin})


def test_a_preview_is_answered_as_a_decision_to_show_the_message(client: FlaskClient) -> None:
    answer = preview(client, "free-returns", "de-CH")

    assert answer.status_code == 200
    assert answer.json["show_popup"] is True
    assert (answer.json["message_id"], answer.json["message"]) == ("free-returns", "Rückgabe ist kostenlos.")
    assert answer.json["action"]["opens"] == "/policies/refund-policy"
    assert answer.json["words"]["close"] == "Schließen"
    assert answer.json["delay_ms"] == 0


@pytest.mark.parametrize("message", ["never-heard-of", "long-ago"])
def test_only_a_message_that_may_be_shown_today_has_a_preview(client: FlaskClient, message: str) -> None:
    answer = preview(client, message)

    assert (answer.status_code, answer.json["error"]["code"]) == (404, "unknown_message")
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("message", ["", None, 5, ["free-returns"], {"id": "free-returns"}])
def test_what_is_no_id_is_no_preview(client: FlaskClient, message: Any) -> None:
    assert preview(client, message).json["error"]["code"] == "unknown_session"


def test_a_preview_leaves_nothing_behind(client: FlaskClient, storage: Path) -> None:
    preview(client, "free-returns")

    assert not storage.exists() or b"previewing" not in storage.read_bytes()


def test_a_preview_asks_no_model(tmp_path: Path, storage: Path) -> None:
    (tmp_path / "shop.toml").write_text(SHOP, "utf-8")
    with FakeGroq() as groq:
        settings = {"TRACKER_STORAGE_FILE": str(storage), "TRACKER_SHOP_FILE": str(tmp_path / "shop.toml")}
        settings |= {"GROQ_API_KEY": "made-up", "GROQ_BASE_URL": groq.base_url}
        client = create_app(load_config(settings)).test_client()
        answer = preview(client, "free-returns")

        assert answer.json["message"] == "Returns are free."
        assert groq.calls == 0


def test_pages_of_other_sites_get_no_preview(client: FlaskClient) -> None:
    assert preview(client, "free-returns", origin="https://other.example").status_code == 403
