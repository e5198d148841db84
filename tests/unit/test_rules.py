"""When the rules offer help, and when they stay silent."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.askai.decision import PopupDecisionSchema
from tracker.askai.rules import EARLY_S, LONG_DWELL_S, decide
from tracker.askai.summary import SessionSummary

SUMMARIES = st.builds(
    SessionSummary,
    items_in_cart=st.integers(0, 2**53),
    dwell_s=st.integers(0, 2**53) | st.integers(0, 100),
    pages=st.integers(0, 200),
    events=st.integers(0, 10_000),
    checkout_seen=st.booleans(),
    cart_emptied=st.booleans(),
)


def test_a_full_cart_a_long_stay_and_no_checkout_call_for_an_offer_of_help() -> None:
    decision = decide(SessionSummary(items_in_cart=7, dwell_s=133, pages=3, events=3))
    assert (decision.show_popup, decision.category, decision.trigger) == (True, "info", "items_in_cart")
    assert "7 items" in decision.reason
    assert "133 s" in decision.reason


def test_a_long_stay_begins_at_its_limit() -> None:
    assert not decide(SessionSummary(items_in_cart=1, dwell_s=LONG_DWELL_S - 1, pages=1)).show_popup
    decision = decide(SessionSummary(items_in_cart=1, dwell_s=LONG_DWELL_S, pages=1))
    assert decision.show_popup
    assert "1 item in" in decision.reason


@pytest.mark.parametrize(
    ("summary", "trigger"),
    [
        (SessionSummary(), "too_early"),
        (SessionSummary(items_in_cart=3, dwell_s=EARLY_S - 1), "too_early"),
        (SessionSummary(items_in_cart=3, dwell_s=EARLY_S), "still_shopping"),
        (SessionSummary(items_in_cart=3, dwell_s=900, checkout_seen=True), "checkout"),
        (SessionSummary(dwell_s=900, pages=4, events=30, cart_emptied=True), "cart_emptied"),
        (SessionSummary(dwell_s=900, pages=1, events=1), "bounce"),
        (SessionSummary(dwell_s=900, pages=4, events=30), "browsing"),
    ],
)
def test_nothing_is_shown_where_help_is_not_wanted(summary: SessionSummary, trigger: str) -> None:
    decision = decide(summary)
    assert (decision.show_popup, decision.message, decision.trigger) == (False, "", trigger)


@given(SUMMARIES)
def test_every_decision_is_valid_and_says_why(summary: SessionSummary) -> None:
    decision = decide(summary)
    assert PopupDecisionSchema().validate(decision.to_answer()) == {}
    assert decision.reason


@given(SUMMARIES)
def test_no_message_claims_or_promises_anything(summary: SessionSummary) -> None:
    message = decide(summary).message
    assert not re.search(
        r"\d|%|free|off\b|discount|code|return|ship|deliver|guarantee|today|now|last|only|we ", message, re.IGNORECASE
    )
