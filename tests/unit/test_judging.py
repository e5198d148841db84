"""What a rehearsed visit is worth by its label."""

from __future__ import annotations

from typing import Any

import pytest

from testing.advice import example_shop
from tracker.decisions.rehearsal.example import Example, ExampleVisit, Label
from tracker.decisions.rehearsal.judging import Judged, Verdict, score, verdict_of
from tracker.decisions.rehearsal.player import Drawn


@pytest.mark.parametrize(
    ("show", "said", "expected"),
    [
        (True, "chat", "right"),
        (True, "shipping", "wrong"),
        (True, None, "missed"),
        (False, "chat", "annoyed"),
        (False, None, "quiet"),
        ("either", "chat", "fine"),
        ("either", None, "fine"),
        ("either", "shipping", "wrong"),
    ],
)
def test_first_popup_decides_the_verdict(show: Any, said: str | None, expected: Verdict) -> None:
    drawn = [Drawn(at_s=30, message_id=said, language="en")] if said else []
    later = [Drawn(at_s=700, message_id="chat", language="en")] if said else []

    assert verdict_of(Label(show=show, picks=("chat",)), "en-GB", drawn + later, example_shop()) == expected


def test_right_message_in_another_language_is_wrong() -> None:
    label, shop = Label(show=True, picks=("chat",)), example_shop()

    assert verdict_of(label, "de-AT", [Drawn(at_s=30, message_id="chat", language="de")], shop) == "right"
    assert verdict_of(label, "de-AT", [Drawn(at_s=30, message_id="chat", language="en")], shop) == "wrong"


def test_score_counts_a_wrong_message_where_both_are_fine_apart() -> None:
    def judged(show: Any, verdict: Verdict) -> Judged:
        visit = ExampleVisit(id="one", locale="en", timeline=(("view", "/"),))
        return Judged(example=Example(visit=visit, label=Label(show=show)), verdict=verdict, said="", asked=1)

    found = score([judged(True, "right"), judged(True, "missed"), judged("either", "wrong"), judged(False, "annoyed")])

    assert (found.right, found.wrong, found.missed, found.annoyed) == (1, 0, 1, 1)
    assert (found.wanted, found.unwanted, found.wrong_either) == (2, 1, 1)
