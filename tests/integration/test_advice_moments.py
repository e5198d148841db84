"""When a model is asked, how long its answer stands, what counts as shown, and what an answer of /askai holds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from testing.advice import (
    ANNA,
    NOON,
    Clock,
    Desk,
    FixedShop,
    MemoryStore,
    ScriptedModel,
    check_answer,
    desk,
    example_shop,
    with_event,
)
from testing.fake_groq import data_of, good_proposal
from tests.integration.conftest import MakeApp
from tracker.decisions.browser_memory import BrowserMemory, SeenMessage
from tracker.decisions.decision import Decision, Shown, Silence
from tracker.decisions.engine import Engine
from tracker.decisions.language.popup_words import popup_words
from tracker.decisions.model.asking import MOST_QUESTIONS
from tracker.decisions.shop.conditions import parse_when
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.shop import Rule, Shop
from tracker.decisions.visit.signals import Why
from tracker.sessions.model import ShopperSession

COOL_DOWN_S = 25


def visit(items: int = 2) -> ShopperSession:
    """Return a visit as the storefront script tells it: a cart of some minutes ago, looked at again."""
    return ShopperSession(
        session=ANNA,
        items_in_cart=items,
        time_on_page={"/": 60_000, "/cart": 60_000},
        events={
            "/": [{"type": "view", "ts": NOON - 120_000, "visit": 1, "locale": "en-GB", "device": "phone"}],
            "/cart": [{"type": "view", "ts": NOON - 60_000}] if items else [],
        },
        updated_at=NOON,
    )


def says_no() -> ScriptedModel:
    return ScriptedModel(lambda request: json.dumps(good_proposal(request, show_popup=False)))


def act(table: Desk, kind: str, page: str = "/cart", **keys: Any) -> None:
    """Store one more act of the shopper, at the clock's time."""
    table.store.update(ANNA, lambda stored: with_event(stored or visit(), kind, table.clock(), page, **keys))


def ask(table: Desk, why: Why = "idle", memory: BrowserMemory | None = None) -> Decision:
    return table.engine.advise(ANNA, why, memory or BrowserMemory())


def calls(table: Desk) -> int:
    assert table.model is not None
    return table.model.calls


# --- when the model is asked ------------------------------------------------------------------------------------------


def test_without_a_sign_no_model_is_asked() -> None:
    table = desk(visit(items=0), model=says_no())
    for page in ("/products/a", "/products/b", "/collections/all"):
        act(table, "view", page)
        act(table, "scroll", page, depth=50)
        act(table, "click", page, target="button.slider__next")
        table.clock.move(seconds=30)
        assert isinstance(ask(table), Silence)
    assert calls(table) == 0
    act(table, "view", "/policies/shipping-policy")
    table.clock.move(seconds=1)
    ask(table)
    assert calls(table) == 1


def test_a_models_no_stands_until_a_new_sign() -> None:
    table = desk(visit(), model=says_no())
    ask(table)
    for _ in range(10):
        table.clock.move(minutes=1)
        act(table, "scroll", depth=75)
        again = ask(table)
        assert (again.origin.source, again.trigger) == ("cache", "model_says_no")
    assert calls(table) == 1
    act(table, "click", target="summary.accordion__title")
    table.clock.move(seconds=1)
    ask(table)
    assert calls(table) == 2


def test_a_new_sign_waits_for_the_cool_down_and_leaving_does_not() -> None:
    table = desk(visit(), model=says_no(), cool_down_s=COOL_DOWN_S)
    ask(table)
    table.clock.move(seconds=5)
    act(table, "click", target="summary.accordion__title")
    table.clock.move(seconds=COOL_DOWN_S - 5.001)
    assert ask(table).origin.source == "cache"
    act(table, "exit_intent", how="mouse")
    ask(table, "exit")
    assert calls(table) == 2
    table.clock.move(seconds=COOL_DOWN_S)
    act(table, "view", "/policies/refund-policy")
    ask(table)
    assert calls(table) == 3


def test_a_visit_is_worth_four_questions_and_then_the_scorecard_decides() -> None:
    table = desk(visit(), model=says_no())
    for _ in range(10):
        act(table, "exit_intent", how="mouse")
        ask(table, "exit")
        table.clock.move(minutes=1)
    assert calls(table) == MOST_QUESTIONS == 4
    after = [(entry.source, entry.fault) for entry in table.log().entries if entry.source != "groq"]
    assert after[0] == ("rules", "enough")


def test_a_cart_that_has_just_changed_costs_no_question() -> None:
    table = desk(visit(), model=says_no())
    act(table, "add_to_cart", items=2, was=1)
    table.clock.move(seconds=19)
    assert ask(table, "cart").trigger == "still_shopping"
    assert calls(table) == 0
    table.clock.move(seconds=1)
    ask(table, "cart")
    assert calls(table) == 1


