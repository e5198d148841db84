"""Whole visits with the example file: what is shown, when, in which language, and what the decision log keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from testing.advice import (
    ANNA,
    LIMITS,
    NOON,
    ROOT,
    Desk,
    FixedShop,
    ScriptedModel,
    check_answer,
    desk,
    documents_session,
    example_shop,
    with_event,
)
from testing.fake_groq import FakeGroq, good_proposal
from tests.integration.conftest import MakeApp
from tracker.decisions.case import Case
from tracker.decisions.decision import Shown, Silence
from tracker.decisions.engine import Engine
from tracker.decisions.holdout.epoch import Epoch, lot_of
from tracker.decisions.holdout.epochs import FixedEpoch
from tracker.decisions.log import entry as entry_module
from tracker.decisions.log.session_log import KEPT
from tracker.decisions.shop.shop import FrequencyCaps, Shop
from tracker.llm.port import ModelTimeoutError
from tracker.sessions.merge import merge_sessions
from tracker.sessions.model import Event, ShopperSession
from tracker.sessions.store import UnknownSessionError
from tracker.storage.json_file import JsonFileStore

FREE_RETURNS = "Free returns within 30 days."
MINUTE = 60_000
DOCUMENT_BODY: dict[str, Any] = {
    "session": ANNA,
    "itemsInCart": 7,
    "timeOnPage": {"/products/xyz": 123456, "/cart": 9876},
    "events": {
        "/": [
            {"type": "view", "ts": 1712345678901},
            {"type": "click", "target": "#add-to-cart", "ts": 1712345680000},
        ],
        "/cart": [{"type": "view", "ts": 1712345690000}],
    },
}


def act(table: Desk, kind: str, page: str = "/cart", **keys: Any) -> None:
    """Store one more act of the shopper, at the clock's time."""
    table.store.update(
        ANNA, lambda stored: with_event(stored or documents_session(), kind, table.clock(), page, **keys)
    )


def ask_over_http(client: FlaskClient) -> Any:
    assert client.post("/ingest", json=DOCUMENT_BODY).status_code == 200
    answer = client.post("/askai", data=ANNA, content_type="text/plain")
    assert answer.status_code == 200
    check_answer(answer.get_json(), example_shop())
    return answer.get_json()


# --- the document's example -------------------------------------------------------------------------------------------


def test_the_rules_show_the_original_documents_session_the_free_returns(make_app: MakeApp) -> None:
    answer = ask_over_http(make_app(shop_file=ROOT / "shop.example.toml").test_client())
    assert (answer["show_popup"], answer["category"], answer["message"]) == (True, "info", FREE_RETURNS)
    assert (answer["source"], answer["trigger"]) == ("rules", "items_in_cart")


@pytest.mark.parametrize("mode", ["good", "failed generation"])
def test_a_model_shows_the_original_documents_session_the_free_returns(make_app: MakeApp, mode: str) -> None:
    with FakeGroq(mode) as groq:
        app = make_app(shop_file=ROOT / "shop.example.toml", groq_api_key="gsk_test", groq_base_url=groq.base_url)
        answer = ask_over_http(app.test_client())
    assert (answer["show_popup"], answer["category"], answer["message"]) == (True, "info", FREE_RETURNS)
    assert (answer["source"], groq.calls) == ("groq", 1)
    assert groq.requests[0].data["may_say"] == ["free-returns", "shipping", "size-advice", "welcome-10", "chat"]


def test_without_a_file_the_original_documents_session_is_only_offered_help(make_app: MakeApp, tmp_path: Path) -> None:
    client = make_app(shop_file=tmp_path / "none.toml").test_client()
    client.post("/ingest", json=DOCUMENT_BODY)
    answer = client.post("/askai", data=ANNA).get_json()
    assert (answer["show_popup"], answer["message"]) == (True, "Would you like to see your cart again?")


def test_the_built_in_help_leads_back_to_the_cart_from_any_other_page() -> None:
    def message_on(page: str) -> str | None:
        table = desk(shop=Shop())
        act(table, "view", page=page, visit=1)
        case = Case.of(table.session(), Shop(), NOON)
        return next((message.id for message in case.messages), None)

    assert message_on("/products/xyz") == "help"
    assert message_on("/cart") is None


