"""The estimate and the verdict: against constants of other libraries, and in words that say nothing too early."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tracker.insights.comparison.verdict import Compared, Group, Kind, Verdict, days_to_verdict, verdict
from tracker.insights.lift import MOST_ODDS, Lot, estimate, odds_of_a_fault

LOTS = [
    Lot(is_held=lot % 5 == 0, browsers=(lot * 7) % 13 + 1, total=float((lot * lot) % 4 if lot % 3 else 0))
    for lot in range(1000)
]


def test_estimate_equals_the_one_of_numpy_and_of_the_definition_of_the_interval() -> None:
    found = estimate(LOTS)

    assert found is not None
    assert (found.shown_browsers, found.held_browsers) == (5605, 1395)
    assert (found.shown_total, found.held_total) == (266, 67)
    # numpy's variance, and the difference at which the mixture's likelihood ratio reaches 1/0.05, by bisection.
    assert found.variance == pytest.approx(0.03611487125888494, rel=1e-12)
    assert found.difference == pytest.approx(-0.0005710467164813798, rel=1e-12)
    assert found.half_width() == pytest.approx(0.01793000582650553, rel=1e-9)


def test_interval_tells_the_change_against_held_browsers() -> None:
    found = estimate(LOTS)
    assert found is not None
    low, high = found.interval

    # An end of the interval: the difference that it stands for, where the mean of both groups is what it is.
    for end, difference in (
        (low, found.difference - found.half_width()),
        (high, found.difference + found.half_width()),
    ):
        held_mean = found.mean - 5605 / 7000 * difference
        assert end == pytest.approx((held_mean + difference) / held_mean - 1)
    assert low < (266 / 5605) / (67 / 1395) - 1 < high


@pytest.mark.parametrize(
    "lots",
    [
        [],
        [Lot(is_held=False, browsers=9, total=1)],
        [Lot(is_held=False, browsers=9, total=0), Lot(is_held=True, browsers=9, total=0)],
    ],
)
def test_nothing_is_estimated_where_nothing_can_be_compared(lots: list[Lot]) -> None:
    assert estimate(lots) is None


@pytest.mark.parametrize(
    ("shown", "held", "share", "odds"),
    [
        (1500, 1100, 0.5, 2485498809.698595),
        (9300, 800, 0.1, 5004787305.724808),
        (9000, 1000, 0.1, 0.30128047819011305),
        (50, 60, 0.5, 0.9929067557652925),
    ],
)
def test_odds_of_a_fault_equal_the_beta_binomial_of_scipy(shown: int, held: int, share: float, odds: float) -> None:
    assert odds_of_a_fault(shown, held, share) == pytest.approx(odds, rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_two_groups_no_size_is_a_fault(share: float) -> None:
    assert odds_of_a_fault(1000, 0, share) == 1.0


# --- The verdict ------------------------------------------------------------------------------------------------------


def lots_of(shown: tuple[int, int], held: tuple[int, int]) -> list[Lot]:
    """Return 1,000 lots, half of them held, over which (browsers, orders) of both groups are spread by chance."""
    chance = random.Random(12)
    lots = []
    for is_held, (browsers, orders) in ((False, shown), (True, held)):
        count = Counter(chance.choices(range(500), k=browsers))
        ordered = Counter(
            chance.choices(range(500), weights=[count[lot] for lot in range(500)] if browsers else None, k=orders)
        )
        lots += [Lot(is_held=is_held, browsers=count[lot], total=float(ordered[lot])) for lot in range(500)]
    return lots


def compared(shown: tuple[int, int], held: tuple[int, int], **changes: object) -> Compared:
    fields = {"percent": 50.0, "days": 30, "browsers_a_day": 100.0, "orders_a_day": 4.0, **changes}
    return Compared(
        shown=Group(browsers=shown[0], orders=shown[1]),
        held=Group(browsers=held[0], orders=held[1]),
        **fields,  # type: ignore[arg-type]
    )


def verdict_of(shown: tuple[int, int], held: tuple[int, int], **changes: object) -> Verdict:
    return verdict(compared(shown, held, **changes), "orders", lots_of(shown, held))


@pytest.mark.parametrize(
    ("shown", "held", "kind", "begin"),
    [
        ((20_000, 1300), (20_000, 900), "sells", "Popups sell: browsers that are offered one place 26 % to "),
        ((20_000, 900), (20_000, 1300), "harms", "Popups harm: browsers that are offered one place 20 % to "),
        ((40_000, 2000), (40_000, 2000), "small", "No large effect: with popups there is a change between -"),
        ((3_000, 120), (3_000, 115), "undecided", "Not decided yet: a change between -"),
    ],
)
def test_each_verdict_has_its_kind_and_its_sentence(
    shown: tuple[int, int], held: tuple[int, int], kind: Kind, begin: str
) -> None:
    found = verdict_of(shown, held)

    assert found.kind == kind
    assert found.sentence.startswith(begin)
    assert found.interval is not None
    assert (found.shown.orders, found.held.orders) == (shown[1], held[1])


@pytest.mark.parametrize(
    ("shown", "held", "changes"),
    [
        ((99, 50), (150, 50), {}),
        ((150, 50), (99, 50), {}),
        ((1000, 19), (1000, 50), {}),
        ((1000, 50), (1000, 19), {}),
        ((20_000, 1300), (20_000, 900), {"days": 6}),
        ((0, 0), (0, 0), {}),
    ],
)
def test_nothing_is_said_before_every_minimum_is_reached(
    shown: tuple[int, int], held: tuple[int, int], changes: dict[str, object]
) -> None:
    found = verdict_of(shown, held, **changes)

    assert (found.kind, found.interval) == ("too_early", None)
    assert (found.shown.orders, found.held.orders) == (0, 0)
    assert found.sentence.startswith("Not enough data yet: about ")


def test_too_early_says_how_many_days_are_left_at_the_traffic_of_now() -> None:
    found = verdict_of((1000, 60), (1000, 15), orders_a_day=2.0)

    assert (found.days_to_go, found.sentence) == (5, "Not enough data yet: about 5 more days at today's traffic.")
    assert verdict_of((1000, 60), (1000, 60), days=6).sentence.startswith("Not enough data yet: about 1 more day at")
    assert verdict_of((10, 1), (10, 1), browsers_a_day=0.0).days_to_go is None


def test_group_sizes_that_chance_does_not_make_hide_every_figure() -> None:
    found = verdict_of((1500, 60), (1100, 60))

    assert (found.kind, found.interval, found.shown, found.held) == ("broken", None, Group(), Group())
    assert "1100 browsers were held back where about 1300 of 2600 should be" in found.sentence


def test_without_a_holdout_nobody_can_tell() -> None:
    found = verdict_of((1000, 50), (0, 0), percent=0.0)

    assert (found.kind, found.interval) == ("off", None)


def test_an_undecided_verdict_says_how_long_it_takes_or_that_it_takes_more_than_a_year() -> None:
    soon, late = (verdict_of((3_000, 120), (3_000, 115), browsers_a_day=rate) for rate in (500.0, 5.0))

    assert soon.days_to_go is not None
    assert f"About {soon.days_to_go} more days at this pace." in soon.sentence
    assert "more than a year" in late.sentence
    # What it takes is told from the interval: with so many more browsers of the same kind it is decided.
    more = round(1 + soon.days_to_go * 500 / 6_000 + 0.01, 2)
    found = verdict_of((round(3_000 * more), round(118 * more)), (round(3_000 * more), round(118 * more)))
    assert found.kind == "small"


def test_capped_orders_are_told() -> None:
    both = compared((20_000, 1300), (20_000, 900))
    found = verdict(replace(both, capped_orders=3), "revenue", lots_of((20_000, 1300), (20_000, 900)))

    assert (found.measure, found.capped_orders) == ("revenue", 3)
    assert "spend" in found.sentence


def test_holding_more_back_takes_less_time() -> None:
    days = [days_to_verdict(percent, 200.0, 0.04) for percent in (5.0, 20.0, 50.0)]

    assert all(day is not None for day in days)
    assert days == sorted(days, key=lambda day: -(day or 0))
    assert days_to_verdict(0.0, 200.0, 0.04) is None
    assert days_to_verdict(50.0, 0.0, 0.04) is None
    assert days_to_verdict(50.0, 1e9, 0.5) == 7


def test_odds_from_which_groups_count_as_broken() -> None:
    assert MOST_ODDS == 1000
