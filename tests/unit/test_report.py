"""The report: days, the way to the till, messages, and the lift, from the visits of a store."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import Any

import pytest

from testing.advice import example_shop
from testing.visits import DAY, MORNING, offered, ordered, visit
from tracker.decisions.holdout.epoch import EXAMPLE, Epoch
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.shop import Shop
from tracker.insights.counting.recount import Recounted, recount
from tracker.insights.report import Report, percent, report
from tracker.sessions.model import Event, ShopperSession
from tracker.storage.memory import MemoryStore

TODAY = date(2026, 9, 21)
EPOCH = Epoch(id="3f2a9c01", percent=50.0, begun_ms=MORNING - 30 * DAY)
SHOWN_LOT = min(set(range(1000)) - EPOCH.held_lots)


def told(
    visits: Iterable[ShopperSession], *, epoch: Epoch | None = EPOCH, shop: Shop | None = None, **how: Any
) -> Report:
    insights = Recounted(MemoryStore(*visits), UTC, lambda: epoch)
    return report(insights, shop or example_shop(), TODAY, how.pop("days", 7), **how)


def numbered(number: int, **changes: Any) -> Iterable[ShopperSession]:
    return (visit(f"visit-{changes.get('at', 0)}-{one:05}", **changes) for one in range(number))


# --- Days -------------------------------------------------------------------------------------------------------------


def test_days_stand_in_order_with_as_many_days_before_them() -> None:
    found = told([*numbered(3), *numbered(2, at=MORNING - DAY), *numbered(5, at=MORNING - 7 * DAY)])

    assert [day.visits for day in found.days] == [0, 0, 0, 0, 0, 2, 3]
    assert [day.day for day in found.days] == [TODAY - timedelta(days=number) for number in range(6, -1, -1)]
    assert (found.total.visits, found.before.visits) == (5, 5)


def test_an_empty_store_has_a_report_without_any_percentage() -> None:
    found = told([])

    assert (found.total.visits, found.currency, found.other_currencies) == (0, "", ())
    assert [step.percent for step in found.funnel] == [None] * 5
    assert found.lift.orders.kind == "too_early"


def test_orders_and_their_worth_are_told_in_the_currency_of_most() -> None:
    visits = [ordered(one, 4990, MORNING) for one in numbered(2)]
    dollars = ordered(visit("visit-dollars"), 990, MORNING, currency="USD")
    found = told([*visits, dollars])

    assert (found.currency, found.other_currencies) == ("EUR", ("USD",))
    assert (found.total.orders, found.total.minor, found.total.buyers) == (3, 9980, 3)


@pytest.mark.parametrize(("visits", "cart_percent"), [(19, None), (20, 50.0)])
def test_of_fewer_than_20_visits_no_percentage_is_told(visits: int, cart_percent: float | None) -> None:
    sessions = [replace(one, items_in_cart=number % 2) for number, one in enumerate(numbered(visits))]
    products = told(sessions).funnel[1]

    assert products.visits == visits // 2
    assert products.percent == cart_percent
    assert percent(1, visits) == (None if visits < 20 else 5.0)


def test_simulated_shoppers_have_a_report_of_their_own() -> None:
    visits = [*numbered(2), visit("visit-example", example=True)]

    assert told(visits).total.visits == 2
    example = told(visits, example=True)
    assert (example.total.visits, example.is_example, example.lift.percent) == (1, True, EXAMPLE.percent)


# --- Messages ---------------------------------------------------------------------------------------------------------


def popups(*kinds: str, message_id: str = "size", **changes: Any) -> ShopperSession:
    page: list[Event] = [{"type": f"popup_{kind}", "ts": MORNING, "message_id": message_id} for kind in kinds]
    return visit(changes.pop("session", "visit-popups"), **{"events": {"/": page}, **changes})


SIZE = Message(id="size", kind="fact", texts={"en": "Our sizes run large.", "de": "Groß."}, about=frozenset({"size"}))


def row(visits: Iterable[ShopperSession], message: Message = SIZE, **shop: Any) -> Any:
    found = told(visits, shop=Shop(messages=(message,), **shop))
    return next(one for one in found.messages if one.message_id == message.id)


def test_what_became_of_each_message_is_told() -> None:
    visits = [
        popups("shown", session="visit-0001"),
        popups("clicked", session="visit-0002"),
        ordered(popups("dismissed", session="visit-0003"), 990, MORNING + 1),
        offered(visit("visit-0004"), EPOCH.id, arm="held"),
    ]
    size = row(visits)

    assert (size.shown, size.clicked, size.closed, size.bought_after, size.withheld) == (3, 1, 1, 1, 1)
    assert (size.text, size.never_shown, size.click_percent) == ("Our sizes run large.", None, None)


def test_a_message_that_left_the_file_is_told_behind_the_others() -> None:
    found = told([popups("shown", message_id="gone")], shop=Shop(messages=(SIZE,)))

    assert [(one.message_id, one.shown) for one in found.messages] == [("size", 0), ("gone", 1)]


@pytest.mark.parametrize(
    ("changes", "visits", "begin"),
    [
        ({"last_day": TODAY - timedelta(days=3)}, [], "it ended on 2026-09-18"),
        ({"first_day": TODAY + timedelta(days=3)}, [], "it starts on 2026-09-24"),
        ({"about": frozenset()}, [], "no rule of the file says it"),
        ({"max_items": 0, "stages": frozenset({"cart"})}, [], "it can never appear: with an empty cart"),
        ({}, [], "no visit has come to a moment that it is for"),
        ({}, [offered(visit(), EPOCH.id, arm="held")], "every browser that it was for is held back so far"),
        ({}, [popups("dropped")], "the shop's pages did not draw it"),
    ],
)
def test_a_message_that_was_never_shown_says_why(
    changes: dict[str, Any], visits: list[ShopperSession], begin: str
) -> None:
    assert row(visits, replace(SIZE, **changes)).never_shown.startswith(begin)


def test_a_message_that_was_shown_before_the_days_of_the_report_was_shown() -> None:
    long_ago = MORNING - 60 * DAY
    size = row([popups(events={"/": [popup_shown(long_ago)]}, updated_at=long_ago)])

    assert (size.shown, size.never_shown) == (0, None)


def popup_shown(ts: int) -> Event:
    return {"type": "popup_shown", "ts": ts, "message_id": "size"}


# --- Lift -------------------------------------------------------------------------------------------------------------


def trial(
    rate_shown: float, rate_held: float, browsers: int, epoch: Epoch = EPOCH, **changes: Any
) -> list[ShopperSession]:
    """Return newly offered visits, some of which order, spread over four weeks before today."""
    chance, visits = random.Random(5), []
    for number in range(browsers):
        lot, at = chance.randrange(1000), MORNING - chance.randrange(1, 29) * DAY
        is_held = epoch.holds(lot)
        one = visit(f"visit-{number:06}", at, lot=lot, **changes)
        one = offered(one, epoch.id, at, arm="held" if is_held else "shown", percent=epoch.percent)
        if chance.random() < (rate_held if is_held else rate_shown):
            one = ordered(one, round(5000 * chance.lognormvariate(0, 0.5)), at + 1, key=f"{number:016x}")
        visits.append(one)
    return visits


def test_popups_that_sell_are_said_to_sell_by_orders_of_both_groups() -> None:
    visits = trial(0.3, 0.15, 2_000)
    lift = told(visits).lift

    assert (lift.orders.kind, lift.revenue.kind) == ("sells", "sells")
    assert lift.orders.shown.browsers + lift.orders.held.browsers == 2_000
    assert lift.orders.shown.orders + lift.orders.held.orders == sum(bool(one.orders) for one in visits)
    assert (lift.percent, lift.since) == (50.0, date(2026, 8, 22))


def test_simulated_shoppers_have_a_lift_of_their_own_epoch() -> None:
    visits = trial(0.3, 0.15, 2_000, EXAMPLE, example=True)

    assert told(visits, example=True).lift.orders.kind == "sells"
    assert told(visits).lift.orders.kind == "too_early"


def test_browsers_that_return_are_counted_once_and_their_later_orders_count() -> None:
    first = offered(visit("visit-first", MORNING - 9 * DAY, lot=SHOWN_LOT), EPOCH.id)
    later = ordered(visit("visit-later", lot=SHOWN_LOT, offered=EPOCH.id), 990, MORNING)
    again = offered(visit("visit-again", lot=SHOWN_LOT, offered=EPOCH.id), EPOCH.id, first=False)
    other = ordered(visit("visit-other", lot=SHOWN_LOT, offered="another"), 990, MORNING)
    sums = recount([first, later, again, other], UTC).own.epochs

    assert (sums[EPOCH.id].browsers[SHOWN_LOT], sum(sums[EPOCH.id].browsers)) == (1, 1)
    assert (sums[EPOCH.id].orders.total(), sums["another"].orders.total()) == (1, 1)


def test_without_a_holdout_the_report_says_that_nobody_can_tell() -> None:
    lift = told([], epoch=None).lift

    assert (lift.orders.kind, lift.revenue.kind, lift.since) == ("off", "off", None)


def test_one_wholesale_order_counts_with_ten_times_the_median() -> None:
    visits = trial(0.2, 0.2, 2_000)
    plain = told(visits).lift
    wholesale = ordered(replace(visits[0], orders={}), 100_000_000, visits[0].updated_at + 1)
    lift = told([wholesale, *visits[1:]]).lift

    assert (plain.revenue.capped_orders, lift.revenue.capped_orders) == (0, 1)
    assert lift.cap_is_frozen
    assert lift.cap_minor is not None
    assert 40_000 < lift.cap_minor < 60_000
    total = lift.revenue.shown.minor + lift.revenue.held.minor
    assert total <= plain.revenue.shown.minor + plain.revenue.held.minor + lift.cap_minor


def test_the_cap_stays_once_200_orders_were_placed() -> None:
    early = trial(0.2, 0.2, 1_200)
    late = [
        ordered(one, 9_999_999, MORNING)
        for one in (offered(visit(f"late-{number:04}", lot=number), EPOCH.id) for number in range(400))
    ]

    assert told(early).lift.cap_minor == told([*early, *late]).lift.cap_minor