def test_a_changed_file_changes_the_answer_without_a_restart(make_app: MakeApp, tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    client = make_app(shop_file=path).test_client()
    path.write_text('name = "X"\n[[facts]]\nid = "a"\ntext = "We weave it here."\n', "utf-8")
    client.post("/ingest", json=DOCUMENT_BODY)
    assert client.post("/askai", data=ANNA).get_json()["message"] == "We weave it here."
    path.write_text("broken = [", "utf-8")
    assert client.post("/askai", data=ANNA).get_json()["message"] == "We weave it here."
    path.write_text('name = "X"\n[[facts]]\nid = "a"\ntext = "We weave it at home."\n', "utf-8")
    again = client.post("/askai", data=ANNA).get_json()
    assert again["message"] in ("", "We weave it at home."), "never what the file no longer says"


# --- frequency caps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [None, good_proposal])
def test_a_busy_shopper_sees_no_more_popups_than_the_caps_allow(
    model: Callable[..., Any] | None,
) -> None:
    table = desk(model=None if model is None else ScriptedModel())
    shown: list[int] = []
    for _ in range(720):
        if isinstance(table.ask(), Shown):
            shown.append(table.clock())
        table.clock.move(seconds=5)
        act(table, "click")
    assert len(shown) == table.shop.shop.caps.popups_per_session == 2
    assert shown[1] - shown[0] >= 10 * MINUTE


def test_a_script_that_asks_every_five_seconds_shows_a_popup_once() -> None:
    table = desk()
    shown = []
    for _ in range(24):
        shown.append(isinstance(table.ask(), Shown))
        table.clock.move(seconds=5)
    assert shown == [True] + [False] * 23


def test_a_lost_answer_can_be_fetched_again_and_counts_once() -> None:
    table = desk()
    first = table.ask()
    table.clock.move(seconds=2)
    second = table.ask()
    assert (second.origin.source, second.fields()) == ("cache", first.fields())
    assert table.log().shown == 1


def test_a_popup_whose_logged_text_is_not_in_the_file_is_not_shown_again() -> None:
    table = desk()
    first = table.ask()
    assert isinstance(first, Shown)
    record = table.session().to_record()
    record["decisions"]["entries"][0]["message"] = "90% off everything today"
    table.store.put(ShopperSession.from_record(record))
    table.clock.move(seconds=2)
    assert "90%" not in table.ask().fields()["message"]


def test_a_decision_about_an_unknown_session_is_an_error_of_the_domain() -> None:
    with pytest.raises(UnknownSessionError):
        desk().ask("nobody-0001")


def test_zero_minutes_between_popups_does_not_repeat_one_popup_for_ever() -> None:
    shop = example_shop(caps=FrequencyCaps(popups_per_session=5, minutes_between=0))
    for model in (None, ScriptedModel()):
        table = desk(shop=shop, model=model)
        shown = 0
        for _ in range(200):
            shown += isinstance(table.ask(), Shown)
            table.clock.move(seconds=10)
            act(table, "click")
        assert 1 <= shown <= 5


def test_a_shopper_who_does_nothing_after_a_popup_sees_no_second_one() -> None:
    for model in (None, ScriptedModel()):
        table = desk(model=model)
        shown = [isinstance(table.ask(), Shown)]
        act(table, "popup_shown")
        for _ in range(60):
            table.clock.move(minutes=1)
            shown.append(isinstance(table.ask(), Shown))
        assert shown.count(True) == 1


@pytest.mark.parametrize(
    ("happens", "trigger"),
    [
        (lambda table: act(table, "popup_dismissed"), "dismissed"),
        (lambda table: act(table, "popup_clicked"), "popup_clicked"),
        (lambda table: act(table, "checkout_started"), "checkout"),
        (lambda table: act(table, "click", href="/checkout"), "to_checkout"),
        (lambda table: act(table, "checkout_completed"), "bought"),
        (lambda table: act(table, "view", page="/account/orders"), "excluded_page"),
        (lambda table: act(table, "view", page="/de/pages/contact"), "excluded_page"),
        (lambda table: act(table, "add_to_cart", items=7, was=6), "still_shopping"),
    ],
)
def test_acts_that_end_eligibility_keep_the_model_from_being_asked(
    happens: Callable[[Desk], Any], trigger: str
) -> None:
    table = desk(model=ScriptedModel())
    happens(table)
    table.clock.move(seconds=1)
    decision = table.ask()
    assert isinstance(decision, Silence)
    assert decision.origin.source == "gate"
    assert decision.trigger == trigger
    assert table.model is not None
    assert table.model.calls == 0


# --- holdout, offers, languages ---------------------------------------------------------------------------------------


EPOCH = Epoch(id="3f2a9c01", percent=20.0, begun_ms=0)


def test_a_held_browser_is_told_nothing_and_logged_with_what_it_would_have_been_told() -> None:
    ids = [f"session-{n:04}" for n in range(1000)]
    sessions = {one: documents_session(session=one) for one in ids}
    table = desk(*sessions.values(), model=ScriptedModel(), epochs=FixedEpoch(EPOCH))
    answers = {one: table.ask(one) for one in ids}
    held = {one for one, decision in answers.items() if decision.trigger == "holdout"}
    assert held == {one for one in ids if EPOCH.holds(lot_of(sessions[one]))}
    assert 150 <= len(held) <= 250
    assert not any(isinstance(answers[one], Shown) for one in held)
    assert all(isinstance(answers[one], Shown) for one in set(ids) - held)
    assert {decision.offered for decision in answers.values()} == {EPOCH.id}
    # The model is asked about both groups alike: the group is looked at last.
    assert table.model is not None
    assert table.model.calls == len(ids)
    for one in ids:
        [entry] = table.log(one).entries
        popup, withheld = (None, entry.withheld) if one in held else (entry.popup, entry.popup)
        assert (entry.source, entry.popup) == ("groq", popup)
        offer = table.log(one).offer
        assert offer is not None
        assert withheld is not None
        assert (offer.arm, offer.first, offer.percent) == ("held" if one in held else "shown", True, 20.0)
        assert (offer.message_id, offer.at_ms, offer.epoch) == (withheld.message_id, entry.at, EPOCH.id)


def test_a_held_visit_costs_no_further_call_and_keeps_its_first_offer() -> None:
    everybody = FixedEpoch(Epoch(id="one", percent=100.0, begun_ms=0))
    table = desk(model=ScriptedModel(), epochs=everybody)
    table.ask()
    first = table.log().offer
    table.clock.move(minutes=30)
    again = table.ask()

    assert isinstance(again, Silence)
    assert (again.trigger, again.offered, again.withheld) == ("holdout", "one", None)
    assert table.model is not None
    assert table.model.calls == 1
    assert table.log().offer == first


def test_a_shown_visit_is_told_its_epoch_with_every_later_answer() -> None:
    table = desk(epochs=FixedEpoch(EPOCH))
    session = documents_session(session="a-shown-session", lot=min(set(range(1000)) - EPOCH.held_lots))
    table.store.put(session)
    assert table.ask(session.session).offered == EPOCH.id
    table.clock.move(seconds=2)
    repeated = table.ask(session.session)
    assert isinstance(repeated, Shown)
    assert (repeated.origin.source, repeated.offered) == ("cache", EPOCH.id)
    table.clock.move(minutes=30)
    assert table.ask(session.session).offered == EPOCH.id


@pytest.mark.parametrize(("offered", "first"), [("", True), ("another", True), (EPOCH.id, False)])
def test_a_browser_is_newly_offered_once_an_epoch(offered: str, first: bool) -> None:
    table = desk(documents_session(offered=offered, lot=min(EPOCH.held_lots)), epochs=FixedEpoch(EPOCH))
    table.ask()

    offer = table.log().offer
    assert offer is not None
    assert (offer.arm, offer.first, offer.lot) == ("held", first, min(EPOCH.held_lots))


def test_the_lot_of_the_browser_decides_and_not_the_visit() -> None:
    lots = sorted(EPOCH.held_lots)[:3] + sorted(set(range(1000)) - EPOCH.held_lots)[:3]
    sessions = [documents_session(session=f"session-{n}-{lot:03}", lot=lot) for lot in lots for n in range(3)]
    table = desk(*sessions, epochs=FixedEpoch(EPOCH))

    held = [table.ask(one.session).trigger == "holdout" for one in sessions]
    assert held == [True] * 9 + [False] * 9


def test_without_a_holdout_no_offer_is_kept() -> None:
    table = desk()

    assert table.ask().offered == ""
    assert table.log().offer is None


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "events", "made"),
    [
        ("2025-12-31T23:59:59", [], False),
        ("2026-01-01T00:00:00", [], True),
        ("2027-12-31T23:59:59", [], True),
        ("2028-01-01T00:00:00", [], False),
        ("2026-06-01T12:00:00", [{"type": "view", "ts": 1, "visit": 2}], False),
    ],
)
def test_an_offer_is_made_only_on_its_days_and_to_its_shoppers(moment: str, events: list[Event], made: bool) -> None:
    insists = ScriptedModel(lambda request: json.dumps(good_proposal(request, pick="welcome-10")))
    for model in (None, insists):
        session = documents_session(updated_at=at(moment) - 200_000)
        table = desk(replace(session, events={**session.events, "/": [*events, *session.events["/"]]}), model=model)
        table.clock.now = at(moment)
        decision = table.ask()
        is_offer = isinstance(decision, Shown) and decision.message.id == "welcome-10"
        assert is_offer == made
        assert ("WELCOME10" in decision.fields()["message"]) == made


