"""What is proposed without a model: by the owner's rules, by the scorecard, and for a script that tells too little."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.advice import NOON, example_shop
from tracker.decisions.case import Case
from tracker.decisions.decision import ByRules, Shown, Silence
from tracker.decisions.guardrails import checked
from tracker.decisions.proposal import Proposal
from tracker.decisions.rules import propose_by_rules
from tracker.decisions.scorecard.plain_rule import LONG_DWELL_S, propose_plainly
from tracker.decisions.scorecard.proposing import answers_of, best_of, propose
from tracker.decisions.scorecard.scorecard import Card, Scorecard, shipped
from tracker.decisions.shop.conditions import parse_when
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.shop import Rule, Shop
from tracker.decisions.visit.acts import TOPICS
from tracker.decisions.visit.numbers import WORDS
from tracker.decisions.visit.signals import Signals, Stage, Why
from tracker.sessions.model import Event, ShopperSession

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
    locale=st.sampled_from(["", "de", "de-AT", "en-US"]),
)


def plain(signals: Signals, shop: Shop = SHOP) -> Proposal:
    return propose_plainly(signals, shop.applicable(signals, TODAY))


def proposed(signals: Signals, shop: Shop = SHOP) -> tuple[str | None, str]:
    proposal = plain(signals, shop)
    return proposal.message_id, proposal.trigger


# --- a script that tells too little -----------------------------------------------------------------------------------


def test_a_full_cart_and_a_long_stay_without_checkout_propose_a_fact() -> None:
    proposal = plain(Signals(stage="cart", items_in_cart=7, dwell_s=133, pages=3, events=3))
    assert (proposal.message_id, proposal.trigger) == ("free-returns", "items_in_cart")
    assert "7 items" in proposal.reason
    assert "133 s" in proposal.reason


def test_an_offer_is_proposed_first_to_a_shopper_who_hesitates() -> None:
    hesitating = Signals(stage="cart", items_in_cart=2, dwell_s=20, hesitating=True)
    assert proposed(hesitating) == ("welcome-10", "hesitation")
    known = Signals(stage="cart", items_in_cart=2, dwell_s=20, hesitating=True, visit=2, returning=True)
    assert proposed(known) == ("free-returns", "hesitation")


def test_a_message_about_what_the_shopper_looked_for_goes_before_the_first_of_the_file() -> None:
    looked = Signals(stage="cart", items_in_cart=1, dwell_s=90, numbers={"share_shipping": 50.0, "share_size": 20.0})
    assert proposed(looked) == ("shipping", "items_in_cart")


def test_a_shop_without_a_file_proposes_help_and_one_without_messages_silence() -> None:
    signals = Signals(stage="cart", items_in_cart=1, dwell_s=LONG_DWELL_S)
    assert proposed(signals, Shop()) == ("help", "items_in_cart")
    assert proposed(signals, Shop(messages=())) == (None, "nothing_to_say")


def test_a_long_stay_begins_exactly_at_its_limit() -> None:
    assert proposed(Signals(items_in_cart=1, dwell_s=LONG_DWELL_S - 1, pages=1))[0] is None
    proposal = plain(Signals(items_in_cart=1, dwell_s=LONG_DWELL_S, pages=1))
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
    proposal = plain(signals)
    assert proposal.reason
    assert proposal.trigger
    decision = checked(proposal, ByRules(), SHOP, signals, TODAY)
    assert isinstance(decision, Shown) == (proposal.message_id is not None)
    assert not isinstance(decision, Silence) or decision.veto is None


@given(SIGNALS)
def test_only_the_owners_messages_are_shown_and_without_a_file_only_help(signals: Signals) -> None:
    for shop in (SHOP, Shop()):
        text = checked(plain(signals, shop), ByRules(), shop, signals, TODAY).fields()["message"]
        assert text in {"", *(text for message in shop.messages for text in message.texts.values())}
        assert shop is SHOP or not any(sign.isdigit() or sign == "%" for sign in text)


# --- the scorecard ----------------------------------------------------------------------------------------------------


def message(message_id: str, *about: Any, kind: Any = "fact", **more: Any) -> Message:
    return Message(id=message_id, kind=kind, texts={"en": f"About {message_id}."}, about=frozenset(about), **more)


SHIPPING, BULK, CHAT = message("shipping", "shipping"), message("bulk", "quantity", kind="help"), message("chat")


def test_help_with_a_large_order_is_another_answer_than_an_offer_for_three_pieces() -> None:
    assert answers_of(BULK) == ("quote",)
    assert answers_of(message("trio", "quantity", kind="offer")) == ("quantity",)
    assert answers_of(CHAT) == ()


def test_the_message_that_is_most_likely_right_is_said_and_of_equals_the_one_about_fewer_things() -> None:
    about: dict[str, float] = dict.fromkeys([*TOPICS, "quote"], 0.1) | {"shipping": 0.7}
    all_round = message("all", "shipping", "returns")
    assert best_of(about, [all_round, SHIPPING, BULK]) == (SHIPPING, 0.7)
    assert best_of(about, [CHAT]) == (None, 0.0), "a message about nothing is said by a rule or a model only"
    assert best_of(about, []) == (None, 0.0)


def scorecard(helps: float) -> Scorecard:
    """Return a scorecard by which every page adds `helps` to the score, and shipping is always right."""
    sure = Card(30.0, {})
    answers = {answer: sure if answer == "shipping" else Card(-30.0, {}) for answer in (*TOPICS, "quote")}
    return Scorecard(
        caps={"seen_before": 3.0},
        typical={"seen_before": 0.0},
        help=Card(0.0, {"seen_before": helps}),
        answers=answers,
        thresholds={"eager": 0.6, "balanced": 0.8, "discreet": 0.9},
    )


def seen_again(times: float, why: Why = "idle") -> Signals:
    return Signals(numbers=dict.fromkeys(WORDS, 0.0) | {"seen_before": times}, why=why, items_in_cart=1)


@pytest.mark.parametrize(("times", "shown"), [(0, 0), (1, 1), (2, 2), (3, 3), (99, 3)])
def test_a_discreet_shop_asks_for_more_certainty_than_an_eager_one(times: float, shown: int) -> None:
    said = [
        propose(scorecard(0.75), discretion, seen_again(times), [SHIPPING]).message_id
        for discretion in ("eager", "balanced", "discreet")
    ]
    assert said == ["shipping"] * shown + [None] * (3 - shown)


def test_a_proposal_of_the_scorecard_gives_its_reasons_in_words() -> None:
    proposal = propose(scorecard(0.75), "eager", seen_again(2), [SHIPPING])
    assert proposal.reason == "has seen this page twice before: 82% likely that shipping helps now."
    assert (proposal.trigger, proposal.confidence) == ("seen_before", 0.82)
    silent = propose(scorecard(0.75), "discreet", seen_again(2), [SHIPPING])
    assert "has seen this page twice before: 82% likely" in silent.reason
    assert silent.trigger == "unlikely_to_help"


def test_a_page_just_opened_or_come_back_to_is_seen_before_the_popup() -> None:
    whys: tuple[Why, ...] = ("turn_away", "back", "exit", "idle", "again", "cart", "")
    delays = [propose(scorecard(0.75), "eager", seen_again(2, why), [SHIPPING]).delay_ms for why in whys]
    assert delays == [3000, 3000, 0, 0, 0, 0, 0]


def test_before_the_first_page_the_scorecard_says_nothing() -> None:
    assert propose(shipped(), "eager", Signals(), [SHIPPING]).trigger == "no_page"


def test_the_shipped_scorecard_knows_every_number_by_its_words() -> None:
    card = shipped()
    assert set(card.caps) <= set(WORDS)
    assert set(card.help.weights) <= set(card.caps)
    assert all(set(one.weights) <= set(card.caps) for one in card.answers.values())
    assert card.thresholds["eager"] < card.thresholds["balanced"] < card.thresholds["discreet"]


# --- the owner's rules ------------------------------------------------------------------------------------------------


def rule(when: dict[str, Any], *say: str, delay_s: int | None = None, line: int = 7) -> Rule:
    return Rule(when=parse_when(when), say=say, delay_s=delay_s, line=line)


def case_of(rules: Sequence[Rule], *events: Event, items: int = 2, why: Why = "idle") -> Case:
    view: Event = {"type": "view", "ts": NOON - 90_000, "visit": 1}
    pages = {"/policies/shipping-policy": [view], "/cart": [{"type": "view", "ts": NOON - 60_000}, *events]}
    session = ShopperSession(
        session="a-session", items_in_cart=items, time_on_page={"/cart": 90_000}, events=pages, updated_at=NOON
    )
    shop = Shop(messages=(SHIPPING, BULK, message("trio", "quantity", max_items=2)), rules=tuple(rules))
    return Case.of(session, shop, NOON, why)


READ_SHIPPING = {"read": "/policies/shipping*"}


def test_the_first_rule_that_holds_decides() -> None:
    case = case_of([rule({"items": "> 9"}, "trio"), rule(READ_SHIPPING, "shipping"), rule({"items": 2}, "trio")])
    proposal = propose_by_rules(case, shipped())
    assert (proposal.message_id, proposal.trigger) == ("shipping", "rule")
    assert "line 7" in proposal.reason


def test_a_rule_says_its_first_message_that_may_be_said_now() -> None:
    shown: Event = {"type": "popup_shown", "ts": NOON - 30_000, "message_id": "shipping"}
    both = [rule(READ_SHIPPING, "shipping", "trio")]
    assert propose_by_rules(case_of(both), shipped()).message_id == "shipping"
    assert propose_by_rules(case_of(both, shown), shipped()).message_id == "trio"
    assert case_of(both, shown, items=3).rule is None, "trio is for two items at most: the rule has nothing to say"


def test_a_rule_that_has_nothing_left_to_say_leaves_it_to_the_next() -> None:
    shown: Event = {"type": "popup_shown", "ts": NOON - 30_000, "message_id": "shipping"}
    case = case_of([rule(READ_SHIPPING, "shipping"), rule({"items": ">= 1"}, "trio")], shown)
    assert propose_by_rules(case, shipped()).message_id == "trio"


def test_a_rule_without_messages_is_silence() -> None:
    case = case_of([rule({"page": "/cart"}), rule(READ_SHIPPING, "shipping")])
    proposal = propose_by_rules(case, shipped())
    assert (proposal.message_id, proposal.trigger) == (None, "rule")


@pytest.mark.parametrize(("delay_s", "why", "delay_ms"), [(None, "back", 3000), (None, "idle", 0), (5, "back", 5000)])
def test_a_rules_own_delay_goes_before_that_of_the_moment(delay_s: int | None, why: Why, delay_ms: int) -> None:
    case = case_of([rule(READ_SHIPPING, "shipping", delay_s=delay_s)], why=why)
    assert propose_by_rules(case, shipped()).delay_ms == delay_ms
