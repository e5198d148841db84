"""The fields of a decision's answer, and the texts that may reach a shopper."""

from __future__ import annotations

import pytest
from marshmallow import ValidationError

from testing.advice import ANSWER_KEYS
from tracker.decisions.eligibility import silence
from tracker.decisions.language.plain_text import require_plain_text


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
    ],
)
def test_markup_links_and_hidden_characters_are_refused(message: str) -> None:
    with pytest.raises(ValidationError):
        require_plain_text(message)


@pytest.mark.parametrize(
    "message",
    [
        "Hmm... need a hand? We would like to help, e.g. with your order.",
        "Besoin d\u2019aide\u00a0? Nous sommes là !",
        "お手伝いしましょうか。お気軽にどうぞ。",
        "می\u200cخواهید کمکتان کنیم؟",
        "Benötigen Sie Hilfe? 👩\u200d💻",
        "هل تحتاج إلى مساعدة؟",
        "10 % auf deine erste Bestellung mit dem Code WELCOME10.",
    ],
)
def test_plain_text_of_any_language_is_accepted(message: str) -> None:
    require_plain_text(message)


def test_silence_has_the_seven_fields_and_an_empty_message() -> None:
    answer = silence("too early", "too_early").fields()
    assert answer.keys() == ANSWER_KEYS
    assert answer == {
        "show_popup": False,
        "message": "",
        "reason": "too early",
        "category": "none",
        "trigger": "too_early",
        "confidence": 1.0,
        "delay_ms": 0,
    }
