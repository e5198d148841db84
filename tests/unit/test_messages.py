"""Messages: the shoppers whom each is for, and its language."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from testing.advice import NOON, documents_session, with_event
from tracker.decisions.shop.messages import BUILT_IN_HELP, Message, Money
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.signals import Signals, signals_of

TODAY = date(2026, 9, 21)


def message(**keys: Any) -> Message:
    return Message(**{"id": "one", "kind": "fact", "texts": {"en": "One."}, **keys})


def applies(one: Message, path: str = "/", **signals: Any) -> bool:
    return one.applies(Signals(page=PageName.parse(path), **signals), TODAY)


def test_items_in_the_cart_are_bounded_on_both_sides() -> None:
    two_to_four = message(min_items=2, max_items=4)
    assert [items for items in range(7) if applies(two_to_four, items_in_cart=items)] == [2, 3, 4]
    assert not applies(message(max_items=0), items_in_cart=1)


@pytest.mark.parametrize(
    ("total", "currency", "expected"),
    [(5990, "EUR", True), (5989, "EUR", False), (5990, "USD", False), (5990, "", False), (None, "", False)],
)
def test_value_of_the_cart_is_compared_in_its_currency(total: int | None, currency: str, expected: bool) -> None:
    assert applies(message(min_total=Money(5990, "EUR")), total=total, currency=currency) is expected


def test_value_without_a_currency_is_compared_in_any() -> None:
    assert applies(message(min_total=Money(5990)), total=6000, currency="USD")


@pytest.mark.parametrize(("path", "expected"), [("/products/a", True), ("/de/products/a", True), ("/cart", False)])
def test_pages_hold_in_every_language_of_the_shop(path: str, expected: bool) -> None:
    assert applies(message(pages=("/products/*",)), path) is expected


def test_first_order_counts_orders_and_without_a_count_visits() -> None:
    first = message(first_order=True)
    assert applies(first, orders=0)
    assert not applies(first, orders=2)
    assert applies(first)
    later = signals_of(with_event(documents_session(), "view", NOON, visit=2), NOON)
    assert not first.applies(later, TODAY)
    assert first.applies(replace(later, orders=0), TODAY)
    assert not message(first_visit=True).applies(replace(later, orders=0), TODAY)


def test_help_that_leads_nowhere_is_not_shown_on_the_cart_page() -> None:
    nowhere, somewhere = message(kind="help"), message(kind="help", opens="/pages/contact")
    for path in ("/cart", "/de/cart"):
        assert not applies(nowhere, path, items_in_cart=1)
        assert applies(somewhere, path, items_in_cart=1)
    assert applies(nowhere, "/products/a", items_in_cart=1)
    assert applies(message(), "/cart")


def test_message_is_not_shown_on_the_page_that_its_button_opens() -> None:
    contact = message(opens="/pages/contact?from=popup#form")
    assert not applies(contact, "/pages/contact")
    assert not applies(contact, "/fr/pages/contact")
    assert applies(contact, "/pages/faq")
    assert applies(message(opens="mailto:a@b.example"), "/pages/contact")


def test_built_in_help_leads_to_the_cart_from_every_other_page() -> None:
    assert applies(BUILT_IN_HELP, "/products/a", items_in_cart=1)
    assert not applies(BUILT_IN_HELP, "/cart", items_in_cart=1)
    assert not applies(BUILT_IN_HELP, "/fr/cart", items_in_cart=1)
    assert not applies(BUILT_IN_HELP, "/products/a")


def test_message_is_said_once_a_visit() -> None:
    shop = Shop(messages=(message(id="a"), message(id="b")))
    assert [one.id for one in shop.applicable(Signals(), TODAY)] == ["a", "b"]
    assert [one.id for one in shop.applicable(Signals(), TODAY, {"a"})] == ["b"]


@pytest.mark.parametrize(
    ("languages", "locale", "language", "speaks"),
    [
        (("en", "pt", "pt-BR"), "pt-BR", "pt-BR", True),
        (("en", "pt"), "pt-BR", "pt", True),
        (("en", "pt-BR"), "pt-PT", "pt-BR", True),
        (("en", "pt-BR"), "pt-br", "pt-BR", True),
        (("en", "zh-Hans", "zh-Hant"), "zh-TW", "zh-Hant", True),
        (("en", "zh-Hans", "zh-Hant"), "zh-CN", "zh-Hans", True),
        (("en", "zh-Hans", "zh-Hant"), "zh", "zh-Hans", True),
        (("en", "zh-Hant"), "zh-Hant-HK", "zh-Hant", True),
        (("ar", "en"), "ar-AE", "ar", True),
        (("en", "de"), "ja", "en", False),
        (("de", "en"), "", "de", True),
        ((), "pl", "en", False),
    ],
)
def test_language_is_the_one_that_fits_the_locale_best(
    languages: tuple[str, ...], locale: str, language: str, speaks: bool
) -> None:
    shop = Shop(languages=languages)
    assert (shop.language_for(locale), shop.speaks_to(locale)) == (language, speaks)
    assert Shop(languages=languages, other_languages="first").speaks_to(locale)


def test_text_and_button_are_in_the_same_language() -> None:
    both = message(texts={"en": "Ask.", "pt-BR": "Pergunte."}, button={"en": "Ask", "pt-BR": "Perguntar"})
    assert (both.text_in("pt-BR"), both.button_in("pt-BR")) == ("Pergunte.", "Perguntar")
    assert (both.text_in("ja"), both.button_in("ja")) == ("Ask.", "Ask")
    assert message().button_in("en") is None
