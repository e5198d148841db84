"""What counts as a decision, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_groq import GOOD_DECISION
from tracker.askai.decision import (
    CATEGORIES,
    DECISION_JSON_SCHEMA,
    MAX_DELAY_MS,
    MAX_MESSAGE,
    MAX_REASON,
    DecisionError,
    PopupDecisionSchema,
    parse_decision,
    quiet,
)


def parse(**changes: Any) -> Any:
    return parse_decision(json.dumps({**GOOD_DECISION, **changes}))


def test_a_good_decision_comes_out_as_it_went_in() -> None:
    assert parse().to_answer() == GOOD_DECISION


def test_a_decision_to_show_nothing_passes_its_own_check() -> None:
    decision = quiet("too early")
    assert parse_decision(json.dumps(decision.to_answer())) == decision


def test_the_limits_are_exact() -> None:
    assert len(parse(message="é" * MAX_MESSAGE).message) == MAX_MESSAGE
    assert parse(reason="r" * MAX_REASON, confidence=0, delay_ms=0).delay_ms == 0
    assert parse(confidence=1, delay_ms=MAX_DELAY_MS, trigger="a" * 40).confidence == 1.0
    for beyond in (
        {"message": "é" * (MAX_MESSAGE + 1)},
        {"reason": "r" * (MAX_REASON + 1)},
        {"reason": ""},
        {"confidence": 1.0000001},
        {"confidence": -0.0000001},
        {"delay_ms": MAX_DELAY_MS + 1},
        {"delay_ms": -1},
        {"trigger": "a" * 41},
        {"trigger": ""},
    ):
        with pytest.raises(DecisionError):
            parse(**beyond)


@pytest.mark.parametrize("name", list(GOOD_DECISION))
def test_every_field_is_required_and_of_its_exact_type(name: str) -> None:
    with pytest.raises(DecisionError, match=name):
        parse_decision(json.dumps({key: value for key, value in GOOD_DECISION.items() if key != name}))
    fitting = type(GOOD_DECISION[name])
    values: list[Any] = [None, "true", "1", 1, 1.0, True, [], {}]
    for value in values:
        if type(value) is not fitting and not (name == "confidence" and type(value) is int):
            with pytest.raises(DecisionError, match=name):
                parse(**{name: value})


@pytest.mark.parametrize(
    "message",
    [
        "<b>Hello</b>",
        "Hello &lt;b&gt;",
        "Hello &#60;",
        "**Hello** there",
        "[Help](x)",
        "`help`",
        "＜script＞ hello",
        "See https://shop.example",
        "See //shop.example/x",
        "Go to shop.example now",
        "Go to ｓｈｏｐ．ｃｏｍ now",
        "Go to sh\u200dop.c\u200dom now",
        "Go to shop。com now",
        "Go to 10.0.0.1 now",
        "Write to help@shop",
        "Call tel:5551234",
        "JavaScript:alert(1)",
        "Hello\nthere",
        "Hello\x00",
        "Hello\x1b[31m",
        "Hello \u202eereht",
        "Hello \u2066there\u2069",
        "Hel\u200blo",
        "Hello\ufeff there",
        "Hello\U000e0041",
        "Hello\u2028there",
        "Hello\ud800",
        "!!! 12 ???",
        "",
        "   ",
    ],
)
def test_a_message_that_is_not_plain_text_is_no_message(message: str) -> None:
    with pytest.raises(DecisionError):
        parse(message=message)


@pytest.mark.parametrize(
    "message",
    [
        "Hmm... need a hand? We would like to help, e.g. with your order.",
        "Besoin d\u2019aide\u00a0? Nous sommes là !",
        "お手伝いしましょうか。お気軽にどうぞ。",
        "می\u200cخواهید کمکتان کنیم؟",
        "Benötigen Sie Hilfe? 👩\u200d💻",
        "هل تحتاج إلى مساعدة؟",
    ],
)
def test_plain_text_of_any_language_is_a_message(message: str) -> None:
    assert parse(message=message).message == message


def test_a_reason_may_name_fields_but_holds_no_tags_links_or_hidden_characters() -> None:
    assert parse(reason="items_in_cart: 7 [cart], dwell_s = 95").show_popup
    for reason in ("<img src=x>", "see https://x.example", "a\u202eb", "a\x07b"):
        with pytest.raises(DecisionError, match="reason"):
            parse(reason=reason)


def test_what_shows_needs_a_category_and_what_does_not_show_says_nothing() -> None:
    with pytest.raises(DecisionError, match="category"):
        parse(category="none")
    hidden = parse(show_popup=False, message="40 percent off!", category="discount", delay_ms=10)
    assert (hidden.message, hidden.category, hidden.delay_ms) == ("", "none", 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"text"',
        "not json",
        "[" * 100_000,
        json.dumps({**GOOD_DECISION, "confidence": float("nan")}),
        json.dumps({**GOOD_DECISION, "confidence": float("inf")}),
        json.dumps({**GOOD_DECISION, "confidence": 10**400}),
        json.dumps({**GOOD_DECISION, "delay_ms": 10**400}),
        json.dumps(GOOD_DECISION) + "{}",
        json.dumps([GOOD_DECISION]),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_decision_is_refused(text: str) -> None:
    with pytest.raises(DecisionError):
        parse_decision(text)


def test_an_error_repeats_nothing_that_the_model_wrote() -> None:
    for changes in ({"sk-secret": 1}, {"message": "<sk-secret>"}, {"category": "sk-secret"}):
        with pytest.raises(DecisionError) as caught:
            parse(**changes)
        assert "secret" not in str(caught.value)


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "show_popup": st.booleans(),
            "message": st.text(max_size=MAX_MESSAGE + 10),
            "reason": st.text(max_size=60),
            "category": st.sampled_from(CATEGORIES),
            "trigger": st.text("az09_", max_size=42),
            "confidence": st.floats(),
            "delay_ms": st.integers(-10, MAX_DELAY_MS + 10),
        },
    ),
    st.dictionaries(st.sampled_from([*GOOD_DECISION, "extra"]), ANYTHING, max_size=1),
)
def test_whatever_a_model_writes_is_a_valid_decision_or_an_error(near: dict[str, Any], far: dict[str, Any]) -> None:
    try:
        decision = parse(**near, **{key: value for key, value in far.items() if key not in near})
    except DecisionError:
        return
    assert PopupDecisionSchema().validate(decision.to_answer()) == {}
    assert json.loads(json.dumps(decision.to_answer(), allow_nan=False)) == decision.to_answer()


def test_the_schema_for_the_model_is_one_that_groq_takes_as_strict() -> None:
    assert DECISION_JSON_SCHEMA["additionalProperties"] is False
    assert DECISION_JSON_SCHEMA["required"] == list(DECISION_JSON_SCHEMA["properties"]) == list(GOOD_DECISION)
    assert DECISION_JSON_SCHEMA["required"] == list(PopupDecisionSchema().fields)
    for field in DECISION_JSON_SCHEMA["properties"].values():
        assert field.keys() <= {"type", "enum"}