def test_the_model_is_told_why_it_is_asked_and_the_log_keeps_it() -> None:
    model = says_no()
    table = desk(visit(), model=model)
    act(table, "exit_intent", how="mouse")
    ask(table, "exit")
    assert data_of({"messages": model.prompts[0]})["now"] == "about to leave"
    last = table.log().last
    assert last is not None
    assert (last.why, last.signs) == ("exit", 2)


# --- the owner's rules and a model ------------------------------------------------------------------------------------


def with_rules(*rules: tuple[dict[str, Any], tuple[str, ...]]) -> Shop:
    return example_shop(
        rules=tuple(Rule(when=parse_when(when), say=say, line=number) for number, (when, say) in enumerate(rules, 1))
    )


def test_where_a_rule_holds_the_model_chooses_among_its_messages_only() -> None:
    model = ScriptedModel()
    table = desk(visit(), shop=with_rules(({"items": ">= 1"}, ("shipping", "chat"))), model=model)
    decision = ask(table)
    assert data_of({"messages": model.prompts[0]})["may_say"] == ["shipping", "chat"]
    assert isinstance(decision, Shown)
    assert decision.message.id == "shipping"
    insists = ScriptedModel(lambda request: json.dumps(good_proposal(request, pick="free-returns")))
    table = desk(visit(), shop=with_rules(({"items": ">= 1"}, ("shipping", "chat"))), model=insists)
    decision = ask(table)
    assert isinstance(decision, Shown)
    assert (decision.message.id, decision.origin.source) == ("shipping", "rules"), "an answer beside the rule is none"


def test_a_rule_without_messages_is_silence_for_the_model_too() -> None:
    table = desk(visit(), shop=with_rules(({"page": "/cart"}, ())), model=ScriptedModel())
    decision = ask(table)
    assert isinstance(decision, Silence)
    assert decision.trigger == "rule"
    assert calls(table) == 0


def test_a_rule_speaks_for_itself_where_there_is_no_sign() -> None:
    table = desk(visit(items=0), shop=with_rules(({"seconds": ">= 60"}, ("shipping",))), model=says_no())
    decision = ask(table)
    assert isinstance(decision, Shown)
    assert (decision.message.id, decision.trigger, calls(table)) == ("shipping", "rule", 0)


def test_a_models_no_does_not_stand_against_a_rule_that_holds_since() -> None:
    table = desk(visit(), shop=with_rules(({"seconds": ">= 200"}, ("shipping",))), model=says_no())
    ask(table)
    table.clock.move(seconds=60)
    ask(table)
    assert calls(table) == 1
    table.clock.move(seconds=60)
    ask(table)
    assert calls(table) == 2


# --- what counts as shown ---------------------------------------------------------------------------------------------

ALWAYS = with_rules(({"items": ">= 1"}, ("shipping", "free-returns")))


def test_a_decided_popup_survives_the_turn_of_the_page_for_30_s() -> None:
    table = desk(visit(), shop=ALWAYS)
    first = ask(table)
    table.clock.move(seconds=29)
    act(table, "view", "/products/xyz")
    again = ask(table, "turn_away")
    assert isinstance(again, Shown)
    assert (again.origin.source, again.fields()["message"]) == ("cache", first.fields()["message"])
    assert table.log().shown == 1
    table.clock.move(seconds=2)
    assert ask(table).trigger == "shown"


def test_a_popup_that_was_reported_is_not_fetched_again() -> None:
    table = desk(visit(), shop=ALWAYS)
    ask(table)
    table.clock.move(seconds=1)
    act(table, "popup_shown", message_id="shipping")
    assert ask(table).trigger == "shown"


def test_a_popup_that_was_dropped_uses_up_no_popup_and_may_come_again() -> None:
    table = desk(visit(), shop=ALWAYS)
    assert isinstance(ask(table), Shown)
    table.clock.move(seconds=2)
    act(table, "popup_dropped", message_id="shipping", why="cart")
    table.clock.move(seconds=30)
    again = ask(table)
    assert isinstance(again, Shown)
    assert (again.message.id, again.origin.source) == ("shipping", "rules")


def test_a_message_that_rests_in_the_browser_gives_way_to_another() -> None:
    table = desk(visit(), shop=ALWAYS)
    ask(table)
    table.clock.move(seconds=2)
    act(table, "popup_dropped", message_id="shipping", why="dismissed")
    again = ask(table)
    assert isinstance(again, Shown)
    assert again.message.id == "free-returns"


def test_a_message_is_said_once_a_visit() -> None:
    shop = replace(ALWAYS, caps=replace(ALWAYS.caps, popups_per_session=9, minutes_between=0))
    table = desk(visit(), shop=shop)
    said = []
    for number in range(40):
        decision = ask(table)
        if isinstance(decision, Shown) and decision.origin.source != "cache":
            said.append(decision.message.id)
        table.clock.move(seconds=40)
        act(table, "click", target=f"a.link-{number}")
    assert said[:2] == ["shipping", "free-returns"]
    assert len(said) == len(set(said))