@pytest.mark.parametrize(
    ("locale", "message"),
    [("de-AT", "Kostenlose Rückgabe innerhalb von 30 Tagen."), ("en-US", FREE_RETURNS), ("ja-JP", "")],
)
def test_the_text_is_in_the_language_of_the_browser(locale: str, message: str) -> None:
    for model in (None, ScriptedModel()):
        table = desk(model=model)
        act(table, "view", page="/", locale=locale)
        assert table.ask().fields()["message"] == message


def test_a_models_opening_precedes_the_owners_message_and_a_bad_one_is_vetoed_and_logged() -> None:
    shop = example_shop(wording="model")
    good = ScriptedModel(lambda request: json.dumps(good_proposal(request, opening="Hi there, can we help you?")))
    assert desk(shop=shop, model=good).ask().fields()["message"] == f"Hi there, can we help you? {FREE_RETURNS}"
    bad = desk(
        shop=shop, model=ScriptedModel(lambda request: json.dumps(good_proposal(request, opening="90% off, only now!")))
    )
    decision = bad.ask()
    assert isinstance(decision, Silence)
    assert decision.fields()["message"] == ""
    [entry] = bad.log().entries
    assert entry.veto == "the model's opening holds a number, sign or symbol"
    assert entry.call is not None
    assert entry.call.proposal is not None
    assert entry.call.proposal.opening == "90% off, only now!", "for the owner to see"


