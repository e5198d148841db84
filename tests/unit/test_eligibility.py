"""Eligibility: each reason against a popup, and its trigger."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from testing.advice import NOON, documents_session, example_shop, log_entry
from tracker.decisions.case import Case
from tracker.decisions.eligibility import BOUNCE_EVENTS, EARLY_S, RETRY_MS, Holdout, refusal
from tracker.decisions.log.session_log import with_entry
from tracker.decisions.shop.shop import FrequencyCaps, Shop
from tracker.sessions.model import Event, ShopperSession

SHOP = example_shop()
MINUTE = 60_000


def trigger_of(
    session: ShopperSession, *, shop: Shop = SHOP, now: int = NOON, holdout: Holdout | None = None
) -> str | None:
    decision = refusal(Case.of(session, shop, now), holdout or Holdout())
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
        (documents_session(time_on_page={"/": EARLY_S * 1000 - 1}), "too_early"),
        (documents_session(time_on_page={"/": EARLY_S * 1000}), None),
        (
            ShopperSession(
                session="a-session",
                time_on_page={"/": 900_000},
                events={"/": [{"type": "view", "ts": ts} for ts in range(BOUNCE_EVENTS - 1)]},
            ),
            "bounce",
        ),
        (documents_session(items_in_cart=0), "cart_emptied"),
        (with_events({"type": "checkout_started", "ts": NOON}), "checkout"),
        (with_events({"type": "click", "ts": NOON, "href": "/checkout"}), "checkout"),
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


def test_a_cart_that_the_log_knows_as_filled_counts_as_emptied_without_any_click() -> None:
    never_clicked = documents_session(items_in_cart=0, events={"/": [{"type": "view", "ts": NOON - 1}] * 3})
    assert trigger_of(never_clicked) is None
    assert trigger_of(with_entry(never_clicked, log_entry(NOON - MINUTE, items=2))) == "cart_emptied"


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
    decided = refusal(Case.of(ahead, SHOP, NOON), Holdout())
    assert decided is not None
    assert "0 min ago" in decided.reason


def test_a_popup_may_be_fetched_again_only_before_the_original_script_asks_next() -> None:
    session = shown(documents_session(), NOON)
    assert trigger_of(session, now=NOON + RETRY_MS) is None
    assert trigger_of(session, now=NOON + RETRY_MS + 1) == "shown"
    assert RETRY_MS < 5000, "the original script asks every 5 s, and would show it twice"


@pytest.mark.parametrize("kind", ["popup_shown", "popup_dismissed"])
def test_a_popup_that_was_seen_cannot_be_fetched_again(kind: str) -> None:
    session = shown(with_events({"type": kind, "ts": NOON + 1000}), NOON)
    assert trigger_of(session, now=NOON + 2000) in ("shown", "dismissed")


def test_the_holdout_is_sticky_and_about_as_large_as_configured() -> None:
    ids = [str(uuid.UUID(int=n * 7_919)) for n in range(20_000)]
    for percent in (0.0, 1.0, 10.0, 50.0, 100.0):
        held = sum(map(Holdout(percent=percent).holds, ids))
        assert abs(held - len(ids) * percent / 100) <= 300
        assert [Holdout(percent=percent).holds(one) for one in ids[:500]] == [
            Holdout(percent=percent).holds(one) for one in ids[:500]
        ]
    ten = {one for one in ids if Holdout(percent=10).holds(one)}
    assert ten <= {one for one in ids if Holdout(percent=20).holds(one)}, "a larger share keeps the smaller one"


def test_the_holdout_is_checked_before_every_other_reason() -> None:
    everybody = Holdout(percent=100)
    assert trigger_of(documents_session(), holdout=everybody) == "holdout"
    assert trigger_of(ShopperSession(session="a-session"), holdout=everybody) == "holdout"
