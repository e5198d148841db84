"""Which of the owner's sentences the rules pick, and when they stay silent."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.advice import example_shop
from tracker.decisions.guardrails import guarded
from tracker.decisions.messages import SILENT, Shop
from tracker.decisions.rules import LONG_DWELL_S, choose
from tracker.decisions.signals import SessionSummary, Stage

TODAY = date(2026, 9, 21)
SHOP = example_shop()
STAGES: list[Stage] = ["landed", "browsing", "product", "cart", "checkout_seen", "bought"]
SUMMARIES = st.builds(
    SessionSummary,
    stage=st.sampled_from(STAGES),
    items_in_cart=st.integers(0, 2**53) | st.integers(0, 3),
    dwell_s=st.integers(0, 2**53) | st.integers(0, 100),
    pages=st.integers(0, 200),
    events=st.integers(0, 10_000),
    hesitating=st.booleans(),
    returning=st.booleans(),
    locale=st.sampled_from(["", "de", "de-AT", "en-US", "ja"]),
)


def choice_of(summary: SessionSummary, shop: Shop = SHOP) -> tuple[str, str]:
    chosen = choose(summary, shop.applicable(summary, TODAY))
    return chosen.pick, chosen.trigger


def test_a_full_cart_a_long_stay_and_no_checkout_call_for_a_fact() -> None:
    summary = SessionSummary(stage="cart", items_in_cart=7, dwell_s=133, pages=3, events=3)
    chosen = choose(summary, SHOP.applicable(summary, TODAY))
    assert (chosen.pick, chosen.trigger) == ("free-returns", "items_in_cart")
    assert "7 items" in chosen.reason
    assert "133 s" in chosen.reason


def test_an_offer_is_for_those_who_hesitate_and_then_comes_first() -> None:
    hesitating = SessionSummary(stage="cart", items_in_cart=2, dwell_s=20, hesitating=True)
    assert choice_of(hesitating) == ("welcome-10", "hesitation")
    known = SessionSummary(stage="cart", items_in_cart=2, dwell_s=20, hesitating=True, returning=True)
    assert choice_of(known) == ("free-returns", "hesitation")


def test_a_shop_without_a_file_offers_help_and_one_with_nothing_to_say_is_silent() -> None:
    summary = SessionSummary(stage="cart", items_in_cart=1, dwell_s=LONG_DWELL_S)
    assert choice_of(summary, Shop()) == ("help", "items_in_cart")
    assert choice_of(summary, Shop(sentences=())) == (SILENT, "nothing_to_say")


def test_a_long_stay_begins_at_its_limit() -> None:
    assert choice_of(SessionSummary(items_in_cart=1, dwell_s=LONG_DWELL_S - 1, pages=1))[0] == SILENT
    summary = SessionSummary(items_in_cart=1, dwell_s=LONG_DWELL_S, pages=1)
    chosen = choose(summary, SHOP.applicable(summary, TODAY))
    assert chosen.pick == "free-returns"
    assert "1 item in" in chosen.reason


@pytest.mark.parametrize(
    ("summary", "trigger"),
    [
        (SessionSummary(), "browsing"),
        (SessionSummary(dwell_s=900, pages=4, events=30), "browsing"),
        (SessionSummary(items_in_cart=3, dwell_s=15), "still_shopping"),
    ],
)
def test_nothing_is_shown_where_help_is_not_wanted(summary: SessionSummary, trigger: str) -> None:
    assert choice_of(summary) == (SILENT, trigger)


@given(SUMMARIES)
def test_every_choice_says_why_and_passes_the_guard(summary: SessionSummary) -> None:
    chosen = choose(summary, SHOP.applicable(summary, TODAY))
    assert chosen.reason
    assert chosen.trigger
    worded = guarded(chosen, SHOP, summary, TODAY)
    assert worded.veto is None
    assert worded.decision.show_popup == (chosen.pick != SILENT)


@given(SUMMARIES)
def test_the_rules_say_nothing_but_the_owners_sentences_and_without_a_file_only_help(summary: SessionSummary) -> None:
    for shop in (SHOP, Shop()):
        message = guarded(choose(summary, shop.applicable(summary, TODAY)), shop, summary, TODAY).decision.message
        assert message in {"", *(text for sentence in shop.sentences for text in sentence.texts.values())}
        assert shop is SHOP or not any(sign.isdigit() or sign == "%" for sign in message)
