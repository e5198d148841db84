"""Conditions of rules: which values hold, and which faults are named."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from tracker.decisions.shop.conditions import parse_when
from tracker.decisions.shop.faults import Slip
from tracker.decisions.visit.owner_words import OWNER_WORDS, ConditionValue

READER: dict[str, ConditionValue] = {
    "items": 3,
    "total": 59.9,
    "currency": "EUR",
    "first_visit": False,
    "device": "phone",
    "language": "pt-BR",
    "page": "/de/cart",
    "read": ("/policies/shipping-policy", "/de/pages/faq"),
    "opened": ("/", "/products/linen-shirt"),
}


def holds(**when: Any) -> bool:
    return parse_when(when).holds(READER)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, True), (4, False), (3.0, True), (">= 3", True), (">=4", False), ("> 2", True), ("> 3", False),
        ("<= 3", True), ("< 3", False), ("< 4", True), ("= 3", True), ("== 3", True), ("!= 3", False), ("!= 4", True),
        ("3", True), ("2..5", True), ("4..5", False), ("3 .. 3", True), ([1, 3], True), ([1, "> 3"], False),
    ],
)  # fmt: skip
def test_number_is_compared(value: Any, expected: bool) -> None:
    assert holds(items=value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (59.9, True),
        (">= 59.90", True),
        (">= 60", False),
        (">= 50 EUR", True),
        (">= 50 eur", True),
        (">= 50 USD", False),
    ],
)
def test_total_is_compared_in_any_currency_or_in_the_one_that_is_named(value: Any, expected: bool) -> None:
    assert holds(total=value) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"page": "/cart"}, True),
        ({"page": "/de/cart"}, True),
        ({"page": "/c*"}, True),
        ({"page": "/car"}, False),
        ({"read": "/policies/shipping*"}, True),
        ({"read": "/pages/faq"}, True),
        ({"read": "/policies/refund*"}, False),
        ({"read": ["/policies/refund*", "*faq"]}, True),
        ({"opened": "/products/*-shirt"}, True),
        ({"opened": "/Products/*"}, False),
    ],
)
def test_path_matches_in_every_language_of_the_shop(when: dict[str, Any], expected: bool) -> None:
    assert holds(**when) is expected


def test_text_and_language_are_compared() -> None:
    assert holds(device="phone")
    assert holds(device=["desktop", "phone"])
    assert not holds(device="tablet")
    assert holds(language="pt")
    assert holds(language="pt-BR")
    assert not holds(language="pt-PT")
    assert not holds(language="en")


def test_all_keys_of_a_table_must_hold_and_any_and_not_combine_tables() -> None:
    assert holds(items=3, device="phone")
    assert not holds(items=3, device="tablet")
    assert holds(any=[{"items": 0}, {"device": "phone", "page": "/cart"}])
    assert not holds(any=[{"items": 0}, {"device": "phone", "page": "/"}])
    assert holds(**{"not": {"items": 0}})
    assert not holds(**{"not": {"items": 3, "device": "phone"}})
    assert parse_when({}).holds({})


def test_what_is_not_known_holds_for_nothing() -> None:
    for word, kind in ((word, known.kind) for word, known in OWNER_WORDS.items()):
        value: Any = {"number": ">= 0", "flag": False, "path": "*", "text": "en"}[kind]
        if kind == "text" and OWNER_WORDS[word].values:
            value = list(OWNER_WORDS[word].values)
        if word == "currency":
            value = "EUR"
        assert not parse_when({word: value}).holds({}), word
        assert parse_when({"not": {word: value}}).holds({}), word


@pytest.mark.parametrize(
    ("when", "key", "message", "new"),
    [
        ({"itmes": 1}, "itmes", 'did you mean "items"', "items"),
        ({"cart-looks": 1}, "cart-looks", 'did you mean "cart_looks"', "cart_looks"),
        ({"weather": "sun"}, "weather", "is no word of a rule; the words are: read, page", None),
        ({"items": True}, "items", 'is a number: write items = ">= 1"', '">= 1"'),
        ({"items": "many"}, "items", "must be a number such as 3", None),
        ({"items": "5..2"}, "items", "never holds", None),
        ({"items": []}, "items", "is an empty list", None),
        ({"items": ">= 3 EUR"}, "items", "EUR does not belong there", None),
        ({"total": ">= 59,90"}, "total", "a number has a point, not a comma", "9.90"),
        ({"items": float("nan")}, "items", "must be a number", None),
        ({"first_visit": "yes"}, "first_visit", "must be true or false", "true"),
        ({"first_visit": 0}, "first_visit", "must be true or false", "false"),
        ({"page": "cart"}, "page", "a path begins with /", "/cart"),
        ({"page": 7}, "page", "must be a path such as", None),
        ({"page": "/cart?x=1"}, "page", "must be a path such as", None),
        ({"device": "Phone"}, "device", 'did you mean "phone"', "phone"),
        ({"device": "toaster"}, "device", "must be one of: phone, tablet, desktop", None),
        ({"device": 1}, "device", 'must be a text in quotes, such as "phone"', None),
        ({"why": "turnaway"}, "why", 'did you mean "turn_away"', "turn_away"),
        ({"language": "german!"}, "language", "must be a language tag", None),
        ({"currency": "euro"}, "currency", "must be a currency such as EUR", None),
        ({"any": {"items": 1}}, "any", "must be a list of tables", None),
        ({"any": []}, "any", "must be a list of tables", None),
        ({"not": [1]}, "not", "must be a table", None),
        ({"not": {"itmes": 1}}, "not", 'did you mean "items"', "items"),
    ],
)
def test_fault_names_the_word_and_what_to_write(when: dict[str, Any], key: str, message: str, new: str | None) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_when(when)
    said: Any = caught.value.messages_dict[key]
    while isinstance(said, dict):
        (said,) = said.values()
    assert message in said[0]
    assert (said[0].new if isinstance(said[0], Slip) else None) == new


def test_all_faults_of_a_table_are_found_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        parse_when({"itmes": 1, "device": "phone", "first_visit": 1})
    assert set(caught.value.messages_dict) == {"itmes", "first_visit"}


def test_tables_inside_each_other_are_bounded() -> None:
    deep: dict[str, Any] = {"items": 1}
    for _ in range(20):
        deep = {"not": deep}
    with pytest.raises(ValidationError):
        parse_when(deep)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*OWNER_WORDS, "any", "not", "x"]), inner, max_size=3)
), max_leaves=8))  # fmt: skip
def test_anything_is_a_condition_or_a_fault(raw: Any) -> None:
    with contextlib.suppress(ValidationError):
        assert parse_when(raw).holds(READER) in (True, False)
