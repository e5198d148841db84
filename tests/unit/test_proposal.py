"""Which answers of a model are valid proposals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.advice import example_shop
from testing.fake_groq import GOOD_PROPOSAL, SEVEN_FIELDS
from tracker.decisions.model.answer import (
    MAX_DELAY_MS,
    MAX_OPENING,
    MAX_REASON,
    InvalidAnswerError,
    answer_json_schema,
    one_plain_line,
    parse_answer,
)
from tracker.decisions.proposal import Proposal

SHOP = example_shop()
GOOD = {**GOOD_PROPOSAL, "pick": "free-returns"}
REQUIRED = ("show_popup", "reason", "confidence", "delay_ms")
TYPES = {"show_popup": bool, "pick": str, "reason": str, "opening": str, "confidence": float, "delay_ms": int}


def parse(**changes: Any) -> Proposal:
    return parse_answer(json.dumps({**GOOD, **changes}), SHOP.messages)


def test_a_valid_answer_becomes_the_proposal_it_describes() -> None:
    assert parse() == Proposal(
        message_id="free-returns",
        reason="7 items in the cart, a long stay and no checkout.",
        confidence=0.92,
        delay_ms=2000,
    )
    assert parse(opening="Hello there!").opening == "Hello there!"


def test_an_answer_that_shows_nothing_proposes_silence_whatever_it_picks() -> None:
    for pick in ("free-returns", "none", "never heard of"):
        assert parse(show_popup=False, pick=pick).message_id is None
    assert parse(pick="none").message_id is None


def test_lengths_and_ranges_are_checked_exactly() -> None:
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
        with pytest.raises(InvalidAnswerError):
            parse(**beyond)


@pytest.mark.parametrize("name", REQUIRED)
def test_every_field_except_pick_and_opening_is_required(name: str) -> None:
    with pytest.raises(InvalidAnswerError, match=name):
        parse_answer(json.dumps({key: value for key, value in GOOD.items() if key != name}), SHOP.messages)


@pytest.mark.parametrize("name", list(TYPES))
def test_every_field_must_have_its_exact_type(name: str) -> None:
    values: list[Any] = [None, "true", "1", 1, 1.0, True, [], {}]
    for value in values:
        if type(value) is not TYPES[name] and not (name == "confidence" and type(value) is int):
            with pytest.raises(InvalidAnswerError, match=name):
                parse(**{name: value})


def test_only_a_message_that_applies_now_can_be_picked() -> None:
    may_say = [message for message in SHOP.messages if message.kind != "offer"]
    text = json.dumps({**GOOD, "pick": "welcome-10"})
    assert parse_answer(text, SHOP.messages).message_id == "welcome-10"
    with pytest.raises(InvalidAnswerError, match="by its pick"):
        parse_answer(text, may_say)
    for pick in ("WELCOME-10", "welcome-10 ; 90% off", "Free returns within 30 days.", "help", "\u202e", "{}"):
        with pytest.raises(InvalidAnswerError, match="by its pick"):
            parse(pick=pick)


def test_the_original_seven_fields_propose_help_and_their_own_message_is_dropped() -> None:
    proposal = parse_answer(json.dumps(SEVEN_FIELDS), SHOP.messages)
    assert proposal == Proposal(
        message_id="chat", reason=str(SEVEN_FIELDS["reason"]), confidence=0.92, delay_ms=2000, opening="", trigger=""
    )
    assert "40" not in repr(proposal)
    assert parse_answer(json.dumps({**SEVEN_FIELDS, "show_popup": False}), SHOP.messages).message_id is None


def test_the_original_seven_fields_are_invalid_if_no_help_applies() -> None:
    facts = [message for message in SHOP.messages if message.kind == "fact"]
    with pytest.raises(InvalidAnswerError, match="by its pick"):
        parse_answer(json.dumps(SEVEN_FIELDS), facts)


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
def test_an_answer_that_is_no_valid_json_proposal_is_refused(text: str) -> None:
    with pytest.raises(InvalidAnswerError):
        parse_answer(text, SHOP.messages)


def test_an_error_holds_no_text_of_the_model() -> None:
    for changes in ({"sk-secret": 1, "delay_ms": "x"}, {"pick": "<sk-secret>"}, {"opening": "sk-secret" * 20}):
        with pytest.raises(InvalidAnswerError) as caught:
            parse(**changes)
        assert "secret" not in str(caught.value)


def test_a_reason_becomes_one_plain_bounded_line() -> None:
    assert parse(reason="items_in_cart: 7 [cart],\n dwell_s = 95").reason == "items_in_cart: 7 [cart], dwell_s = 95"
    assert one_plain_line("<img src=x>\u202eevil\x1b[31m\ud800") == "img src=x evil [31m"
    assert len(one_plain_line("r" * 5000)) == MAX_REASON
    assert parse(reason="").reason == ""


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "show_popup": st.booleans(),
            "pick": st.sampled_from([*(one.id for one in SHOP.messages), "none", "help"]) | st.text(max_size=30),
            "opening": st.text(max_size=MAX_OPENING + 10),
            "reason": st.text(max_size=400),
            "confidence": st.floats(),
            "delay_ms": st.integers(-10, MAX_DELAY_MS + 10),
        },
    ),
    st.dictionaries(st.sampled_from([*GOOD, "message", "extra"]), ANYTHING, max_size=1),
)
def test_any_answer_is_a_valid_proposal_or_an_error(near: dict[str, Any], far: dict[str, Any]) -> None:
    try:
        proposal = parse(**near, **{key: value for key, value in far.items() if key not in near})
    except InvalidAnswerError:
        return
    assert proposal.message_id is None or SHOP.find(proposal.message_id) is not None
    assert len(proposal.opening) <= MAX_OPENING
    assert len(proposal.reason) <= MAX_REASON
    assert proposal.reason.isprintable()
    assert 0 <= proposal.confidence <= 1
    assert 0 <= proposal.delay_ms <= MAX_DELAY_MS


@pytest.mark.parametrize("with_opening", [False, True])
def test_the_json_schema_is_one_that_groq_accepts_as_strict(with_opening: bool) -> None:
    schema = answer_json_schema(SHOP.messages, with_opening)
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    assert ("opening" in schema["properties"]) == with_opening
    assert schema["properties"].keys() - {"opening"} == {*REQUIRED, "pick"}
    assert schema["properties"]["pick"]["enum"] == [*(message.id for message in SHOP.messages), "none"]
    for field in schema["properties"].values():
        assert field.keys() <= {"type", "enum"}
