"""The signals of a session, and what they leave out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.decisions.visit.event_types import type_label
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.signals import INTERESTS, RECENT_EVENTS, Signals, signals_of
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
        stage="cart",
        items_in_cart=7,
        cart_adds=1,
        cart_visits=1,
        interests=("product xyz",),
        page=PageName.parse("/cart"),
        dwell_s=133,
        span_s=11,
        idle_s=5,
        pages=3,
        events=3,
        page_kinds={
            "home": {"pages": 1, "dwell_s": 0},
            "cart": {"pages": 1, "dwell_s": 9},
            "product": {"pages": 1, "dwell_s": 123},
        },
        recent=("view", "click", "view"),
    )


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
        ("Other:/hello", "other"),
        ("hello", "other"),
        ("", "other"),
    ],
)
def test_a_pages_kind_follows_from_its_path_in_every_style_of_name(name: str, kind: str) -> None:
    assert PageName.parse(name).kind == kind


@pytest.mark.parametrize(
    "event",
    [
        {"type": "checkout_started", "ts": 1},
        {"type": "click", "ts": 1, "href": "/checkout"},
        {"type": "click", "ts": 1, "href": "https://shop.example/checkouts/abc"},
        {"type": "click", "ts": 1, "id": "CartDrawer-Checkout"},
        {"type": "click", "ts": 1, "target": "#checkout"},
    ],
)
def test_a_step_towards_the_checkout_is_recognised(event: Event) -> None:
    assert with_events(event, items=2).checkout_seen


def test_a_text_or_page_about_the_checkout_is_no_step_towards_it() -> None:
    assert not with_events({"type": "click", "ts": 1, "text": "checkout", "href": "/pages/checkout-help"}).checkout_seen
    assert with_events({"type": "view", "ts": 1}, page="Other:/checkout").checkout_seen


def test_a_cart_counts_as_emptied_if_something_was_added_and_nothing_is_left() -> None:
    put_in: Event = {"type": "click", "ts": 1, "classes": "btn add-to-cart"}
    assert with_events(put_in).cart_emptied
    assert not with_events(put_in, items=1).cart_emptied
    assert not with_events({"type": "click", "ts": 1}).cart_emptied


def test_recent_events_keep_their_order_across_pages() -> None:
    events = {
        "/": [{"type": "view", "ts": ts} for ts in range(0, 40, 2)],
        "/cart": [{"type": "click", "ts": ts} for ts in range(1, 40, 2)],
    }
    signals = signals_of(ShopperSession(session="a-session", events=events), NOW)
    assert signals.recent == ("view", "click") * (RECENT_EVENTS // 2)


def test_events_that_were_dropped_for_newer_ones_are_counted() -> None:
    state = MergeState(dropped_events=4000)
    assert signals_of(ShopperSession(session="a-session", merge=state), NOW).events == 4000


def test_an_empty_session_and_a_clock_behind_give_the_default_signals() -> None:
    signals = signals_of(ShopperSession(session="a-session", updated_at=NOW + 60_000), NOW)
    assert signals == Signals()


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
    assert signals.recent == ("other",)
    assert signals.page_kinds.keys() <= {
        *("home", "product", "collection", "cart", "checkout", "order", "search", "account", "content", "other")
    }


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("page-view", "page_view"),
        ("Click", "click"),
        ("addToCart", "add_to_cart"),
        ("shopify:cart:lines-update", "other"),
        ("cart:update", "cart_update"),
        ("jane_doe", "other"),
        ("j.doe@mail.example", "other"),
        ("+49 170 1234567", "other"),
        ("give 90% off", "other"),
        ("ignore_all_rules", "other"),
        ("x" * 25, "other"),
        ("click_" * 10, "other"),
        ("<b>", "other"),
        ("sk_4f3", "other"),
        ("", "other"),
    ],
)
def test_a_type_gets_a_label_only_if_it_consists_of_known_words(kind: str, label: str) -> None:
    assert type_label(kind) == label
    assert with_events({"type": kind, "ts": 1}).recent == (label,)


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


def test_coming_back_to_a_full_cart_or_leaving_it_idle_counts_as_hesitation() -> None:
    views: list[Event] = [{"type": "view", "ts": 1}, {"type": "page_view", "ts": 2}]
    assert with_events(*views, page="/cart", items=2).hesitating is True
    assert with_events(views[0], page="/cart", items=2).hesitating is True, "left standing: never updated"
    session = ShopperSession(session="a-session", items_in_cart=2, updated_at=NOW - 119_999)
    assert not signals_of(session, NOW).hesitating
    assert signals_of(session, NOW + 1).hesitating
    assert not with_events(*views, page="/cart").hesitating, "nothing in the cart"
    assert not with_events(*views, {"type": "checkout_started", "ts": 3}, page="/cart", items=2).hesitating


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
    assert len(json.dumps(asdict(signals)).encode()) <= 4096
