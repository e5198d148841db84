"""Nothing that a browser planted or a model invented reaches a shopper: the whole answer of /askai is looked at."""

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
    FreeAllowance,
    MemoryStore,
    ScriptedModel,
    check_answer,
    documents_session,
    example_shop,
)
from testing.fake_groq import FakeGroq, good_choice
from testing.injections import INJECTIONS, PLACES, PROMISES, Injection, model_answers
from tests.integration.conftest import MakeApp
from tracker.decisions.engine import Advisor
from tracker.decisions.messages import Shop
from tracker.decisions.shop_file import ShopFile
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
    """Make the whole application around a store in memory: hundreds of sessions would wait for a disk's flushes."""
    store = MemoryStore()
    model = GroqClient("gsk_test", groq.base_url, "openai/gpt-oss-20b")
    advisor = Advisor(store, ShopFile(shop_file), model=model, allowance=FreeAllowance())
    return make_app(store=store, advisor=advisor).test_client()


def traces(answer: dict[str, Any], injection: Injection) -> list[str]:
    """Give what of the promise stands in the answer, but for the session's id, which the asker sent."""
    seen = json.dumps({key: value for key, value in answer.items() if key != "session"}, ensure_ascii=False)
    marks = [injection.promise, injection.promise[:80], "90", "FAKE", "evil", "900", "0199", "IGNORE", "owner now"]
    words = [word for word in re.findall(r"\w{4,}", injection.promise) if word not in _OURS]
    return [mark for mark in [*marks, *words] if mark.lower() in seen.lower()]


_OURS = frozenset(re.findall(r"\w+", " ".join(text for one in example_shop().sentences for text in one.texts.values())))
"""Words that the owner's sentences hold themselves."""


def test_there_are_enough_injections_in_every_place_and_in_many_languages() -> None:
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
    # Where the owner's words are all that is shown, what a model adds is lost; where it may add, it is vetoed.
    assert shown == (len(INJECTIONS) if wording == "own" else 0)


def test_what_was_planted_is_not_even_in_the_question(groq: FakeGroq, make_app: MakeApp, tmp_path: Path) -> None:
    path, _shop = shop_in(tmp_path, "model")
    client = client_of(make_app, groq, path)
    groq.reply = lambda request: json.dumps(good_choice(request))
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


def test_an_innocent_opening_does_reach_the_shopper_so_the_tests_above_test_something(
    groq: FakeGroq, make_app: MakeApp, tmp_path: Path
) -> None:
    path, shop = shop_in(tmp_path, "model")
    client = client_of(make_app, groq, path)
    groq.reply = lambda request: json.dumps(good_choice(request, opening="Hi there!"))
    client.post("/ingest", json=Injection("text", "en code").body(1))
    answer = client.post("/askai", data="shopper-000001").get_json()
    check_answer(answer, shop)
    assert answer["message"] == "Hi there! Free returns within 30 days."


@pytest.mark.parametrize("wording", WORDINGS)
def test_of_a_thousand_generated_model_answers_every_answer_is_valid_and_says_only_what_the_file_holds(
    make_app: MakeApp, wording: str
) -> None:
    shop = example_shop(wording=wording)
    model, store = ScriptedModel(), MemoryStore()
    advisor = Advisor(store, FixedShop(shop), model=model, allowance=FreeAllowance(), clock=Clock())
    client: FlaskClient = make_app(store=store, advisor=advisor).test_client()
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
    assert sources["groq"] > 100, "some of what was generated is a choice"
    assert sources["rules"] > 100, "and some is not"
    assert shown > 100
