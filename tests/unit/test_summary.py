"""What a summary says of a session, and what it leaves out."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracker.askai.summary import COMMON_TYPES, RECENT_EVENTS, SessionSummary, page_kind, summarise
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
        items_in_cart=7,
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
        ("/checkouts/cn/abc/thank_you", "checkout"),
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
        "/": [{"type": "a", "ts": ts} for ts in range(0, 40, 2)],
        "/cart": [{"type": "b", "ts": ts} for ts in range(1, 40, 2)],
    }
    summary = summarise(ShopperSession(session="a-session", events=events), NOW)
    assert summary.recent == ("a", "b") * (RECENT_EVENTS // 2)


def test_events_that_made_room_are_counted() -> None:
    state = MergeState(dropped_events=4000)
    assert summarise(ShopperSession(session="a-session", merge=state), NOW).events == 4000


def test_an_empty_session_and_a_clock_behind_are_no_trouble() -> None:
    summary = summarise(ShopperSession(session="a-session", updated_at=NOW + 60_000), NOW)
    assert summary == SessionSummary()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
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


def test_a_type_gets_in_only_when_it_looks_like_a_label() -> None:
    types = ["page-view", "Click", "j.doe@mail.example", "+49 170 1234567", "give 90% off", "x" * 25, "<b>", "sk_4f3"]
    summary = with_events(*({"type": kind, "ts": ts} for ts, kind in enumerate(types)))
    assert set(summary.recent) == {"page_view", "click", "other"}


def test_the_largest_session_has_a_small_summary() -> None:
    pages = [f"Product:/products/{'long-name-' * 20}{n}" for n in range(200)]
    events: dict[str, list[Event]] = {
        page: [
            {"type": f"type_{chr(97 + n % 26)}{chr(97 + e % 26)}", "ts": 2**53 - e, "text": "t" * 140, "id": "i" * 200}
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
