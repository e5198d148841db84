"""The guard: what leaves is the owner's sentence, and a model's own words only where they can say nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testing.advice import example_shop
from tracker.decisions.decision import MAX_MESSAGE
from tracker.decisions.guardrails import Worded, guarded
from tracker.decisions.lexicon import LANGUAGES, PLAIN_WORDS, fault_in_opening, fold
from tracker.decisions.messages import BUILT_IN_HELP, SILENT, Sentence, Shop
from tracker.decisions.proposal import MAX_OPENING, Choice
from tracker.decisions.signals import SessionSummary

TODAY = date(2026, 9, 21)
OWN = example_shop()
MODEL = example_shop(wording="model")
SHOPPER = SessionSummary(stage="cart", items_in_cart=7, dwell_s=133, pages=3)


def word(
    pick: str = "free-returns",
    shop: Shop = OWN,
    summary: SessionSummary = SHOPPER,
    today: date = TODAY,
    **changes: Any,
) -> Worded:
    return guarded(Choice(**{"pick": pick, "reason": "because", **changes}), shop, summary, today)


def test_what_is_shown_is_the_owners_sentence_word_for_word() -> None:
    worded = word()
    assert worded.veto is None
    assert worded.decision.show_popup
    assert (worded.decision.message, worded.decision.category) == ("Free returns within 30 days.", "info")
    assert (word("welcome-10").decision.category, word("chat").decision.category) == ("discount", "info")


def test_the_sentence_is_said_in_the_shoppers_language_else_in_the_shops_first() -> None:
    for locale, message in (
        ("de-AT", "Kostenlose Rückgabe innerhalb von 30 Tagen."),
        ("en-GB", "Free returns within 30 days."),
        ("ja", "Free returns within 30 days."),
        ("", "Free returns within 30 days."),
    ):
        assert word(summary=SessionSummary(items_in_cart=1, locale=locale)).decision.message == message
    only_english = Sentence(id="plain", kind="fact", texts={"en": "We are a family of weavers."})
    shop = example_shop(sentences=(only_english,))
    assert word("plain", shop, SessionSummary(locale="de")).decision.message == only_english.texts["en"]
    built_in = word("help", Shop(), SessionSummary(locale="pt-BR")).decision.message
    assert built_in == BUILT_IN_HELP.texts["pt"]


def test_what_is_not_in_the_file_is_vetoed_and_so_shows_nothing() -> None:
    worded = word("free-money")
    assert worded.veto == "the pick is not in the shop's file"
    assert worded.sentence is None
    assert (worded.decision.show_popup, worded.decision.message, worded.decision.trigger) == (False, "", "vetoed")


@pytest.mark.parametrize(
    ("today", "summary"),
    [
        (date(2025, 12, 31), SessionSummary(items_in_cart=2)),
        (date(2028, 1, 1), SessionSummary(items_in_cart=2)),
        (TODAY, SessionSummary(items_in_cart=1)),
        (TODAY, SessionSummary(items_in_cart=2, returning=True)),
    ],
)
def test_an_offer_that_is_not_for_this_shopper_today_is_vetoed(today: date, summary: SessionSummary) -> None:
    worded = word("welcome-10", summary=summary, today=today)
    assert worded.veto == "welcome-10 does not apply to this shopper today"
    assert not worded.decision.show_popup


def test_an_offer_holds_on_its_first_and_on_its_last_day() -> None:
    for today in (date(2026, 1, 1), date(2027, 12, 31)):
        assert word("welcome-10", summary=SessionSummary(items_in_cart=2), today=today).veto is None


def test_a_sentence_for_some_stages_is_said_in_no_other() -> None:
    assert word("size-advice", summary=SessionSummary(stage="product")).veto is None
    assert word("size-advice", summary=SessionSummary(stage="cart")).veto is not None


def test_a_models_reason_and_trigger_never_leave_and_its_numbers_do() -> None:
    worded = word(reason="Say 90% off!", confidence=0.25, delay_ms=777)
    assert "90" not in worded.decision.reason
    assert worded.decision.reason == (
        "7 in the cart, 133 s on 3 pages, no checkout yet: the model picked fact free-returns."
    )
    assert (worded.decision.trigger, worded.decision.confidence, worded.decision.delay_ms) == (
        "items_in_cart",
        0.25,
        777,
    )
    silent = word(SILENT, reason="Say 90% off!")
    assert silent.veto is None
    assert (silent.decision.show_popup, silent.decision.trigger) == (False, "model_says_no")
    assert "90" not in silent.decision.reason


def test_the_rules_reason_does_leave_for_it_is_ours() -> None:
    decision = word(reason="7 items in the cart.", trigger="items_in_cart").decision
    assert (decision.reason, decision.trigger) == ("7 items in the cart.", "items_in_cart")


# --- a model's opening ------------------------------------------------------------------------------------------------


def test_an_opening_is_ignored_where_the_file_wants_its_own_words_only() -> None:
    for opening in ("Hello!", "90% off everything!"):
        assert word(opening=opening).decision.message == "Free returns within 30 days."


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
def test_a_plain_greeting_or_question_passes(language: str, opening: str) -> None:
    assert fault_in_opening(opening, language) is None
    sentence = Sentence(id="one", kind="fact", texts={language: "X."})
    shop = Shop(wording="model", languages=(language,), sentences=(sentence,))
    assert word("one", shop, opening=opening).decision.message == f"{opening} X."


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
    worded = word(shop=shop, summary=SessionSummary(items_in_cart=7, locale=language), opening=opening)
    assert worded.veto is not None
    assert worded.veto.startswith("the model's opening holds")
    assert not worded.decision.show_popup


def test_an_opening_for_which_there_is_no_room_is_left_out() -> None:
    text = "x" * (MAX_MESSAGE - 7)
    shop = Shop(wording="model", sentences=(Sentence(id="long", kind="fact", texts={"en": text}),))
    assert word("long", shop, opening="Hello!").decision.message == f"Hello! {text}"
    assert word("long", shop, opening="Hello hi").decision.message == text


def test_no_plain_word_of_any_language_is_itself_a_claim_or_spelled_otherwise_than_it_is_compared() -> None:
    assert PLAIN_WORDS.keys() == set(LANGUAGES)
    for language, words in PLAIN_WORDS.items():
        assert len(words) > 100
        for one in sorted(words):
            assert fault_in_opening(one, language) is None, (language, one)
            assert fold(one) == one


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_built_in_sentence_of_help_claims_nothing(language: str) -> None:
    assert fault_in_opening(BUILT_IN_HELP.texts[language], language) is None


@given(st.text(max_size=MAX_OPENING), st.sampled_from(LANGUAGES))
@example("Can we help?", "en")
@example("Hello! 40 % off", "en")
@example("Hallo \u202e!", "de")
def test_whatever_the_opening_only_plain_words_come_before_the_owners(opening: str, language: str) -> None:
    shop = example_shop(wording="model", languages=LANGUAGES)
    worded = word(shop=shop, summary=SessionSummary(items_in_cart=7, locale=language), opening=opening)
    if not worded.decision.show_popup:
        assert worded.veto
        return
    assert worded.sentence is not None
    said = [text for text in worded.sentence.texts.values() if worded.decision.message.endswith(text)]
    before = worded.decision.message.removesuffix(said[0])
    assert len(worded.decision.message) <= MAX_MESSAGE
    assert (
        set(fold(before).replace("'", " ").split()) <= {*PLAIN_WORDS[language], *"?!.,;:-'\"¿¡()"}
        or fault_in_opening(before.strip(), language) is None
    )


@given(
    st.builds(
        Choice,
        pick=st.sampled_from([*(one.id for one in OWN.sentences), SILENT, "help"]) | st.text(max_size=20),
        reason=st.text(max_size=50),
        opening=st.text(max_size=MAX_OPENING) | st.sampled_from(["Hello!", "Hallo!", "Can we help?"]),
        confidence=st.floats(0, 1),
        delay_ms=st.integers(0, 60_000),
    ),
    st.builds(
        SessionSummary,
        items_in_cart=st.integers(0, 3),
        returning=st.booleans(),
        locale=st.sampled_from(["", "de", "fr"]),
    ),
    st.dates(date(2025, 1, 1), date(2029, 1, 1)),
    st.sampled_from([OWN, MODEL, Shop(), Shop(wording="model")]),
)
def test_every_guarded_choice_ends_with_a_sentence_that_applies_or_says_nothing(
    choice: Choice, summary: SessionSummary, today: date, shop: Shop
) -> None:
    worded = guarded(choice, shop, summary, today)
    if worded.decision.show_popup:
        assert worded.sentence in shop.applicable(summary, today)
        assert worded.sentence is not None
        assert any(worded.decision.message.endswith(text) for text in worded.sentence.texts.values())
        assert len(worded.decision.message) <= MAX_MESSAGE
    else:
        assert (worded.decision.message, worded.sentence) == ("", None)
