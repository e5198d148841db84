"""The cases that are answered without thinking, and what each of them is called."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from testing.advice import NOON, documents_session, example_shop
from tracker.decisions import log as ledger
from tracker.decisions.eligibility import BOUNCE_EVENTS, EARLY_S, RETRY_MS, Holdout, gate
from tracker.decisions.messages import PopupLimits, Shop
from tracker.decisions.signals import summarise
from tracker.sessions.model import Event, ShopperSession

SHOP = example_shop()
MINUTE = 60_000


def trigger_of(
    session: ShopperSession, *, shop: Shop = SHOP, now: int = NOON, holdout: Holdout | None = None
) -> str | None:
    decision = gate(session, summarise(session, now), shop, holdout or Holdout(), now)
    if decision is None:
        return None
    assert not decision.show_popup
    assert decision.reason
    return decision.trigger


def with_events(*events: Event, page: str = "/cart", **changes: Any) -> ShopperSession:
    session = documents_session(**changes)
    return documents_session(**changes | {"events": {**session.events, page: [*session.events.get(page, []), *events]}})


def shown(session: ShopperSession, at: int, items: int = 7) -> ShopperSession:
    """Give the session with a popup that was decided for."""
    entry = {"at": at, "source": "rules", "show": True, "signals": {"items": items}}
    return ledger.with_entry(session, entry)


def test_the_documents_example_takes_thought() -> None:
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
def test_each_hopeless_case_is_known_by_name(session: ShopperSession, trigger: str | None) -> None:
    assert trigger_of(session) == trigger


def test_a_cart_that_was_full_when_last_asked_about_is_emptied_even_where_no_click_was_seen() -> None:
    never_clicked = documents_session(items_in_cart=0, events={"/": [{"type": "view", "ts": NOON - 1}] * 3})
    assert trigger_of(never_clicked) is None
    entry = {"at": NOON - MINUTE, "source": "rules", "show": False, "signals": {"items": 2}}
    assert trigger_of(ledger.with_entry(never_clicked, entry)) == "cart_emptied"


def test_the_limit_of_popups_counts_what_was_decided_and_what_was_reported() -> None:
    decided = shown(shown(documents_session(), NOON - 90 * MINUTE), NOON - 50 * MINUTE)
    assert trigger_of(decided) == "popup_limit"
    reported = with_events(*({"type": "popup_shown", "ts": NOON - n * 30 * MINUTE} for n in (2, 1)))
    assert trigger_of(reported) == "popup_limit"
    assert trigger_of(shown(documents_session(), NOON - 50 * MINUTE)) is None
    none_at_all = example_shop(limits=PopupLimits(popups_per_session=0))
    assert trigger_of(documents_session(), shop=none_at_all) == "popup_limit"


def test_the_minutes_between_two_popups_are_exact() -> None:
    at = NOON - 10 * MINUTE
    assert trigger_of(shown(documents_session(), at), now=NOON - 1) == "shown"
    assert trigger_of(shown(documents_session(), at), now=NOON) is None
    assert trigger_of(with_events({"type": "popup_dismissed", "ts": at}), now=NOON - 1) == "dismissed"
    assert trigger_of(with_events({"type": "popup_dismissed", "ts": at}), now=NOON) is None


def test_a_shoppers_clock_that_runs_ahead_makes_the_pause_no_longer() -> None:
    ahead = with_events({"type": "popup_dismissed", "ts": NOON + 10**12})
    assert trigger_of(ahead) == "dismissed"
    decided = gate(ahead, summarise(ahead, NOON), SHOP, Holdout(), NOON)
    assert decided is not None
    assert "0 min ago" in decided.reason


def test_a_popup_may_be_fetched_again_for_a_moment_but_not_when_the_original_script_asks_next() -> None:
    session = shown(documents_session(), NOON)
    assert trigger_of(session, now=NOON + RETRY_MS) is None
    assert trigger_of(session, now=NOON + RETRY_MS + 1) == "shown"
    assert RETRY_MS < 5000, "the original script asks every 5 s, and would show it twice"


@pytest.mark.parametrize("kind", ["popup_shown", "popup_dismissed"])
def test_a_popup_that_was_seen_is_not_fetched_again(kind: str) -> None:
    session = shown(with_events({"type": kind, "ts": NOON + 1000}), NOON)
    assert trigger_of(session, now=NOON + 2000) in ("shown", "dismissed")


def test_the_holdout_is_sticky_and_about_as_large_as_asked_for() -> None:
    ids = [str(uuid.UUID(int=n * 7_919)) for n in range(20_000)]
    for percent in (0.0, 1.0, 10.0, 50.0, 100.0):
        held = sum(map(Holdout(percent=percent).holds, ids))
        assert abs(held - len(ids) * percent / 100) <= 300
        assert [Holdout(percent=percent).holds(one) for one in ids[:500]] == [
            Holdout(percent=percent).holds(one) for one in ids[:500]
        ]
    ten = {one for one in ids if Holdout(percent=10).holds(one)}
    assert ten <= {one for one in ids if Holdout(percent=20).holds(one)}, "a larger share keeps the smaller one"


def test_the_holdout_comes_before_everything_else() -> None:
    everybody = Holdout(percent=100)
    assert trigger_of(documents_session(), holdout=everybody) == "holdout"
    assert trigger_of(ShopperSession(session="a-session"), holdout=everybody) == "holdout"
