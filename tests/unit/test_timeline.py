"""The timeline of a visit: what was done and decided, in order and in the owner's words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from testing.advice import NOON, documents_session, log_entry, with_event
from tracker.decisions.log.entry import LoggedPopup
from tracker.decisions.log.session_log import with_entry
from tracker.decisions.review.timeline import Moment, one_line, timeline
from tracker.sessions.model import ShopperSession


def decided(session: ShopperSession | None = None, **changes: Any) -> ShopperSession:
    entry = replace(log_entry(NOON, show="withheld" not in changes), **changes)
    return with_entry(session or documents_session(), entry)


def texts(session: ShopperSession) -> list[str]:
    return [one.text for one in timeline(session)]


def popup_of(session: ShopperSession) -> Moment:
    (found,) = [one for one in timeline(session) if one.words]
    return found


def test_pages_acts_and_decisions_stand_in_the_order_of_time() -> None:
    session = with_event(decided(), "exit_intent", NOON + 5_000)

    assert texts(session) == [
        "Opened the first page",
        "Opened the cart",
        "A popup was decided for: because.",
        "Moved to leave",
    ]


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [
        (None, {}, "No browser reported that it was drawn."),
        ("popup_shown", {"message_id": "help"}, "It was shown."),
        ("popup_shown", {}, "It was shown."),
        ("popup_clicked", {"message_id": "help"}, "It was clicked."),
        ("popup_dismissed", {"message_id": "help"}, "It was closed."),
        ("popup_dropped", {"message_id": "help", "why": "cart"}, "It was not drawn: the cart had changed."),
        ("popup_dropped", {"message_id": "help", "why": "<b>"}, "It was not drawn."),
        ("popup_shown", {"message_id": "other"}, "No browser reported that it was drawn."),
    ],
)
def test_what_became_of_a_popup_is_told(kind: str | None, keys: dict[str, str], expected: str) -> None:
    session = decided()
    if kind is not None:
        session = with_event(session, kind, NOON + 2000, **keys)

    assert popup_of(session).notes[0] == expected
    assert popup_of(session).words == "May we help?"


def test_a_held_shopper_is_told_with_what_would_have_been_said() -> None:
    withheld = LoggedPopup(message_id="shipping", text="Two days.", category="info", delay_ms=0)
    reason = 'Held back, to compare with browsers that are shown popups. Else "shipping": The rule in line 3 holds.'
    found = popup_of(decided(withheld=withheld, reason=reason))

    assert (found.kind, found.words) == ("held", "Two days.")
    assert found.text == "We would have said this now: the rule in line 3 holds."
    assert "sees no popups" in found.notes[0]


def test_the_same_silence_again_is_told_once() -> None:
    session = documents_session()
    for number in range(3):
        session = with_entry(session, log_entry(NOON + number * 60_000))

    assert texts(session).count("Nothing was shown: because.") == 1


def test_a_browser_whose_clock_is_behind_is_told_by_the_clock_of_the_service() -> None:
    session = decided(skew_ms=3_600_000)
    first = timeline(session)[0]

    assert first.at_ms == NOON - 60_000 + 3_600_000 or first.kind == "popup"
    assert {one.at_ms for one in timeline(session)} == {NOON, NOON + 3_540_000, NOON + 3_595_000}


def test_one_line_says_where_the_visit_came_to_and_what_became_of_its_popup() -> None:
    session = with_event(decided(), "popup_clicked", NOON + 2000, message_id="help")

    assert one_line(session, NOON + 60_000) == "Has 7 items in the cart: 3 pages in 2 min, clicked a popup."
