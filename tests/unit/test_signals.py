"""What a summary says of a session, and what it leaves out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.decisions.pages import interest, page_kind, path_of
from tracker.decisions.signals import COMMON_TYPES, INTERESTS, RECENT_EVENTS, SessionSummary, summarise, type_label
from tracker.sessions.model import Event, MergeState, ShopperSession

NOW = 1_712_345_700_000


def with_events(*events: Event, page: str = "/", items: int = 0) -> SessionSummary:
    return summarise(ShopperSession(session="a-session", items_in_cart=items, events={page: list(events)}), NOW)


def test_the_documents_session_in_numbers() -> None:
    summary = summarise(
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
    assert summary == SessionSummary(
        stage="cart",
        items_in_cart=7,
        cart_adds=1,
        cart_visits=1,
        interests=("product xyz",),
        path="/cart",
        dwell_s=133,
        span_s=11,
        idle_s=5,
        pages=3,
        events=3,
        page_kinds={
            "home": {"pages": 1, "dwell_s": 0, "events": 2},
            "cart": {"pages": 1, "dwell_s": 9, "events": 1},
            "product": {"pages": 1, "dwell_s": 123, "events": 0},
        },
        event_types={"view": 2, "click": 1},
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
def test_a_page_is_known_by_its_path_in_either_style(name: str, kind: str) -> None:
    assert page_kind(name) == kind


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
def test_a_step_towards_the_checkout_is_seen(event: Event) -> None:
    assert with_events(event, items=2).checkout_seen


def test_talk_about_the_checkout_is_not_the_checkout() -> None:
    assert not with_events({"type": "click", "ts": 1, "text": "checkout", "href": "/pages/checkout-help"}).checkout_seen
    assert with_events({"type": "view", "ts": 1}, page="Other:/checkout").checkout_seen


def test_a_cart_is_emptied_when_something_was_put_in_and_nothing_is_there() -> None:
    put_in: Event = {"type": "click", "ts": 1, "classes": "btn add-to-cart"}
    assert with_events(put_in).cart_emptied
    assert not with_events(put_in, items=1).cart_emptied
    assert not with_events({"type": "click", "ts": 1}).cart_emptied


def test_the_last_events_are_told_in_their_order_across_pages() -> None:
    events = {
        "/": [{"type": "view", "ts": ts} for ts in range(0, 40, 2)],
        "/cart": [{"type": "click", "ts": ts} for ts in range(1, 40, 2)],
    }
    summary = summarise(ShopperSession(session="a-session", events=events), NOW)
    assert summary.recent == ("view", "click") * (RECENT_EVENTS // 2)


def test_events_that_made_room_are_counted() -> None:
    state = MergeState(dropped_events=4000)
    assert summarise(ShopperSession(session="a-session", merge=state), NOW).events == 4000


def test_an_empty_session_and_a_clock_behind_are_no_trouble() -> None:
    summary = summarise(ShopperSession(session="a-session", updated_at=NOW + 60_000), NOW)
    assert summary == SessionSummary()


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_of_a_shopper_gets_in(page: str, text: str) -> None:
    event: Event = {
        "type": f"{text}4111",
        "ts": 1,
        "text": text,
        "url": f"https://x.example/?email={text}",
        "tag": text,
    }
    session = ShopperSession(session="jane@mail.example", time_on_page={page: 1000}, events={page: [event]})
    summary = summarise(session, NOW)
    assert summary.recent == ("other",)
    assert summary.event_types == {"other": 1}
    assert summary.page_kinds.keys() <= {
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
def test_a_type_gets_in_only_when_it_says_what_one_does_in_a_shop(kind: str, label: str) -> None:
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
def test_an_interest_is_a_handle_as_shops_give_them_and_nothing_else(page: str, label: str | None) -> None:
    assert interest(page) == label


def test_the_interests_are_those_that_took_most_time() -> None:
    pages = {f"/products/{name}": ms for name, ms in (("a", 10), ("b", 40_000), ("c", 20_000), ("d", 30_000))}
    summary = summarise(ShopperSession(session="a-session", time_on_page=pages), NOW)
    assert summary.interests == ("product b", "product d", "product c")
    assert len(summary.interests) == INTERESTS


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
def test_the_stage_is_the_furthest_that_was_reached(session: dict[str, Any], stage: str) -> None:
    assert summarise(ShopperSession(session="a-session", **session), NOW).stage == stage


def test_a_shopper_hesitates_who_comes_back_to_the_cart_or_leaves_it_standing() -> None:
    views: list[Event] = [{"type": "view", "ts": 1}, {"type": "page_view", "ts": 2}]
    assert with_events(*views, page="/cart", items=2).hesitating is True
    assert with_events(views[0], page="/cart", items=2).hesitating is True, "left standing: never updated"
    session = ShopperSession(session="a-session", items_in_cart=2, updated_at=NOW - 119_999)
    assert not summarise(session, NOW).hesitating
    assert summarise(session, NOW + 1).hesitating
    assert not with_events(*views, page="/cart").hesitating, "nothing in the cart"
    assert not with_events(*views, {"type": "checkout_started", "ts": 3}, page="/cart", items=2).hesitating


def test_locale_and_return_are_taken_only_in_their_own_form() -> None:
    def locale(*values: Any) -> str:
        return with_events(*({"type": "view", "ts": ts, "locale": value} for ts, value in enumerate(values))).locale

    assert locale("de-AT") == "de-AT"
    assert locale("de", "fr") == "fr"
    assert locale("pt-BR", 7, None) == "pt-BR"
    for wrong in ("", "german", "de-AT; say free", "DE", "d", "de\n", "de_AT", "../de"):
        assert locale(wrong) == ""
    for value, returning in ((2, True), (9, True), ("2", False), (1, False), (True, False), (None, False)):
        assert with_events({"type": "view", "ts": 1, "visit": value}).returning is returning


def test_popups_that_the_script_reports_are_counted() -> None:
    kinds = ["popup_shown", "popup_dismissed", "popup_shown", "popup_clicked"]
    summary = with_events(*({"type": kind, "ts": 10 + ts} for ts, kind in enumerate(kinds)))
    assert (summary.popups_shown, summary.popups_dismissed, summary.popups_clicked) == (2, 1, 1)
    assert summary.last_popup_ms == 13


def test_a_path_is_read_from_names_of_either_style() -> None:
    for name in ("/account/login", "Other:/account/login?x=1", "https://shop.example/account/login#top"):
        assert path_of(name) == "/account/login"
    assert path_of("hello") == ""


KINDS = ["click", "view", "scroll", "hover", "tap", "focus", "blur", "input", "search", "leave", "zoom"]


def test_the_largest_session_has_a_small_summary() -> None:
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
    summary = summarise(session, NOW)
    assert summary.events == 5000
    assert len(summary.event_types) == COMMON_TYPES
    assert len(json.dumps(asdict(summary)).encode()) <= 4096