# --- the decision log -------------------------------------------------------------------------------------------------

_ALWAYS = {
    "at",
    "source",
    "trigger",
    "show",
    "reason",
    "confidence",
    "seen",
    "shop",
    "signals",
    "why",
    "signs",
    "noted",
}
_POPUP = {"pick", "message", "category", "delayMs"}


def test_log_entries_have_the_documented_keys() -> None:
    def entry_of(table: Desk) -> Any:
        table.ask()
        stored = table.session()
        assert stored.decisions.keys() <= {"entries", "shown", "lastShown", "lastAsked", "asked", "askingUntil"}
        assert table.log().asking_until_ms == 0
        entry = stored.decisions["entries"][-1]
        assert entry["signals"].keys() == {"stage", "items", "dwell", "pages", "hesitating"}
        return entry

    by_rules = entry_of(desk())
    assert by_rules.keys() == _ALWAYS | _POPUP
    by_model = entry_of(desk(model=ScriptedModel()))
    assert by_model.keys() == _ALWAYS | _POPUP | {"prompt", "model"}
    assert by_model["model"] == {
        "pick": "free-returns",
        "reason": "7 items in the cart, a long stay and no checkout.",
        "name": "scripted",
        "ms": 7,
        "promptTokens": 612,
        "completionTokens": 84,
    }
    by_gate = entry_of(desk(documents_session(items_in_cart=0)))
    assert by_gate.keys() == _ALWAYS
    after_fault = entry_of(desk(model=ScriptedModel(ModelTimeoutError("too late"))))
    assert after_fault.keys() == _ALWAYS | _POPUP | {"fault", "prompt", "model"}
    assert (after_fault["source"], after_fault["fault"], after_fault["model"]) == ("rules", "timeout", {})
    invalid = entry_of(desk(model=ScriptedModel("nonsense")))
    assert invalid["fault"] == "invalid"
    assert invalid["model"].keys() == {"name", "ms", "promptTokens", "completionTokens"}
    for line in entry_module.__doc__ or "", json.dumps(by_model):
        assert "promptTokens" in line


