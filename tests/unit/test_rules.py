"""The messages that the local rules propose, and when they propose silence."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.advice import example_shop
from tracker.decisions.decision import ByRules, Shown, Silence
from tracker.decisions.guardrails import checked
from tracker.decisions.rules import LONG_DWELL_S, propose
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.signals import Signals, Stage

TODAY = date(2026, 9, 21)
SHOP = example_shop()
STAGES: list[Stage] = ["landed", "browsing", "product", "cart", "checkout_seen", "bought"]
SIGNALS = st.builds(
    Signals,
    stage=st.sampled_from(STAGES),
    items_in_cart=st.integers(0, 2**53) | st.integers(0, 3),
    dwell_s=st.integers(0, 2**53) | st.integers(0, 100),
    pages=st.integers(0, 200),
    events=st.integers(0, 10_000),
    hesitating=st.booleans(),
    returning=st.booleans(),
    locale=st.sampled_from(["", "de", "de-AT", "en-US", "ja"]),
)


def proposed(signals: Signals, shop: Shop = SHOP) -> tuple[str | None, str]:
    proposal = propose(signals, shop.applicable(signals, TODAY))
    return proposal.message_id, proposal.trigger


def test_a_full_cart_and_a_long_stay_without_checkout_propose_a_fact() -> None:
    signals = Signals(stage="cart", items_in_cart=7, dwell_s=133, pages=3, events=3)
    proposal = propose(signals, SHOP.applicable(signals, TODAY))
    assert (proposal.message_id, proposal.trigger) == ("free-returns", "items_in_cart")
    assert "7 items" in proposal.reason
    assert "133 s" in proposal.reason


def test_an_offer_is_proposed_first_to_a_shopper_who_hesitates() -> None:
    hesitating = Signals(stage="cart", items_in_cart=2, dwell_s=20, hesitating=True)
    assert proposed(hesitating) == ("welcome-10", "hesitation")
    known = Signals(stage="cart", items_in_cart=2, dwell_s=20, hesitating=True, returning=True)
    assert proposed(known) == ("free-returns", "hesitation")


def test_a_shop_without_a_file_proposes_help_and_one_without_messages_silence() -> None:
    signals = Signals(stage="cart", items_in_cart=1, dwell_s=LONG_DWELL_S)
    assert proposed(signals, Shop()) == ("help", "items_in_cart")
    assert proposed(signals, Shop(messages=())) == (None, "nothing_to_say")


def test_a_long_stay_begins_exactly_at_its_limit() -> None:
    assert proposed(Signals(items_in_cart=1, dwell_s=LONG_DWELL_S - 1, pages=1))[0] is None
    signals = Signals(items_in_cart=1, dwell_s=LONG_DWELL_S, pages=1)
    proposal = propose(signals, SHOP.applicable(signals, TODAY))
    assert proposal.message_id == "free-returns"
    assert "1 item in" in proposal.reason


@pytest.mark.parametrize(
    ("signals", "trigger"),
    [
        (Signals(), "browsing"),
        (Signals(dwell_s=900, pages=4, events=30), "browsing"),
        (Signals(items_in_cart=3, dwell_s=15), "still_shopping"),
    ],
)
def test_silence_is_proposed_without_a_cart_or_without_hesitation(signals: Signals, trigger: str) -> None:
    assert proposed(signals) == (None, trigger)


@given(SIGNALS)
def test_every_proposal_has_a_reason_and_passes_the_guardrails(signals: Signals) -> None:
    proposal = propose(signals, SHOP.applicable(signals, TODAY))
    assert proposal.reason
    assert proposal.trigger
    decision = checked(proposal, ByRules(), SHOP, signals, TODAY)
    assert isinstance(decision, Shown) == (proposal.message_id is not None)
    assert not isinstance(decision, Silence) or decision.veto is None


@given(SIGNALS)
def test_the_rules_show_only_the_owners_messages_and_without_a_file_only_help(signals: Signals) -> None:
    for shop in (SHOP, Shop()):
        proposal = propose(signals, shop.applicable(signals, TODAY))
        text = checked(proposal, ByRules(), shop, signals, TODAY).fields()["message"]
        assert text in {"", *(text for message in shop.messages for text in message.texts.values())}
        assert shop is SHOP or not any(sign.isdigit() or sign == "%" for sign in text)
