"""Eligibility: each reason against a popup, and its trigger."""

from __future__ import annotations

from typing import Any

import pytest

from testing.advice import NOON, documents_session, example_shop, log_entry
from testing.visits import offered
from tracker.decisions.browser_memory import BrowserMemory
from tracker.decisions.case import Case
from tracker.decisions.eligibility import BOUNCE_EVENTS, hopeless, refusal
from tracker.decisions.log.popups import ORIGINAL_WAY_MS, WAY_MS
from tracker.decisions.log.session_log import with_entry
from tracker.decisions.shop.shop import FrequencyCaps, Shop
from tracker.sessions.model import Event, ShopperSession

SHOP = example_shop()
MINUTE = 60_000


def trigger_of(session: ShopperSession, *, shop: Shop = SHOP, now: int = NOON) -> str | None:
    decision = refusal(Case.of(session, shop, now))
    if decision is None:
        return None
    assert decision.reason
    return decision.trigger


def with_events(*events: Event, page: str = "/cart", **changes: Any) -> ShopperSession:
    session = documents_session(**changes)
    return documents_session(**changes | {"events": {**session.events, page: [*session.events.get(page, []), *events]}})


def shown(session: ShopperSession, at: int, items: int = 7) -> ShopperSession:
    """Return the session with a popup in its decision log."""
    return with_entry(session, log_entry(at, show=True, items=items))


def test_the_original_documents_session_is_eligible() -> None:
    assert trigger_of(documents_session()) is None


@pytest.mark.parametrize(
    ("session", "trigger"),
    [
        (ShopperSession(session="a-session"), "too_early"),
        (documents_session(time_on_page={"/": SHOP.caps.seconds_before_first * 1000 - 1}), "too_early"),
        (documents_session(time_on_page={"/": SHOP.caps.seconds_before_first * 1000}), None),
        (
            ShopperSession(
                session="a-session",
                time_on_page={"/": 900_000},
                events={"/": [{"type": "view", "ts": ts} for ts in range(BOUNCE_EVENTS - 1)]},
            ),
            "bounce",
        ),
        (documents_session(items_in_cart=0), None),
        (with_events({"type": "checkout_started", "ts": NOON}), "checkout"),
        (with_events({"type": "checkout_started", "ts": NOON - 9000}, {"type": "view", "ts": NOON}), None),
        (with_events({"type": "click", "ts": NOON, "target": "summary.faq-checkout"}), None),
        (with_events({"type": "view", "ts": NOON, "locale": "ja-JP"}), "language"),
        (documents_session(time_on_page={"/checkouts/cn/x": 1, "/": 90_000}), "checkout"),
        (with_events({"type": "checkout_completed", "ts": NOON}), "bought"),
        (with_events({"type": "checkout_completed", "ts": NOON}, items_in_cart=0), "bought"),
        (with_events({"type": "popup_clicked", "ts": NOON - 900_000}), "popup_clicked"),
        (with_events({"type": "popup_dismissed", "ts": NOON - 10_000}), "dismissed"),
        (with_events({"type": "popup_shown", "ts": NOON - 10_000}), "shown"),
        (with_events({"type": "view", "ts": NOON}, page="/account/login"), "excluded_page"),
        (with_events({"type": "view", "ts": NOON}, page="/de-de/account/login"), "excluded_page"),
        (with_events({"type": "view", "ts": NOON}, page="Other:/pages/contact?x=1"), "excluded_page"),
        (with_events({"type": "view", "ts": NOON}, page="/pages/contact-lenses"), None),
    ],
)
def test_each_reason_against_a_popup_has_its_trigger(session: ShopperSession, trigger: str | None) -> None:
    assert trigger_of(session) == trigger


def test_a_glance_at_one_page_is_a_visit_once_there_is_a_sign() -> None:
    def looked(page: str) -> ShopperSession:
        return ShopperSession(
            session="a-session",
            time_on_page={page: 60_000},
            events={page: [{"type": "view", "ts": NOON - 60_000}]},
        )

    assert trigger_of(looked("/products/x")) == "bounce"
    assert trigger_of(looked("/policies/shipping-policy")) is None


def test_after_an_order_there_is_no_popup_for_the_shops_days() -> None:
    days = SHOP.caps.days_after_purchase

    def trigger(bought_days: int | None) -> str | None:
        memory = BrowserMemory(bought_days=bought_days)
        decision = refusal(Case.of(documents_session(), SHOP, NOON, "idle", memory))
        return None if decision is None else decision.trigger

    assert trigger(days - 1) == "bought_lately"
    assert trigger(days) is None
    assert trigger(None) is None


def hopeless_trigger(*events: Event, page: str = "/cart") -> str | None:
    decision = hopeless(Case.of(with_events(*events, page=page), SHOP, NOON))
    return None if decision is None else decision.trigger


