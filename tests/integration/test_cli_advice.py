"""The owner's commands about decisions: flask explain, flask backtest, flask ask."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from testing.fake_groq import FakeGroq
from testing.gunicorn_server import ROOT
from tests.integration.conftest import MakeApp
from tracker.app import now_ms

FREE_RETURNS = "Free returns within 30 days."
OFFER = "10% off your first order with the code WELCOME10."


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "shop.example.toml", tmp_path / "shop.toml"))


@pytest.fixture
def app(make_app: MakeApp, shop_file: Path) -> Flask:
    return make_app(shop_file=shop_file)


def run(app: Flask, *arguments: object, expect: int = 0) -> Result:
    result = app.test_cli_runner().invoke(args=[str(argument) for argument in arguments])
    assert result.exit_code == expect, result.output
    return result


def lines(app: Flask, *arguments: object) -> list[Any]:
    return [json.loads(line) for line in run(app, *arguments, "--json").stdout.splitlines()]


def visit(app: Flask, session: str, items: int, times: dict[str, int], *events: tuple[str, int, str]) -> None:
    """Post the events (page, seconds ago, type) of a visit, then ask about it."""
    now = now_ms()
    by_page: dict[str, list[dict[str, Any]]] = {}
    for page, ago, kind in events:
        by_page.setdefault(page, []).append({"type": kind, "ts": now - ago * 1000})
    body = {"session": session, "itemsInCart": items, "timeOnPage": times, "events": by_page, "sentAt": now}
    client = app.test_client()
    assert client.post("/ingest", json=body).json == {"ok": True, "saved": True}
    assert client.post("/askai", data=session).status_code == 200


def test_explain_prints_the_story_of_a_visit_and_its_decision(app: Flask) -> None:
    visit(app, "bouncer-0001", 0, {"/": 4_000}, ("/", 5, "view"))
    bouncer = run(app, "explain", "bouncer-0001").stdout
    assert "looked at one page: 1 event on 1 page in 4 s, 0 in the cart" in bouncer
    assert "showed nothing (no need to think: too_early)" in bouncer

    visit(app, "browser-0001", 0, {"/": 9_000, "/products/ash-vase": 55_000}, ("/", 70, "view"), ("/", 60, "scroll"))
    browser = run(app, "explain", "browser-0001").stdout
    assert "Most looked at: product ash-vase." in browser
    assert "because: Nothing in the cart after 64 s: still looking around." in browser

    twice = [("/cart", 80, "view"), ("/cart", 20, "view")]
    visit(app, "hesitator-01", 3, {"/cart": 90_000}, *twice)
    hesitator = run(app, "explain", "hesitator-01").stdout
    assert "They hesitate" in hesitator
    undrawn = "but no browser reported that it was drawn"
    assert f'decided for "{OFFER}", {undrawn} (by the local rules: hesitation)' in hesitator

    visit(
        app, "buyer-000001", 0, {"/cart": 60_000}, ("/cart", 60, "add_to_cart"), ("/checkout", 5, "checkout_completed")
    )
    buyer = run(app, "explain", "buyer-000001").stdout
    assert "This shopper bought" in buyer
    assert "because: The order is placed." in buyer

    visit(app, "leaver-00001", 7, {"/cart": 133_000}, ("/cart", 60, "view"))
    visit(app, "leaver-00001", 7, {}, ("/cart", 0, "popup_shown"), ("/cart", 0, "popup_dismissed"))
    leaver = run(app, "explain", "leaver-00001").stdout
    assert f'showed "{FREE_RETURNS}"' in leaver
    assert "Popups seen: 1, closed: 1, clicked: 0." in leaver

    (facts,) = lines(app, "explain", "leaver-00001")
    assert facts["decisions"]["entries"][0]["show"] is True


def test_explain_prints_the_models_proposal_its_cost_and_its_failures(make_app: MakeApp, shop_file: Path) -> None:
    with FakeGroq() as groq:
        settings: dict[str, Any] = {"shop_file": shop_file, "groq_api_key": "key", "groq_base_url": groq.base_url}
        app = make_app(**settings, model_cool_down=0)
        visit(app, "answered-001", 3, {"/cart": 90_000}, ("/cart", 80, "view"))
        groq.mode = "500"
        visit(app, "failed-00001", 3, {"/cart": 90_000}, ("/cart", 80, "view"))

    answered = run(app, "explain", "answered-001").stdout
    assert "(by the model: items_in_cart)" in answered
    assert "the model (openai/gpt-oss-20b) picked free-returns:" in answered
    assert "696 tokens, with prompt" in answered
    assert "the rules decided, for the model could not be reached" in run(app, "explain", "failed-00001").stdout


def test_explain_of_a_session_that_nobody_asked_about_and_of_an_unknown_one(app: Flask) -> None:
    app.test_client().post("/ingest", json={"session": "unasked-0001", "events": {"/": [{"type": "view", "ts": 1}]}})
    assert "Nobody asked yet" in run(app, "explain", "unasked-0001").stdout
    assert (
        "No session nobody-0001 is stored; `flask sessions list`" in run(app, "explain", "nobody-0001", expect=1).stderr
    )


def test_backtest_prints_what_another_file_would_change_and_stores_nothing(app: Flask, shop_file: Path) -> None:
    visit(app, "in-cart-0001", 7, {"/cart": 133_000}, ("/cart", 60, "view"))
    visit(app, "bouncer-0001", 0, {"/": 4_000}, ("/", 5, "view"))
    before = [run(app, "sessions", "show", name, "--json").stdout for name in ("in-cart-0001", "bouncer-0001")]
    assert "0 of 2 decisions would be different." in run(app, "backtest").stdout

    shop_file.write_text(shop_file.read_text("utf-8").replace('id = "free-returns"', 'id = "returns"'), "utf-8")
    printed = run(app, "backtest").stdout
    assert "show free-returns  ->  show returns" in printed
    assert "1 time returns instead of free-returns\n1 of 2 decisions would be different." in printed
    changed = {one["session"]: one["changed"] for one in lines(app, "backtest")}
    assert changed == {"in-cart-0001": True, "bouncer-0001": False}
    assert [one["session"] for one in lines(app, "backtest", "--limit", 1)] == ["bouncer-0001"]
    assert [run(app, "sessions", "show", name, "--json").stdout for name in ("in-cart-0001", "bouncer-0001")] == before


def test_backtest_asks_the_model_only_with_ask(make_app: MakeApp, shop_file: Path) -> None:
    with FakeGroq() as groq:
        app = make_app(shop_file=shop_file, groq_api_key="key", groq_base_url=groq.base_url)
        visit(app, "in-cart-0001", 7, {"/cart": 133_000}, ("/cart", 60, "view"))
        assert groq.calls == 1
        run(app, "backtest")
        assert groq.calls == 1
        run(app, "backtest", "--ask")
        assert groq.calls == 2


def test_replay_is_backtest_by_its_name_of_1_0_0_with_a_note(app: Flask) -> None:
    visit(app, "in-cart-0001", 7, {"/cart": 133_000}, ("/cart", 60, "view"))
    for more in ([], ["--json"]):
        by_old_name, by_new_name = run(app, "replay", *more), run(app, "backtest", *more)
        assert by_old_name.stdout == by_new_name.stdout
        assert by_old_name.stderr == "Note: `flask replay` is called `flask backtest` now.\n"
        assert by_new_name.stderr == ""


def test_explain_passes_over_damaged_decisions_and_says_so(app: Flask, make_app: MakeApp, tmp_path: Path) -> None:
    visit(app, "in-cart-0001", 7, {"/cart": 133_000}, ("/cart", 60, "view"))
    sessions = json.loads((tmp_path / "sessions.json").read_bytes())
    sessions["in-cart-0001"]["decisions"]["entries"].insert(0, {"at": "yesterday"})
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(sessions), "utf-8")
    story = run(make_app(storage_file=edited), "explain", "in-cart-0001").stdout
    assert "Left out: 1 decision in this session's log that cannot be read." in story
    assert f'decided for "{FREE_RETURNS}"' in story


def test_ask_uses_up_none_of_the_shoppers_popups(app: Flask) -> None:
    body = {"session": "in-cart-0001", "itemsInCart": 7, "timeOnPage": {"/cart": 133_000}}
    app.test_client().post("/ingest", json=body)
    for _ in range(3):
        assert f"show: {FREE_RETURNS}" in run(app, "ask", "in-cart-0001").stdout
    answer = app.test_client().post("/askai", data="in-cart-0001").json
    assert answer is not None
    assert answer["show_popup"] is True
