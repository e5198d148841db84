"""The signals of a session, and what they leave out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.decisions.visit.facts import owner_facts
from tracker.decisions.visit.numbers import WORDS
from tracker.decisions.visit.owner_words import OWNER_WORDS
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.reading import read
from tracker.decisions.visit.signals import INTERESTS, Signals, signals_of
from tracker.sessions.model import Event, MergeState, ShopperSession

NOW = 1_712_345_700_000


def with_events(*events: Event, page: str = "/", items: int = 0) -> Signals:
    return signals_of(ShopperSession(session="a-session", items_in_cart=items, events={page: list(events)}), NOW)


def test_the_signals_of_the_original_documents_session() -> None:
    signals = signals_of(
        ShopperSession(
            session="af4bac4d-077a-4756-91d0-fa2570fd206f",
            items_in_cart=7,
            time_on_page={"/products/xyz": 123456, "/cart": 9876},
            events={
                "/": [
                    {"type": "view", "ts": 1712345678901},
                    {"type": "click", "target": "#add-to-cart", "ts": 1712345680000},
                ],
                "/cart": [{"type": "view", "ts": 1712345690000}],
            },
            updated_at=1712345695000,
        ),
        NOW,
    )
    assert signals == Signals(
        numbers=signals.numbers,
        by_storefront=False,
        stage="cart",
        items_in_cart=7,
        signs=2,
        cart_adds=1,
        cart_looks=1,
        interests=("product xyz",),
        page=PageName.parse("/cart"),
        dwell_s=133,
        span_s=11,
        idle_s=10,
        pages=3,
        events=3,
        page_kinds={
            "home": {"pages": 1, "dwell_s": 0},
            "cart": {"pages": 1, "dwell_s": 9},
            "product": {"pages": 1, "dwell_s": 123},
        },
    )
    said = {name: signals.numbers[name] for name in ("visit_s", "items", "adds", "since_change_s", "cart_s", "on_cart")}
    assert {name: round(value) for name, value in said.items()} == {
        "visit_s": 21,
        "items": 7,
        "adds": 1,
        "since_change_s": 20,
        "cart_s": 10,
        "on_cart": 1,
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("/", "home"),
        ("Home:/", "home"),
        ("/en-us", "home"),
        ("https://shop.example", "other"),
        ("https://shop.example/?q=shoes", "home"),
        ("/products/x", "product"),
        ("Product:/products/x", "product"),
        ("Product:/de/products/x", "product"),
        ("/collections/shoes/products/x?variant=1", "product"),
        ("/collections/shoes", "collection"),
        ("Collection:/collections/all", "collection"),
        ("Cart:/cart", "cart"),
        ("/cart?x=/products/y", "cart"),
        ("/checkout", "checkout"),
        ("/123456/checkouts/abc", "checkout"),
        ("/checkouts/cn/abc/thank_you", "order"),
        ("/123456/orders/abc/thank-you", "order"),
        ("/pages/thank-you", "content"),
        ("https://shop.example/products/x#top", "product"),
        ("Other:/account/login", "account"),
        ("/search?q=red+shoes", "search"),
        ("/pages/cart", "content"),
        ("/policies/refund-policy", "policy"),
        ("/blogs/journal/linen", "journal"),
        ("Other:/hello", "other"),
        ("hello", "other"),
        ("", "other"),
    ],
)
def test_a_pages_kind_follows_from_its_path_in_every_style_of_name(name: str, kind: str) -> None:
    assert PageName.parse(name).kind == kind


def test_the_checkout_is_open_until_a_page_of_the_shop_is_opened_again() -> None:
    began: Event = {"type": "checkout_started", "ts": 10}
    assert with_events(began, items=2).in_checkout
    back = signals_of(
        ShopperSession(
            session="a-session",
            items_in_cart=2,
            events={"/checkout": [began], "/cart": [{"type": "view", "ts": 5}, {"type": "view", "ts": 20}]},
        ),
        NOW,
    )
    assert (back.in_checkout, back.stage, back.numbers["checkout_left"]) == (False, "cart", 1)
    assert back.hesitating


@pytest.mark.parametrize(
    ("click", "leads"),
    [
        ({"href": "/checkout"}, True),
        ({"href": "https://shop.example/checkouts/abc"}, True),
        ({"id": "CartDrawer-Checkout"}, True),
        ({"target": "#checkout"}, True),
        ({"target": "button[checkout]"}, True),
        ({"target": "summary.faq-checkout"}, False),
        ({"target": "#faq-checkout"}, False),
        ({"target": "a.checkout-help", "href": "/pages/checkout-help"}, False),
        ({"text": "checkout", "href": "/pages/checkout-help"}, False),
    ],
)
def test_only_the_checkouts_button_or_link_leads_to_it(click: Event, leads: bool) -> None:
    assert with_events({"type": "click", "ts": 1, **click}, items=2).numbers.get("checkout_clicks", 0) == leads or leads
    reading = read(
        ShopperSession(session="a-session", items_in_cart=2, events={"/": [{"type": "click", "ts": 1, **click}]}), NOW
    )
    assert (reading.acts["checkout"] == 1) is leads


ADD: Event = {"type": "click", "ts": 2, "target": "button.product-form__submit"}


def test_clicks_on_an_add_button_that_change_nothing_are_no_additions() -> None:
    view: Event = {"type": "view", "ts": 1, "visit": 1}
    clicks: list[Event] = [{**ADD, "ts": ts} for ts in (2, 3, 4)]
    broken = with_events(view, *clicks, page="/products/x")
    assert (broken.cart_adds, broken.numbers["emptied"], broken.numbers["in_vain"]) == (0, 0, 1)
    yesterdays = with_events(view, *clicks, page="/products/x", items=2)
    assert (yesterdays.cart_adds, yesterdays.numbers["old_cart"]) == (0, 1)


def test_one_addition_counts_once() -> None:
    view: Event = {"type": "view", "ts": 1, "visit": 1}
    added: Event = {"type": "add_to_cart", "ts": 3, "items": 1, "was": 0}
    assert with_events(view, ADD, added, page="/products/x", items=1).cart_adds == 1


def test_where_no_script_tells_of_the_cart_clicks_count_as_far_as_the_cart_agrees() -> None:
    clicks: list[Event] = [{**ADD, "ts": ts} for ts in (2, 3, 4)]
    assert [with_events(*clicks, items=items).cart_adds for items in (0, 1, 2, 9)] == [0, 1, 2, 3]


def test_a_cart_that_held_something_and_is_empty_now_was_emptied() -> None:
    taken: Event = {"type": "remove_from_cart", "ts": 3, "items": 0, "was": 1}
    view: Event = {"type": "view", "ts": 1, "visit": 1}
    assert with_events(view, taken).numbers["emptied"] == 1
    assert with_events(view, taken, items=1).numbers["emptied"] == 0
    assert with_events(view, {"type": "click", "ts": 3}).numbers["emptied"] == 0


def test_events_that_were_dropped_for_newer_ones_are_counted() -> None:
    state = MergeState(dropped_events=4000)
    assert signals_of(ShopperSession(session="a-session", merge=state), NOW).events == 4000


def test_an_empty_session_and_a_clock_behind_give_the_default_signals() -> None:
    signals = signals_of(ShopperSession(session="a-session", updated_at=NOW + 60_000), NOW)
    assert signals == Signals(by_storefront=False)


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_of_a_shopper_gets_into_the_signals(page: str, text: str) -> None:
    event: Event = {
        "type": f"{text}4111",
        "ts": 1,
        "text": text,
        "url": f"https://x.example/?email={text}",
        "tag": text,
    }
    session = ShopperSession(session="jane@mail.example", time_on_page={page: 1000}, events={page: [event]})
    signals = signals_of(session, NOW)
    assert signals.page_kinds.keys() <= {
        *("home", "product", "collection", "cart", "checkout", "order", "search", "account", "policy", "content"),
        *("journal", "other"),
    }


@pytest.mark.parametrize(
    ("page", "label"),
    [
        ("/products/linen-shirt", "product linen-shirt"),
        ("Product:/de/products/linen-shirt?variant=1", "product linen-shirt"),
        ("https://shop.example/collections/sale-2026/products/wool-9000", "product wool-9000"),
        ("/collections/all", "collection all"),
        ("/products", None),
        ("/products/", None),
        ("/cart", None),
        ("/products/jane.doe@mail.example", None),
        ("/products/%6aane", None),
        ("/products/Ignore-All-Rules", None),
        ("/products/ghp-16C7e42F292c6912E7710c838347Ae178B4a", None),
        ("/products/sk-live-4f3a9b2c", None),
        ("/products/de89-3704-0044-0532", None),
        ("/products/call-555-0100-now", None),
        ("/products/" + "long-" * 20 + "name", None),
        ("/products/<script>", None),
        ("/products/say free now", None),
    ],
)
def test_an_interest_is_a_handle_as_shops_write_them_and_nothing_else(page: str, label: str | None) -> None:
    assert PageName.parse(page).interest() == label


def test_interests_are_the_pages_with_the_most_time() -> None:
    pages = {f"/products/{name}": ms for name, ms in (("a", 10), ("b", 40_000), ("c", 20_000), ("d", 30_000))}
    signals = signals_of(ShopperSession(session="a-session", time_on_page=pages), NOW)
    assert signals.interests == ("product b", "product d", "product c")
    assert len(signals.interests) == INTERESTS


@pytest.mark.parametrize(
    ("session", "stage"),
    [
        ({}, "landed"),
        ({"time_on_page": {"/": 5}}, "landed"),
        ({"time_on_page": {"/": 5, "/pages/about": 5}}, "browsing"),
        ({"time_on_page": {"/": 5, "/products/x": 5}}, "product"),
        ({"time_on_page": {"/products/x": 5}, "items_in_cart": 1}, "cart"),
        ({"time_on_page": {"/checkout": 5}, "items_in_cart": 1}, "checkout_seen"),
        ({"events": {"/": [{"type": "checkout_started", "ts": 1}]}, "items_in_cart": 1}, "checkout_seen"),
        ({"events": {"/": [{"type": "checkout_completed", "ts": 1}]}, "items_in_cart": 1}, "bought"),
        ({"time_on_page": {"/checkouts/cn/abc/thank_you": 5}, "items_in_cart": 1}, "bought"),
    ],
)
def test_the_stage_is_the_furthest_one_reached(session: dict[str, Any], stage: str) -> None:
    assert signals_of(ShopperSession(session="a-session", **session), NOW).stage == stage


def test_coming_back_to_a_full_cart_moving_to_leave_or_standing_still_counts_as_hesitation() -> None:
    at = NOW - 10_000
    views: list[Event] = [{"type": "view", "ts": at}, {"type": "page_view", "ts": at + 1}]
    assert with_events(*views, page="/cart", items=2).hesitating
    assert not with_events(views[0], page="/cart", items=2).hesitating
    assert with_events(views[0], {"type": "exit_intent", "ts": at + 2}, page="/cart", items=2).hesitating
    assert with_events(views[0], {"type": "cart_view", "ts": at + 2, "where": "drawer"}, items=2).cart_looks == 1
    session = ShopperSession(
        session="a-session", items_in_cart=2, events={"/": [{"type": "view", "ts": NOW - 119_999}]}, updated_at=NOW
    )
    assert not signals_of(session, NOW).hesitating
    assert signals_of(session, NOW + 1).hesitating, "a report a moment ago is no act"
    assert not with_events(*views, page="/cart").hesitating, "nothing in the cart"
    began: Event = {"type": "checkout_started", "ts": at + 3}
    assert not with_events(*views, began, page="/cart", items=2).hesitating


def test_locale_and_visit_are_read_only_in_their_exact_form() -> None:
    def locale(*values: Any) -> str:
        return with_events(*({"type": "view", "ts": ts, "locale": value} for ts, value in enumerate(values))).locale

    assert locale("de-AT") == "de-AT"
    assert locale("de", "fr") == "fr"
    assert locale("pt-BR", 7, None) == "pt-BR"
    for wrong in ("", "german", "de-AT; say free", "DE", "d", "de\n", "de_AT", "../de"):
        assert locale(wrong) == ""
    for value, returning in ((2, True), (9, True), ("2", False), (1, False), (True, False), (None, False)):
        assert with_events({"type": "view", "ts": 1, "visit": value}).returning is returning


def test_a_browsers_classes_are_read_only_from_their_fixed_lists() -> None:
    view: Event = {"type": "view", "ts": 1, "visit": 1, "device": "phone", "campaign": "email", "buys": 2}
    change: Event = {"type": "add_to_cart", "ts": 2, "items": 1, "was": 0, "total": 5990, "currency": "EUR"}
    signals = with_events(view, change, items=1)
    assert (signals.device, signals.campaign, signals.orders) == ("phone", "email", 2)
    assert (signals.total, signals.currency) == (5990, "EUR")
    told: Event = {"device": "jane", "campaign": ["email"], "buys": "2", "total": "5990", "currency": "eur; free"}
    signals = with_events({**view, **told}, {**change, **told}, items=1)
    assert (signals.device, signals.campaign, signals.currency) == ("", "", "")
    assert (signals.orders, signals.total) == (None, None)


ODD: list[Any] = [None, True, -1, 2**60, 1.5, "many", [], {}]


@pytest.mark.parametrize("value", ODD)
def test_no_value_of_an_events_key_stops_the_reading(value: Any) -> None:
    keys = ("visit", "n", "items", "was", "hidden", "depth", "target", "href", "message_id", "why", "total", "where")
    kinds = ("view", "click", "add_to_cart", "remove_from_cart", "presence", "scroll", "option_flip", "popup_dropped")
    events: list[Event] = [
        {**dict.fromkeys(keys, value), "type": kind, "ts": ts} for ts, kind in enumerate([*kinds, "cart_view"], 1)
    ]
    session = ShopperSession(session="a-session", items_in_cart=1, events={"/cart": events})
    signals = signals_of(session, NOW, "exit")
    assert set(owner_facts(signals, read(session, NOW))) <= set(OWNER_WORDS)
    assert all(math.isfinite(number) for number in signals.numbers.values())


@pytest.mark.parametrize("skew_ms", [0, 2_000, -240_000, 300_000, 7 * 3_600_000])
def test_a_wrong_clock_of_the_shoppers_makes_no_cart_older_or_younger(skew_ms: int) -> None:
    def browser(ms_ago: int) -> int:
        return NOW - ms_ago - skew_ms

    events: list[Event] = [
        {"type": "view", "ts": browser(60_000), "visit": 1},
        {"type": "add_to_cart", "ts": browser(9_000), "items": 1, "was": 0},
    ]
    session = ShopperSession(
        session="a-session",
        items_in_cart=1,
        events={"/products/x": events},
        updated_at=NOW - 1_000,
        merge=MergeState(cart_clock=browser(1_000)),
    )
    reading = read(session, NOW)
    assert abs(reading.now_ms - reading.changed_ms - 9_000) <= 2_000


def test_every_owners_word_has_its_fact_in_a_visit_that_tells_of_it() -> None:
    events: dict[str, list[Event]] = {
        "/policies/shipping-policy": [
            {"type": "view", "ts": NOW - 60_000, "visit": 2, "locale": "de-AT", "device": "phone", "campaign": "paid"}
        ],
        "/products/x": [
            {"type": "view", "ts": NOW - 50_000},
            {"type": "add_to_cart", "ts": NOW - 40_000, "items": 1, "was": 0, "total": 5990, "currency": "EUR"},
            {"type": "option_flip", "ts": NOW - 39_000, "target": "input[Size]"},
            {"type": "presence", "ts": NOW - 20_000, "hidden": 12},
            {"type": "discount_refused", "ts": NOW - 10_000},
        ],
    }
    session = ShopperSession(session="a-session", items_in_cart=1, events=events)
    facts = owner_facts(signals_of(session, NOW, "idle"), read(session, NOW))
    assert set(facts) == set(OWNER_WORDS)
    assert facts["read"] == ("/policies/shipping-policy",)
    assert facts["opened"] == ("/policies/shipping-policy", "/products/x")
    assert (facts["total"], facts["cart_changed"], facts["still"], facts["option_flips"]) == (59.9, 40, 10, 1)
    assert (facts["returned"], facts["discount_refused"], facts["checkout_left"], facts["why"]) == (
        *(True, True, False, "idle"),
    )
    for word, value in facts.items():
        kind = OWNER_WORDS[word].kind
        assert isinstance(value, {"number": int | float, "flag": bool, "text": str, "path": tuple}[kind]), word


def test_reported_popups_are_counted() -> None:
    kinds = ["popup_shown", "popup_dismissed", "popup_shown", "popup_clicked"]
    signals = with_events(*({"type": kind, "ts": 10 + ts} for ts, kind in enumerate(kinds)))
    assert (signals.popups_shown, signals.popups_dismissed, signals.popups_clicked) == (2, 1, 1)
    assert signals.last_popup_ms == 13


def test_a_path_is_read_from_every_style_of_name() -> None:
    for name in ("/account/login", "Other:/account/login?x=1", "https://shop.example/account/login#top"):
        assert PageName.parse(name).path == "/account/login"
    assert PageName.parse("hello").path == ""


KINDS = ["click", "view", "scroll", "hover", "tap", "focus", "blur", "input", "search", "leave", "zoom"]


def test_the_signals_of_the_largest_session_stay_below_4_kib() -> None:
    pages = [f"Product:/products/{'long-name-' * 20}{n}" for n in range(200)]
    events: dict[str, list[Event]] = {
        page: [
            {"type": KINDS[(n + e) % len(KINDS)], "ts": 2**53 - e, "text": "t" * 140, "id": "i" * 200}
            for e in range(25)
        ]
        for n, page in enumerate(pages)
    }
    session = ShopperSession(
        session="a-session", items_in_cart=2**53, time_on_page=dict.fromkeys(pages, 2**53), events=events
    )
    signals = signals_of(session, NOW)
    assert signals.events == 5000
    labels = {name: value for name, value in asdict(signals).items() if name != "numbers"}
    assert len(json.dumps(labels).encode()) <= 4096
    assert list(signals.numbers) == list(WORDS)
