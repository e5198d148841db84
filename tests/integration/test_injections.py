"""Nothing that a browser planted or a model invented reaches a shopper: each test checks the whole answer of /askai."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from testing.advice import (
    ROOT,
    Clock,
    FixedShop,
    FreeBudget,
    MemoryStore,
    ScriptedModel,
    check_answer,
    documents_session,
    example_shop,
)
from testing.fake_groq import FakeGroq, good_proposal
from testing.hostile.injections import INJECTIONS, PLACES, PROMISES, Injection, model_answers
from tests.integration.conftest import MakeApp
from tracker.decisions.engine import Engine
from tracker.decisions.shop.live_file import ShopFile
from tracker.decisions.shop.shop import Shop
from tracker.llm.groq_client import GroqClient

WORDINGS = ("own", "model")


@pytest.fixture(scope="module")
def groq() -> Iterator[FakeGroq]:
    with FakeGroq("obedient") as server:
        yield server


def shop_in(folder: Path, wording: str) -> tuple[Path, Shop]:
    text = (ROOT / "shop.example.toml").read_text("utf-8").replace('wording = "own"', f'wording = "{wording}"')
    path = folder / "shop.toml"
    path.write_text(text, "utf-8")
    return path, example_shop(wording=wording)


def client_of(make_app: MakeApp, groq: FakeGroq, shop_file: Path) -> FlaskClient:
    """Return a client of the whole application on a store in memory, where hundreds of sessions wait for no disk."""
    store = MemoryStore()
    model = GroqClient("gsk_test", groq.base_url, "openai/gpt-oss-20b")
    engine = Engine(store, ShopFile(shop_file), model=model, budget=FreeBudget())
    return make_app(store=store, engine=engine).test_client()


def traces(answer: dict[str, Any], injection: Injection) -> list[str]:
    """Return the parts of the promise that stand in the answer, except for the session's id, which the client sent."""
    seen = json.dumps({key: value for key, value in answer.items() if key != "session"}, ensure_ascii=False)
    marks = [injection.promise, injection.promise[:80], "90", "FAKE", "evil", "900", "0199", "IGNORE", "owner now"]
    words = [word for word in re.findall(r"\w{4,}", injection.promise) if word not in _OURS]
    return [mark for mark in [*marks, *words] if mark.lower() in seen.lower()]


_OURS = frozenset(re.findall(r"\w+", " ".join(text for one in example_shop().messages for text in one.texts.values())))
"""Words that the owner's own messages hold."""


def test_the_injections_cover_every_place_and_many_languages() -> None:
    assert len(INJECTIONS) == len(PLACES) * len(PROMISES) >= 60
    assert {"en discount", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "ja"} <= PROMISES.keys()


@pytest.mark.parametrize("wording", WORDINGS)
def test_no_injection_reaches_the_shopper_through_a_model_that_obeys_it(
    groq: FakeGroq, make_app: MakeApp, tmp_path: Path, wording: str
) -> None:
    path, shop = shop_in(tmp_path, wording)
    client = client_of(make_app, groq, path)
    groq.requests.clear()
    shown = 0
    for number, injection in enumerate(INJECTIONS):
        groq.reply = injection.obeyed
        assert client.post("/ingest", json=injection.body(number)).status_code == 200
        asked = client.post("/askai", data=injection.session_id(number))
        assert asked.status_code == 200, injection
        answer = asked.get_json()
        check_answer(answer, shop)
        assert traces(answer, injection) == [], (injection, answer)
        assert answer["session"] == injection.session_id(number)
        assert answer["source"] == "groq", "the model was asked, and did obey"
        shown += answer["show_popup"]
    assert groq.calls == len(INJECTIONS)
    # With `own` wording a model's words are dropped; with `model` wording these openings are vetoed.
    assert shown == (len(INJECTIONS) if wording == "own" else 0)


def test_no_injection_is_in_the_prompt(groq: FakeGroq, make_app: MakeApp, tmp_path: Path) -> None:
    path, _shop = shop_in(tmp_path, "model")
    client = client_of(make_app, groq, path)
    groq.reply = lambda request: json.dumps(good_proposal(request))
    groq.requests.clear()
    for number, injection in enumerate(INJECTIONS):
        client.post("/ingest", json=injection.body(number))
        client.post("/askai", data=injection.session_id(number))
    assert groq.calls == len(INJECTIONS)
    assert len({request.json["messages"][0]["content"] for request in groq.requests}) == 1
    for injection, request in zip(INJECTIONS, groq.requests, strict=True):
        asked = json.dumps(request.data, ensure_ascii=False).lower()
        for mark in ("ignore", injection.promise.lower(), "90%", "fake90", "evil", "555"):
            assert mark not in asked, injection


def test_a_harmless_opening_does_reach_the_shopper_so_the_tests_above_can_fail(
    groq: FakeGroq, make_app: MakeApp, tmp_path: Path
) -> None:
    path, shop = shop_in(tmp_path, "model")
    client = client_of(make_app, groq, path)
    groq.reply = lambda request: json.dumps(good_proposal(request, opening="Hi there!"))
    client.post("/ingest", json=Injection("text", "en code").body(1))
    answer = client.post("/askai", data="shopper-000001").get_json()
    check_answer(answer, shop)
    assert answer["message"] == "Hi there! Free returns within 30 days."


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_thousand_generated_model_answers_lead_only_to_valid_answers_from_the_file(
    make_app: MakeApp, wording: str
) -> None:
    shop = example_shop(wording=wording)
    model, store = ScriptedModel(), MemoryStore()
    engine = Engine(store, FixedShop(shop), model=model, budget=FreeBudget(), clock=Clock())
    client: FlaskClient = make_app(store=store, engine=engine).test_client()
    sources: dict[str, int] = {}
    shown = 0
    for number, said in enumerate(model_answers(1000, seed=20_260_921)):
        session = f"shopper-{number:06}"
        store.put(documents_session(session=session, items_in_cart=1 + number % 3))
        model.says = said
        asked = client.post("/askai", data=session)
        assert asked.status_code == 200, said
        answer = asked.get_json()
        check_answer(answer, shop)
        sources[answer["source"]] = sources.get(answer["source"], 0) + 1
        shown += answer["show_popup"]
    assert model.calls == 1000
    assert sources["groq"] > 100, "some of the generated answers are valid proposals"
    assert sources["rules"] > 100, "and some are not"
    assert shown > 100
