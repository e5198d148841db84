"""Files of example visits: what they may hold, and what is said about the ones that cannot be played."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tracker.decisions.rehearsal.example import ExampleError, read_examples, shipped_examples

GOOD: dict[str, Any] = {"id": "one", "locale": "en-GB", "timeline": [["view", "/"], ["stay", 20]]}


def fault_of(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(ExampleError) as error:
        read_examples(raw)
    return str(error.value)


def test_what_is_missing_has_a_plain_default() -> None:
    (example,) = read_examples(json.dumps([GOOD]).encode())

    assert (example.visit.visit, example.visit.device, example.visit.orders) == (1, "desktop", 0)
    assert example.label is None


def test_labels_are_kept_beside_the_visit_and_never_in_it() -> None:
    label = {"show": True, "picks": ["chat"], "delay_s": [0, 8]}
    (example,) = read_examples(json.dumps([{**GOOD, "label": label, "why": "Because.", "sure": 5}]).encode())

    assert example.label is not None
    assert example.label.picks == ("chat",)
    assert not hasattr(example.visit, "label")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff", "The file is not UTF-8: save it as UTF-8."),
        (b"[", "The file is not JSON: Expecting value in line 1."),
        (b"{}", "The file must hold a list of visits, each an object with id, locale and timeline."),
        (b"[]", "The file must hold a list of visits, each an object with id, locale and timeline."),
        (b"[1]", "Visit 1 is not an object with id, locale and timeline."),
        ([{**GOOD, "id": 7}], 'Visit 1 has no id: give it one, such as "reads-shipping".'),
        ([GOOD, GOOD], 'Visit 2: the id "one" is taken by a visit before it.'),
        ([{**GOOD, "locale": None}], 'Visit "one": "locale" must be a text such as en-GB.'),
        ([{**GOOD, "visit": 0}], 'Visit "one": "visit" must be a whole number from 1.'),
        ([{**GOOD, "device": "watch"}], 'Visit "one": "device" must be one of phone, tablet, desktop.'),
        ([{**GOOD, "timeline": []}], 'Visit "one" has no timeline: a list of steps such as ["view", "/cart"].'),
        (
            [{**GOOD, "timeline": [["stay", 3]]}],
            'Visit "one", step 1: a visit begins with a page, ["view", PATH], or yesterday\'s cart.',
        ),
        ([{**GOOD, "label": {"show": "yes"}}], 'Visit "one": the label\'s "show" must be true, false or "either".'),
        (
            [{**GOOD, "label": {"show": True}}],
            'Visit "one": the label wants a popup, so its "picks" must name the messages that are right.',
        ),
    ],
)
def test_fault_names_the_visit_and_what_it_should_be(content: object, expected: str) -> None:
    assert fault_of(content) == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (["clck", "#a"], 'there is no step "clck". Do you mean "click"?'),
        (["dance"], 'there is no step "dance". There are view, stay, wait, click, scroll, add, remove, setcart, hide'),
        (["stay"], '"stay" takes seconds.'),
        (["stay", "long"], '"stay" takes seconds.'),
        (["stay", True], '"stay" takes seconds.'),
        (["view", "cart"], '"view" takes a path that begins with /.'),
        (["add", 0], '"add" takes a number of items from 1.'),
        (["scroll", 101], '"scroll" takes a depth from 0 to 100.'),
        (["pixel", "paid"], '"pixel" takes checkout_started or checkout_completed.'),
        (["popup", "seen"], '"popup" takes shown, dismissed, clicked.'),
        (["exit", 1], '"exit" has no value.'),
        ("stay 3", 'is not a list that begins with the name of a step, such as ["stay", 20].'),
    ],
)
def test_fault_names_the_step(step: object, expected: str) -> None:
    said = fault_of([{**GOOD, "timeline": [["view", "/"], step]}])

    assert said.startswith('Visit "one", step 2')
    assert expected in said


def test_shipped_visits_are_about_a_dozen_each_with_its_story_in_words() -> None:
    examples = shipped_examples()

    assert 10 <= len(examples) <= 16
    assert all(example.why for example in examples)
    assert all(example.label is None for example in examples)
