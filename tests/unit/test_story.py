"""The story of a session says of each decided popup what became of it."""

from __future__ import annotations

import pytest

from testing.advice import NOON, documents_session, log_entry, with_event
from tracker.decisions.log.session_log import with_entry
from tracker.decisions.review.story import explain


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [
        (None, {}, 'decided for "May we help?", but no browser reported that it was drawn'),
        ("popup_shown", {"message_id": "help"}, 'showed "May we help?" ('),
        ("popup_dismissed", {"message_id": "help"}, 'showed "May we help?", which was closed'),
        ("popup_clicked", {"message_id": "help"}, 'showed "May we help?", which was clicked'),
        (
            "popup_dropped",
            {"message_id": "help", "why": "cart"},
            'decided for "May we help?", which was not drawn: the cart had changed',
        ),
        ("popup_dropped", {"message_id": "help", "why": "<b>"}, 'decided for "May we help?", which was not drawn ('),
        ("popup_shown", {"message_id": "chat"}, "but no browser reported that it was drawn"),
        ("popup_shown", {}, 'showed "May we help?" ('),
    ],
)
def test_what_became_of_a_popup(kind: str | None, keys: dict[str, str], expected: str) -> None:
    session = with_entry(documents_session(), log_entry(NOON, show=True))
    if kind is not None:
        session = with_event(session, kind, NOON + 2000, **keys)

    (line,) = [line for line in explain(session, NOON + 60_000) if "May we help?" in line]
    assert expected in line


def test_a_script_that_names_no_message_is_believed_once_for_each_report() -> None:
    session = with_entry(documents_session(), log_entry(NOON, show=True))
    session = with_entry(session, log_entry(NOON + 700_000, show=True))
    session = with_event(session, "popup_shown", NOON + 2000)

    told = [line for line in explain(session, NOON + 800_000) if "May we help?" in line]
    assert ["showed" in line for line in told] == [True, False]