@pytest.mark.parametrize(
    ("events", "trigger"),
    [
        ([], None),
        ([{"type": "add_to_cart", "ts": NOON - 19_999, "items": 7, "was": 6}], "still_shopping"),
        ([{"type": "add_to_cart", "ts": NOON - 20_000, "items": 7, "was": 6}], None),
        ([{"type": "click", "ts": NOON - 29_999, "target": "#checkout"}], "to_checkout"),
        ([{"type": "click", "ts": NOON - 30_000, "target": "#checkout"}], None),
        ([{"type": "click", "ts": NOON - 9000, "target": "summary.faq-checkout"}], None),
        ([{"type": "click", "ts": NOON - 9000 + n, "target": "#checkout"} for n in range(3)], None),
        ([{"type": "click", "ts": NOON - 9000, "target": "button.contact__submit"}], "has_written"),
        ([{"type": "click", "ts": NOON - 9000, "target": "button.chat-launcher"}], "in_chat"),
        ([{"type": "view", "ts": NOON - 9000 + n * 1000} for n in range(7)], "machine"),
    ],
)
def test_visits_that_no_popup_could_help_are_left_alone_by_rule(events: list[Event], trigger: str | None) -> None:
    assert hopeless_trigger(*events) == trigger


def test_the_cap_counts_popups_that_were_decided_and_popups_that_were_reported() -> None:
    decided = shown(shown(documents_session(), NOON - 90 * MINUTE), NOON - 50 * MINUTE)
    assert trigger_of(decided) == "popup_limit"
    reported = with_events(*({"type": "popup_shown", "ts": NOON - n * 30 * MINUTE} for n in (2, 1)))
    assert trigger_of(reported) == "popup_limit"
    assert trigger_of(shown(documents_session(), NOON - 50 * MINUTE)) is None
    none_at_all = example_shop(caps=FrequencyCaps(popups_per_session=0))
    assert trigger_of(documents_session(), shop=none_at_all) == "popup_limit"


def test_the_minutes_between_two_popups_are_kept_exactly() -> None:
    at = NOON - 10 * MINUTE
    assert trigger_of(shown(documents_session(), at), now=NOON - 1) == "shown"
    assert trigger_of(shown(documents_session(), at), now=NOON) is None
    assert trigger_of(with_events({"type": "popup_dismissed", "ts": at}), now=NOON - 1) == "dismissed"
    assert trigger_of(with_events({"type": "popup_dismissed", "ts": at}), now=NOON) is None


def test_a_shoppers_clock_that_runs_ahead_does_not_lengthen_the_pause() -> None:
    ahead = with_events({"type": "popup_dismissed", "ts": NOON + 10**12})
    assert trigger_of(ahead) == "dismissed"
    decided = refusal(Case.of(ahead, SHOP, NOON))
    assert decided is not None
    assert "0 min ago" in decided.reason


@pytest.mark.parametrize(
    ("views", "way_ms"), [([], ORIGINAL_WAY_MS), ([{"type": "view", "ts": NOON - 9000, "visit": 1}], WAY_MS)]
)
def test_a_popup_may_be_fetched_again_until_it_counts_as_shown(views: list[Event], way_ms: int) -> None:
    session = shown(with_events(*views), NOON)
    assert trigger_of(session, now=NOON + way_ms) is None
    assert trigger_of(session, now=NOON + way_ms + 1) == "shown"


def test_the_original_script_cannot_fetch_a_popup_twice() -> None:
    assert ORIGINAL_WAY_MS < 5000, "it asks every 5 s, and would show it again"


def test_a_popup_that_was_dropped_does_not_count_as_shown() -> None:
    def dropped(why: str) -> ShopperSession:
        drop: Event = {"type": "popup_dropped", "ts": NOON + 500, "message_id": "help", "why": why}
        return shown(with_events({"type": "view", "ts": NOON - 9000, "visit": 1}, drop), NOON)

    late = Case.of(dropped("cart"), SHOP, NOON + 60_000)
    assert refusal(late) is None
    assert (late.popups.count, late.popups.said) == (0, frozenset())
    resting = Case.of(dropped("dismissed"), SHOP, NOON + 60_000)
    assert (resting.popups.count, resting.popups.said) == (0, frozenset({"help"}))


def test_a_message_that_was_reported_as_shown_is_not_said_again() -> None:
    for kind in ("popup_shown", "popup_dismissed"):
        case = Case.of(with_events({"type": kind, "ts": NOON - 60_000, "message_id": "chat"}), SHOP, NOON)
        assert case.popups.said == {"chat"}
        assert "chat" not in {message.id for message in case.messages}


@pytest.mark.parametrize("kind", ["popup_shown", "popup_dismissed"])
def test_a_popup_that_was_seen_cannot_be_fetched_again(kind: str) -> None:
    session = shown(with_events({"type": kind, "ts": NOON + 1000}), NOON)
    assert trigger_of(session, now=NOON + 2000) in ("shown", "dismissed")


def test_a_browser_that_was_held_out_in_this_visit_stays_so_while_it_could_be_shown_something() -> None:
    assert trigger_of(offered(documents_session(), "one", NOON, arm="held")) == "holdout"
    assert trigger_of(offered(documents_session(), "one", NOON)) is None
    assert (
        trigger_of(offered(with_events({"type": "checkout_completed", "ts": NOON}), "one", NOON, arm="held"))
        == "bought"
    )


def test_a_cart_that_is_empty_since_the_checkout_is_left_alone() -> None:
    events: list[Event] = [
        {"type": "click", "ts": NOON - 300_000, "target": "#checkout"},
        {"type": "remove_from_cart", "ts": NOON - 60_000, "items": 0, "was": 7},
    ]
    for some, trigger in ((events, "emptied_at_checkout"), (events[1:], None)):
        case = Case.of(with_events(*some, items_in_cart=0), SHOP, NOON)
        decision = hopeless(case)
        assert (None if decision is None else decision.trigger) == trigger
