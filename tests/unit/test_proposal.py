"""What counts as a model's choice, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.advice import example_shop
from testing.fake_groq import GOOD_CHOICE, SEVEN_FIELDS
from tracker.decisions.messages import SILENT
from tracker.decisions.proposal import (
    MAX_DELAY_MS,
    MAX_OPENING,
    MAX_REASON,
    Choice,
    ChoiceError,
    choice_json_schema,
    parse_choice,
    plain_reason,
)

SHOP = example_shop()
GOOD = {**GOOD_CHOICE, "pick": "free-returns"}
REQUIRED = ("show_popup", "reason", "confidence", "delay_ms")
TYPES = {"show_popup": bool, "pick": str, "reason": str, "opening": str, "confidence": float, "delay_ms": int}


def parse(**changes: Any) -> Choice:
    return parse_choice(json.dumps({**GOOD, **changes}), SHOP.sentences)


def test_a_good_choice_comes_out_as_it_went_in() -> None:
    assert parse() == Choice(
        pick="free-returns",
        reason="7 items in the cart, a long stay and no checkout.",
        confidence=0.92,
        delay_ms=2000,
    )
    assert parse(opening="Hello there!").opening == "Hello there!"


def test_a_model_that_shows_nothing_picks_nothing_whatever_it_names() -> None:
    for pick in ("free-returns", "none", "never heard of"):
        assert parse(show_popup=False, pick=pick).pick == SILENT
    assert parse(pick="none").pick == SILENT


def test_the_limits_are_exact() -> None:
    assert len(parse(opening="é" * MAX_OPENING).opening) == MAX_OPENING
    assert parse(confidence=0, delay_ms=0).confidence == 0
    assert parse(confidence=1, delay_ms=MAX_DELAY_MS).delay_ms == MAX_DELAY_MS
    for beyond in (
        {"opening": "é" * (MAX_OPENING + 1)},
        {"confidence": 1.0000001},
        {"confidence": -0.0000001},
        {"delay_ms": MAX_DELAY_MS + 1},
        {"delay_ms": -1},
    ):
        with pytest.raises(ChoiceError):
            parse(**beyond)


@pytest.mark.parametrize("name", REQUIRED)
def test_every_field_but_pick_and_opening_is_required(name: str) -> None:
    with pytest.raises(ChoiceError, match=name):
        parse_choice(json.dumps({key: value for key, value in GOOD.items() if key != name}), SHOP.sentences)


@pytest.mark.parametrize("name", list(TYPES))
def test_every_field_is_of_its_exact_type(name: str) -> None:
    values: list[Any] = [None, "true", "1", 1, 1.0, True, [], {}]
    for value in values:
        if type(value) is not TYPES[name] and not (name == "confidence" and type(value) is int):
            with pytest.raises(ChoiceError, match=name):
                parse(**{name: value})


def test_only_a_sentence_that_may_be_said_now_can_be_picked() -> None:
    may_say = [sentence for sentence in SHOP.sentences if sentence.kind != "offer"]
    text = json.dumps({**GOOD, "pick": "welcome-10"})
    assert parse_choice(text, SHOP.sentences).pick == "welcome-10"
    with pytest.raises(ChoiceError, match="by its pick"):
        parse_choice(text, may_say)
    for pick in ("WELCOME-10", "welcome-10 ; 90% off", "Free returns within 30 days.", "help", "\u202e", "{}"):
        with pytest.raises(ChoiceError, match="by its pick"):
            parse(pick=pick)


def test_the_seven_fields_of_the_document_mean_help_and_their_message_is_lost() -> None:
    choice = parse_choice(json.dumps(SEVEN_FIELDS), SHOP.sentences)
    assert choice == Choice(
        pick="chat", reason=str(SEVEN_FIELDS["reason"]), confidence=0.92, delay_ms=2000, opening="", trigger=""
    )
    assert "40" not in repr(choice)
    assert parse_choice(json.dumps({**SEVEN_FIELDS, "show_popup": False}), SHOP.sentences).pick == SILENT


def test_where_no_help_may_be_offered_the_seven_fields_are_no_choice() -> None:
    facts = [sentence for sentence in SHOP.sentences if sentence.kind == "fact"]
    with pytest.raises(ChoiceError, match="by its pick"):
        parse_choice(json.dumps(SEVEN_FIELDS), facts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"text"',
        "not json",
        "[" * 100_000,
        json.dumps({**GOOD, "confidence": float("nan")}),
        json.dumps({**GOOD, "confidence": float("inf")}),
        json.dumps({**GOOD, "confidence": 10**400}),
        json.dumps({**GOOD, "delay_ms": 10**400}),
        json.dumps(GOOD) + "{}",
        json.dumps([GOOD]),
        json.dumps({**GOOD, "pick": "\ud800"}),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(ChoiceError):
        parse_choice(text, SHOP.sentences)


def test_an_error_repeats_nothing_that_the_model_wrote() -> None:
    for changes in ({"sk-secret": 1, "delay_ms": "x"}, {"pick": "<sk-secret>"}, {"opening": "sk-secret" * 20}):
        with pytest.raises(ChoiceError) as caught:
            parse(**changes)
        assert "secret" not in str(caught.value)


def test_a_reason_is_one_plain_bounded_line() -> None:
    assert parse(reason="items_in_cart: 7 [cart],\n dwell_s = 95").reason == "items_in_cart: 7 [cart], dwell_s = 95"
    assert plain_reason("<img src=x>\u202eevil\x1b[31m\ud800") == "img src=x evil [31m"
    assert len(plain_reason("r" * 5000)) == MAX_REASON
    assert parse(reason="").reason == ""


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "show_popup": st.booleans(),
            "pick": st.sampled_from([*(one.id for one in SHOP.sentences), "none", "help"]) | st.text(max_size=30),
            "opening": st.text(max_size=MAX_OPENING + 10),
            "reason": st.text(max_size=400),
            "confidence": st.floats(),
            "delay_ms": st.integers(-10, MAX_DELAY_MS + 10),
        },
    ),
    st.dictionaries(st.sampled_from([*GOOD, "message", "extra"]), ANYTHING, max_size=1),
)
def test_whatever_a_model_writes_is_a_valid_choice_or_an_error(near: dict[str, Any], far: dict[str, Any]) -> None:
    try:
        choice = parse(**near, **{key: value for key, value in far.items() if key not in near})
    except ChoiceError:
        return
    assert choice.pick == SILENT or SHOP.find(choice.pick) is not None
    assert len(choice.opening) <= MAX_OPENING
    assert len(choice.reason) <= MAX_REASON
    assert choice.reason.isprintable()
    assert 0 <= choice.confidence <= 1
    assert 0 <= choice.delay_ms <= MAX_DELAY_MS


@pytest.mark.parametrize("with_opening", [False, True])
def test_the_schema_for_the_model_is_one_that_groq_takes_as_strict(with_opening: bool) -> None:
    schema = choice_json_schema(SHOP.sentences, with_opening)
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    assert ("opening" in schema["properties"]) == with_opening
    assert schema["properties"].keys() - {"opening"} == {*REQUIRED, "pick"}
    assert schema["properties"]["pick"]["enum"] == [*(sentence.id for sentence in SHOP.sentences), "none"]
    for field in schema["properties"].values():
        assert field.keys() <= {"type", "enum"}
