"""What the estimate promises, by simulated shops that are looked at every day for two months.

Short runs with fixed seeds in the gate; `thorough` runs the rows of docs/lift.md. That the tests can fail is shown on
Newcombe's interval, which is right for one look and wrong for sixty.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from testing.experiments import Look, Trial, looks, newcombe_says_otherwise, says_otherwise
from tracker.insights.lift import MOST_ODDS, odds_of_a_fault


def first_days(trial: Trial, runs: int, says: Callable[[Look], bool] = says_otherwise, every: int = 1) -> list[int]:
    """Return the day on which each run first says that popups sell or harm, of those runs that ever do."""
    days = []
    for seed in range(runs):
        told = (look.day for look in looks(trial, seed) if look.day % every == 0 and look.is_enough() and says(look))
        if (day := next(told, None)) is not None:
            days.append(day)
    return days


def by_revenue(look: Look) -> bool:
    return says_otherwise(look, "revenue")


SMALL = Trial(browsers_a_day=100, orders_a_browser=0.08, held=0.5)


def test_without_an_effect_daily_looks_say_nothing_where_newcombe_does() -> None:
    runs = 12

    assert len(first_days(SMALL, runs, every=3)) == 0
    assert len(first_days(SMALL, runs, newcombe_says_otherwise, every=3)) >= 3


def test_a_large_effect_is_found() -> None:
    trial = Trial(browsers_a_day=300, orders_a_browser=0.15, held=0.5, effect=0.5, spread=1.0)

    assert len(first_days(trial, 4, every=5)) == 4


def alarms(shown: float, held: float, share: float, runs: int, days: int = 60) -> int:
    """Return in how many runs the check of the group sizes ever cries wolf, or finds what is wrong."""
    found = 0
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        each = draw.poisson([shown, held], (days, 2)).cumsum(axis=0)
        found += any(odds_of_a_fault(int(a), int(b), share) > MOST_ODDS for a, b in each)
    return found


@pytest.mark.parametrize(("share", "a_day"), [(0.1, 200), (0.2, 50), (0.5, 1000)])
def test_right_group_sizes_never_alarm(share: float, a_day: int) -> None:
    assert alarms(a_day * (1 - share), a_day * share, share, 100) == 0


@pytest.mark.parametrize(("shown", "held", "share"), [(1500, 1100, 0.5), (9300, 800, 0.1)])
def test_wrong_group_sizes_are_found(shown: int, held: int, share: float) -> None:
    assert odds_of_a_fault(shown, held, share) > MOST_ODDS


# --- The rows of docs/lift.md -----------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("what", [says_otherwise, by_revenue], ids=["orders", "revenue"])
@pytest.mark.parametrize("held", [0.1, 0.5])
@pytest.mark.parametrize(("browsers", "orders"), [(50, 0.25), (200, 0.04), (1000, 0.04)])
def test_without_an_effect_at_most_one_shop_in_twenty_is_told_one(
    browsers: int, orders: float, held: float, what: Callable[[Look], bool]
) -> None:
    trial = Trial(browsers_a_day=browsers, orders_a_browser=orders, held=held)

    assert len(first_days(trial, 200, what)) <= 10


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("browsers", "orders", "held", "power"),
    [(1000, 0.04, 0.5, 0.95), (50, 0.25, 0.5, 0.5), (1000, 0.04, 0.1, 0.4)],
)
def test_an_effect_of_a_fifth_is_found_within_two_months(
    browsers: int, orders: float, held: float, power: float
) -> None:
    trial = Trial(browsers_a_day=browsers, orders_a_browser=orders, held=held, effect=0.2, spread=1.0)
    days = first_days(trial, 100)

    assert len(days) >= 100 * power
    assert median(days) <= 45


@pytest.mark.thorough
def test_right_group_sizes_never_alarm_in_a_thousand_shops() -> None:
    assert sum(alarms(a_day * (1 - share), a_day * share, share, 500) for share, a_day in ((0.1, 300), (0.5, 300))) == 0