def test_what_the_browser_remembers_of_earlier_visits_is_heeded() -> None:
    rest = ALWAYS.caps.days_after_dismissal

    def said(*seen: SeenMessage) -> str | None:
        decision = ask(desk(visit(), shop=ALWAYS), memory=BrowserMemory(seen=seen))
        return decision.message.id if isinstance(decision, Shown) else None

    closed = SeenMessage(message_id="shipping", shown_days=rest, dismissals=1, dismissed_days=rest - 1)
    assert said() == "shipping"
    assert said(closed) == "free-returns"
    assert said(replace(closed, dismissed_days=rest)) == "shipping"
    assert said(replace(closed, dismissals=2, dismissed_days=2 * rest - 1)) == "free-returns"
    assert said(replace(closed, dismissals=2, dismissed_days=2 * rest)) == "shipping"
    assert said(replace(closed, message_id="of-another-file")) == "shipping"


def test_a_popup_is_never_delayed_by_more_than_10_s() -> None:
    slow = ScriptedModel(lambda request: json.dumps(good_proposal(request, delay_ms=60_000)))
    assert ask(desk(visit(), model=slow)).fields()["delay_ms"] == 10_000


# --- the answer of /askai ---------------------------------------------------------------------------------------------

MESSAGES = (
    Message(
        id="ship", kind="fact", texts={"en": "Free from 60 EUR.", "de": "Ab 60 EUR frei."}, opens="/pages/shipping"
    ),
    Message(id="ten", kind="offer", texts={"en": "10% off with TEN."}, code="TEN", apply=True, once_in_days=30),
    Message(id="chat", kind="help", texts={"en": "A question?"}, opens="event:chat", button={"en": "Ask us"}),
    Message(id="mail", kind="help", texts={"en": "Write to us."}, opens="mailto:shop@shop.example"),
    Message(id="cart", kind="help", texts={"en": "Your cart is waiting."}, opens="cart"),
    Message(id="plain", kind="fact", texts={"en": "We weave it here."}),
)


@pytest.mark.parametrize(
    ("message_id", "action"),
    [
        ("ship", {"label": "Ansehen", "opens": "/pages/shipping"}),
        ("ten", {"label": "Code einlösen", "apply": "TEN"}),
        ("chat", {"label": "Ask us", "opens": "event:chat"}),
        ("mail", {"label": "Schreib uns", "opens": "mailto:shop@shop.example"}),
        ("cart", {"label": "Zum Warenkorb", "opens": "cart"}),
        ("plain", None),
    ],
)
def test_an_answer_holds_the_message_its_action_and_the_popups_own_words(
    make_app: MakeApp, message_id: str, action: dict[str, str] | None
) -> None:
    rule = Rule(when=parse_when({"items": ">= 1"}), say=(message_id,), line=1)
    shop = Shop(name="X", languages=("en", "de"), messages=MESSAGES, rules=(rule,))
    session = visit()
    session = replace(session, events={"/products/x": [{**session.events["/"][0], "locale": "de-AT"}]})
    engine = Engine(MemoryStore(session), FixedShop(shop), clock=Clock())
    answer: Any = make_app(engine=engine).test_client().post("/askai", json={"session": ANNA, "why": "idle"}).get_json()
    check_answer(answer, shop)
    assert (answer["show_popup"], answer["message_id"]) == (True, message_id)
    assert answer.get("action") == action
    assert answer["words"] == popup_words("de")
    assert answer.get("once_in_days") == (30 if message_id == "ten" else None)


@pytest.mark.parametrize("why", ["exit", "idle", "", "no reason of ours", 7, None, ["exit"]])
@pytest.mark.parametrize("memory", [None, {}, [], "x", {"messages": 7}, {"messages": [[], ["a"], [1, 2, 3, 4], None]}])
def test_a_reason_or_memory_that_is_unknown_is_no_error(make_app: MakeApp, why: Any, memory: Any) -> None:
    table = desk(visit())
    client = make_app(engine=table.engine).test_client()
    asked = client.post("/askai", json={"session": ANNA, "why": why, "memory": memory, "more": {"x": 1}})
    assert asked.status_code == 200, asked.get_json()
    last = table.log().last
    assert last is not None
    assert last.why == (why if why in ("exit", "idle") else "")


def test_the_browsers_memory_is_read_from_the_question(make_app: MakeApp) -> None:
    table = desk(visit(), shop=ALWAYS)
    client = make_app(engine=table.engine).test_client()
    memory = {"messages": [["shipping", 1, 1, 1], ["free-returns", 0, 0, None]], "buys": 0, "bought": None}
    answer = client.post("/askai", json={"session": ANNA, "why": "exit", "memory": memory}).get_json()
    assert (answer["message_id"], answer["rest_days"]) == ("free-returns", ALWAYS.caps.days_after_dismissal)
    table = desk(visit(), shop=ALWAYS)
    client = make_app(engine=table.engine).test_client()
    bought = client.post("/askai", json={"session": ANNA, "memory": {"messages": [], "bought": 0}}).get_json()
    assert bought["trigger"] == "bought_lately"