def test_the_decision_log_stays_bounded_and_a_repeated_decision_is_written_once() -> None:
    table = desk(documents_session(items_in_cart=0))
    for _ in range(100):
        table.ask()
        table.clock.move(seconds=5)
    assert table.store.writes == 1
    for n in range(100):
        table.store.update(ANNA, lambda one, n=n: replace(one or documents_session(), items_in_cart=n % 2))  # type: ignore[misc]
        act(table, "click", page="/account/orders" if n % 2 else "/cart")
        table.ask()
        table.clock.move(minutes=20)
    assert len(table.log().entries) == KEPT
    assert len(json.dumps(table.session().decisions)) < 12_000


def test_decisions_survive_later_ingests_and_asking_changes_nothing_else(make_app: MakeApp, tmp_path: Path) -> None:
    client = make_app(shop_file=ROOT / "shop.example.toml").test_client()
    client.post("/ingest", json=DOCUMENT_BODY)
    path = tmp_path / "sessions.json"
    before = json.loads(path.read_bytes())[ANNA]
    client.post("/askai", data=ANNA)
    asked = json.loads(path.read_bytes())[ANNA]
    assert asked | {"decisions": 0} == before | {"decisions": 0}
    client.post("/ingest", json={**DOCUMENT_BODY, "itemsInCart": 8, "sentAt": 1712345999000})
    client.post("/ingest", json=DOCUMENT_BODY)
    after = json.loads(path.read_bytes())[ANNA]
    assert after["itemsInCart"] == 8
    assert after["decisions"] == asked["decisions"]


def test_a_merge_of_sessions_loses_no_decision(tmp_path: Path) -> None:
    store = JsonFileStore(tmp_path / "sessions.json")
    asked = desk()
    asked.ask()
    with_decisions = asked.session()
    for first, second in ((with_decisions, documents_session()), (documents_session(), with_decisions)):
        store.delete(ANNA)
        for one in (first, second):
            store.update(ANNA, lambda stored, one=one: merge_sessions(stored, one, LIMITS))  # type: ignore[misc]
        merged = store.get(ANNA)
        assert merged is not None
        assert merged.decisions == with_decisions.decisions


def test_asking_does_not_reorder_the_owners_list(make_app: MakeApp) -> None:
    from tests.integration.conftest import ADMIN_TOKEN

    app = make_app(shop_file=ROOT / "shop.example.toml")
    client = app.test_client()
    ids = [f"shopper-{n}" for n in range(6)]
    for one in ids:
        client.post("/ingest", json={**DOCUMENT_BODY, "session": one})

    def listed() -> list[str]:
        found: list[str] = []
        query = ""
        while True:
            page = client.get(
                f"/sessions?limit=2{query}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
            ).get_json()
            found += [line["session"] for line in page["sessions"]]
            if page["next"] is None:
                return found
            query = f"&before={page['next']}"

    before = listed()
    assert sorted(before) == ids
    client.post("/askai", data=ids[0])
    client.post("/askai", data=ids[3])
    assert sorted(listed()) == ids


@pytest.mark.parametrize("asks", [False, True])
def test_a_session_deleted_while_it_is_decided_about_does_not_come_back(asks: bool) -> None:
    def deletes_and_answers(request: dict[str, Any]) -> str:
        table.store.delete(ANNA)
        return json.dumps(good_proposal(request))

    class DeletingShop(FixedShop):
        def current(self) -> Shop:
            table.store.delete(ANNA)
            return super().current()

    table = desk(model=ScriptedModel(deletes_and_answers) if asks else None)
    engine = table.engine if asks else Engine(table.store, DeletingShop(), clock=table.clock)

    decision = engine.advise(ANNA)

    assert isinstance(decision, Silence)
    assert decision.trigger == "deleted"
    assert table.store.get(ANNA) is None
