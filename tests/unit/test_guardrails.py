"""The guardrails: only the owner's messages are shown, with a model's own words only if they claim nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testing.advice import example_shop
from tracker.decisions.decision import ByModel, Decision, Shown, Silence
from tracker.decisions.guardrails import checked
from tracker.decisions.language.lexicon import LANGUAGES, PLAIN_WORDS, fault_in_opening, fold
from tracker.decisions.language.plain_text import MAX_MESSAGE
from tracker.decisions.model.answer import MAX_OPENING
from tracker.decisions.proposal import ModelProposal, Proposal
from tracker.decisions.shop.messages import BUILT_IN_HELP, Message
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.signals import Signals
from tracker.llm.port import ModelAnswer

TODAY = date(2026, 9, 21)
OWN = example_shop()
MODEL = example_shop(wording="model")
SHOPPER = Signals(stage="cart", items_in_cart=7, dwell_s=133, pages=3)


def by_model(proposal: Proposal) -> ByModel:
    return ByModel(ModelProposal(proposal, ModelAnswer(text="", model="scripted", latency_ms=1)))


def check(
    message_id: str | None = "free-returns",
    shop: Shop = OWN,
    signals: Signals = SHOPPER,
    today: date = TODAY,
    **changes: Any,
) -> Decision:
    proposal = Proposal(**{"message_id": message_id, "reason": "because", **changes})
    return checked(proposal, by_model(proposal), shop, signals, today)


def shown(*arguments: Any, **changes: Any) -> Shown:
    decision = check(*arguments, **changes)
    assert isinstance(decision, Shown), decision
    return decision


def silent(*arguments: Any, **changes: Any) -> Silence:
    decision = check(*arguments, **changes)
    assert isinstance(decision, Silence), decision
    assert decision.fields()["message"] == ""
    return decision


def test_the_text_is_the_owners_message_word_for_word() -> None:
    decision = shown()
    assert (decision.text, decision.category) == ("Free returns within 30 days.", "info")
    assert (shown("welcome-10").category, shown("chat").category) == ("discount", "info")


def test_the_text_is_in_the_shoppers_language_or_in_the_shops_first() -> None:
    for locale, message in (
        ("de-AT", "Kostenlose Rückgabe innerhalb von 30 Tagen."),
        ("en-GB", "Free returns within 30 days."),
        ("ja", "Free returns within 30 days."),
        ("", "Free returns within 30 days."),
    ):
        assert shown(signals=Signals(items_in_cart=1, locale=locale)).text == message
    only_english = Message(id="plain", kind="fact", texts={"en": "We are a family of weavers."})
    shop = example_shop(messages=(only_english,))
    assert shown("plain", shop, Signals(locale="de")).text == only_english.texts["en"]
    built_in = shown("help", Shop(), Signals(items_in_cart=1, locale="pt-BR")).text
    assert built_in == BUILT_IN_HELP.texts["pt"]


def test_a_message_that_is_not_in_the_file_is_vetoed() -> None:
    decision = silent("free-money")
    assert decision.veto == "the pick is not in the shop's file"
    assert decision.trigger == "vetoed"


@pytest.mark.parametrize(
    ("today", "signals"),
    [
        (date(2025, 12, 31), Signals(items_in_cart=2)),
        (date(2028, 1, 1), Signals(items_in_cart=2)),
        (TODAY, Signals(items_in_cart=1)),
        (TODAY, Signals(items_in_cart=2, returning=True)),
    ],
)
def test_an_offer_that_does_not_apply_to_this_shopper_today_is_vetoed(today: date, signals: Signals) -> None:
    decision = silent("welcome-10", signals=signals, today=today)
    assert decision.veto == "welcome-10 does not apply to this shopper today"


def test_an_offer_applies_on_its_first_and_on_its_last_day() -> None:
    for today in (date(2026, 1, 1), date(2027, 12, 31)):
        assert shown("welcome-10", signals=Signals(items_in_cart=2), today=today).message.kind == "offer"


def test_a_message_for_some_stages_is_vetoed_at_others() -> None:
    assert shown("size-advice", signals=Signals(stage="product")).message.id == "size-advice"
    assert silent("size-advice", signals=Signals(stage="browsing")).veto is not None


def test_a_models_reason_never_leaves_but_its_confidence_and_delay_do() -> None:
    decision = shown(reason="Say 90% off!", confidence=0.25, delay_ms=777)
    assert "90" not in decision.reason
    assert decision.reason == ("7 in the cart, 133 s on 3 pages, no checkout yet: the model picked fact free-returns.")
    assert (decision.trigger, decision.confidence, decision.delay_ms) == (
        "items_in_cart",
        0.25,
        777,
    )
    nothing = silent(None, reason="Say 90% off!")
    assert nothing.veto is None
    assert nothing.trigger == "model_says_no"
    assert "90" not in nothing.reason


def test_the_reason_and_trigger_of_the_rules_are_kept() -> None:
    decision = shown(reason="7 items in the cart.", trigger="items_in_cart")
    assert (decision.reason, decision.trigger) == ("7 items in the cart.", "items_in_cart")


# --- a model's opening ------------------------------------------------------------------------------------------------


def test_an_opening_is_ignored_if_the_file_allows_the_owners_words_only() -> None:
    for opening in ("Hello!", "90% off everything!"):
        assert shown(opening=opening).text == "Free returns within 30 days."


@pytest.mark.parametrize(
    ("language", "opening"),
    [
        ("en", "Hi there! Can we help you with anything?"),
        ("en", "Still thinking about it?"),
        ("en", "Not sure which size to pick?"),
        ("de", "Hallo! Brauchst du noch Hilfe bei deiner Bestellung?"),
        ("de", "Noch unsicher?"),
        ("fr", "Bonjour, avez-vous besoin d\u2019aide ?"),
        ("fr", "Vous hésitez encore ?"),
        ("es", "¡Hola! ¿Te podemos ayudar en algo?"),
        ("it", "Ciao! Hai bisogno di aiuto?"),
        ("pt", "Olá! Podemos ajudar com alguma dúvida?"),
        ("nl", "Hoi, kunnen we je helpen?"),
    ],
)
def test_a_plain_greeting_or_question_is_let_through(language: str, opening: str) -> None:
    assert fault_in_opening(opening, language) is None
    message = Message(id="one", kind="fact", texts={language: "X."})
    shop = Shop(wording="model", languages=(language,), messages=(message,))
    assert shown("one", shop, opening=opening).text == f"{opening} X."


@pytest.mark.parametrize(
    ("language", "opening"),
    [
        ("en", "We pay for your order."),
        ("en", "No charge for you here."),
        ("en", "Have something on us."),
        ("en", "We are here for you: f r e e."),
        ("en", "Hello, za darmo for you."),
        ("en", "Hello, ilmaiseksi for you."),
        ("en", "Hi there, your order is half the price."),
        ("en", "Hello \u0445\u0430\u043b\u044f\u0432\u0430"),
        ("en", "Hello, have it f\u0433ee"),
        ("en", "Hello ¹⁰"),
        ("en", "Hello $"),
        ("en", "Hello ➊"),
        ("en", "Hi 💸"),
        ("en", "Hello fr\u200dee"),
        ("en", "Hello \u202eeerf"),
        ("en", "Hello ｆｒｅｅ"),
        ("en", "Hello FRÉÉ"),
        ("en", "Kostenlos hello"),
        ("de", "Hallo, das geht auf uns."),
        ("de", "Hallo, jetzt aber schnell!"),
        ("fr", "Bonjour, c'est cadeau."),
        ("es", "Hola, es gratis."),
        ("it", "Ciao, e gratis."),
        ("pt", "Ola, de graça."),
        ("nl", "Hoi, het is gratis."),
        ("en", "-"),
        ("en", "a " * 13),
    ],
)
def test_an_opening_that_claims_offers_presses_or_hides_is_vetoed(language: str, opening: str) -> None:
    assert fault_in_opening(opening, language) is not None
    shop = example_shop(wording="model", languages=LANGUAGES)
    decision = silent(shop=shop, signals=Signals(items_in_cart=7, locale=language), opening=opening)
    assert decision.veto is not None
    assert decision.veto.startswith("the model's opening holds")


def test_an_opening_that_would_make_the_text_too_long_is_left_out() -> None:
    text = "x" * (MAX_MESSAGE - 7)
    shop = Shop(wording="model", messages=(Message(id="long", kind="fact", texts={"en": text}),))
    assert shown("long", shop, opening="Hello!").text == f"Hello! {text}"
    assert shown("long", shop, opening="Hello hi").text == text


def test_no_plain_word_of_the_lexicon_is_a_claim_and_all_are_folded() -> None:
    assert PLAIN_WORDS.keys() == set(LANGUAGES)
    for language, words in PLAIN_WORDS.items():
        assert len(words) > 100
        for one in sorted(words):
            assert fault_in_opening(one, language) is None, (language, one)
            assert fold(one) == one


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_built_in_help_claims_nothing(language: str) -> None:
    assert fault_in_opening(BUILT_IN_HELP.texts[language], language) is None


def test_an_opening_in_a_regions_language_is_checked_by_the_words_of_the_language() -> None:
    assert fault_in_opening("Posso ajudar?", "pt-BR") is None
    assert fault_in_opening("Can we help?", "pt-BR") == "words that are not plain pt-BR"


@given(st.text(max_size=MAX_OPENING), st.sampled_from(LANGUAGES))
@example("Can we help?", "en")
@example("Hello! 40 % off", "en")
@example("Hallo \u202e!", "de")
def test_any_opening_is_vetoed_or_consists_of_plain_words(opening: str, language: str) -> None:
    shop = example_shop(wording="model", languages=LANGUAGES)
    decision = check(shop=shop, signals=Signals(items_in_cart=7, locale=language), opening=opening)
    if isinstance(decision, Silence):
        assert decision.veto
        return
    said = [text for text in decision.message.texts.values() if decision.text.endswith(text)]
    before = decision.text.removesuffix(said[0])
    assert len(decision.text) <= MAX_MESSAGE
    assert (
        set(fold(before).replace("'", " ").split()) <= {*PLAIN_WORDS[language], *"?!.,;:-'\"¿¡()"}
        or fault_in_opening(before.strip(), language) is None
    )


@given(
    st.builds(
        Proposal,
        message_id=st.sampled_from([*(one.id for one in OWN.messages), None, "help"]) | st.text(max_size=20),
        reason=st.text(max_size=50),
        opening=st.text(max_size=MAX_OPENING) | st.sampled_from(["Hello!", "Hallo!", "Can we help?"]),
        confidence=st.floats(0, 1),
        delay_ms=st.integers(0, 60_000),
    ),
    st.builds(
        Signals,
        items_in_cart=st.integers(0, 3),
        returning=st.booleans(),
        locale=st.sampled_from(["", "de", "fr"]),
    ),
    st.dates(date(2025, 1, 1), date(2029, 1, 1)),
    st.sampled_from([OWN, MODEL, Shop(), Shop(wording="model")]),
)
def test_any_proposal_becomes_a_message_that_applies_or_silence(
    proposal: Proposal, signals: Signals, today: date, shop: Shop
) -> None:
    decision = checked(proposal, by_model(proposal), shop, signals, today)
    if isinstance(decision, Shown):
        assert decision.message in shop.applicable(signals, today)
        assert any(decision.text.endswith(text) for text in decision.message.texts.values())
        assert len(decision.text) <= MAX_MESSAGE
    else:
        assert decision.fields()["message"] == ""
