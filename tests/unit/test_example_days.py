"""Days of an example shop: real decisions in two groups, orders that are joined, and the effect that was asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tracker.decisions.holdout.epoch import EXAMPLE, lot_of
from tracker.decisions.holdout.offer import Offer
from tracker.decisions.shop.owner_file import parse_shop
from tracker.demo.example_days import DAY_MS, Plan, play_days
from tracker.insights.orders import checkout_keys, orders_of, purchases
from tracker.sessions.model import ShopperSession

NOW = 1_795_600_000_000
SHOP = parse_shop((Path(__file__).parents[2] / "shop.example.toml").read_bytes())


def played(*, days: int = 8, a_day: int = 40, effect: float = 0.5, seed: int = 1) -> list[ShopperSession]:
    return list(play_days(Plan(days=days, a_day=a_day, effect=effect, seed=seed), SHOP, NOW))


@pytest.fixture(scope="module")
def visits() -> Sequence[ShopperSession]:
    return played()


def offers(visits: Sequence[ShopperSession]) -> list[tuple[ShopperSession, Offer]]:
    return [(one, offer) for one in visits if (offer := Offer.of(one.decisions)) is not None]


def test_the_same_seed_plays_the_same_visits() -> None:
    first, again = (json.dumps([one.to_record() for one in played(days=1)]) for _ in range(2))

    assert first == again
    assert first != json.dumps([one.to_record() for one in played(days=1, seed=2)])


def test_every_visit_is_marked_and_lies_within_its_days(visits: Sequence[ShopperSession]) -> None:
    assert len({one.session for one in visits}) == len(visits) > 150
    for visit in visits:
        times = [event["ts"] for _page, event in visit.all_events()]
        assert visit.example
        assert visit.session.startswith("example-1-")
        assert NOW - 8 * DAY_MS <= min(times) <= max(times) <= visit.updated_at <= NOW


def test_visits_are_spread_over_the_days(visits: Sequence[ShopperSession]) -> None:
    days = {(NOW - visit.updated_at) // DAY_MS for visit in visits}

    assert days == set(range(8))


def test_browsers_come_again_and_bring_what_they_remember(visits: Sequence[ShopperSession]) -> None:
    arrivals = [event for one in visits for _page, event in one.all_events() if event["type"] == "view"]

    assert {event["visit"] for event in arrivals} >= {1, 2}
    assert all(one.lot is not None for one in visits)
    assert {one.offered for one in visits} == {"", EXAMPLE.id}


def test_both_groups_are_offered_popups_by_their_lot(visits: Sequence[ShopperSession]) -> None:
    found = offers(visits)

    assert {offer.arm for _visit, offer in found} == {"shown", "held"}
    for visit, offer in found:
        assert (offer.arm == "held") == EXAMPLE.holds(lot_of(visit))
        types = {event["type"] for _page, event in visit.all_events()}
        assert ("popup_shown" in types) == (offer.arm == "shown")


def test_popups_are_drawn_clicked_and_closed(visits: Sequence[ShopperSession]) -> None:
    types = {event["type"] for one in visits for _page, event in one.all_events()}

    assert types >= {"popup_shown", "popup_clicked", "popup_dismissed"}


def test_every_purchase_is_told_by_pixel_and_webhook_and_counts_once(visits: Sequence[ShopperSession]) -> None:
    bought = [one for one in visits if one.orders]

    assert len(bought) > 10
    for visit in bought:
        (order,) = orders_of(visit)
        assert checkout_keys(visit.events) == {order.key}
        assert len(purchases(visit)) == order.counts
    left = [one for one in visits if checkout_keys(one.events) and not one.orders]
    assert left
    assert [purchases(one) for one in left] == [[]] * len(left)


def test_the_effect_is_of_those_alone_that_are_shown_popups() -> None:
    def orders(effect: float) -> dict[str, set[str]]:
        found = offers(played(days=2, a_day=120, effect=effect))
        return {
            arm: {visit.session for visit, offer in found if offer.arm == arm and visit.orders}
            for arm in ("shown", "held")
        }

    without, doubled, never = orders(0), orders(1.0), orders(-1.0)

    assert without["held"] == doubled["held"] == never["held"] != set()
    assert set() == never["shown"] < without["shown"] < doubled["shown"]
