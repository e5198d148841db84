"""Sums: after any changes they equal a recount, and they survive being written down."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, date, timedelta

from testing.visits import DAY, MORNING, offered, ordered, some_visit, visit
from tracker.insights.counting.recount import recount
from tracker.insights.sums import Sums
from tracker.insights.tally import Tally, tally

TODAY = date(2026, 9, 21)


def test_after_any_changes_and_deletions_sums_equal_a_recount() -> None:
    chance, sums = random.Random(2), Sums()
    visits = [some_visit(chance, f"visit-{number:04}", MORNING + chance.randrange(9) * DAY) for number in range(500)]
    tallies = [tally(session, UTC) for session in visits]
    kept: dict[int, Tally] = {}
    for step in range(20_000):
        number = chance.randrange(300)
        old, new = kept.pop(number, None), None if chance.random() < 0.2 else chance.choice(tallies)
        if new is not None:
            kept[number] = new
        sums.exchange(old, new)
        if step % 2_000 == 0:
            assert sums == counted(kept.values())
    assert sums == counted(kept.values())
    for one in kept.values():
        sums.exchange(one, None)
    assert sums == Sums()


def counted(tallies: Iterable[Tally]) -> Sums:
    sums = Sums()
    for one in tallies:
        sums.exchange(None, one)
    return sums


def some_sums(seed: int) -> Sums:
    chance = random.Random(seed)
    return recount((some_visit(chance, f"visit-{number:04}", MORNING) for number in range(100)), UTC)


def test_sums_read_back_from_their_record_as_themselves() -> None:
    sums = some_sums(3)

    assert Sums.from_record(json.loads(json.dumps(sums.to_record()))) == sums
    assert Sums.from_record(json.loads(json.dumps(Sums().to_record()))) == Sums()


def test_merged_sums_equal_those_of_all_visits() -> None:
    chance = random.Random(4)
    visits = [some_visit(chance, f"visit-{number:04}", MORNING) for number in range(100)]
    one, other = recount(visits[:40], UTC), recount(visits[40:], UTC)
    one.merge(other)

    assert one == recount(visits, UTC)


def test_simulated_visits_are_in_no_figure_of_the_shop() -> None:
    example = ordered(offered(visit(example=True), "example"), 990, MORNING)
    sums = recount([example], UTC)

    assert sums.own == Sums().own
    assert sums.example.visits(TODAY.toordinal()) == 1


def test_a_day_of_few_visits_becomes_a_part_of_its_month_after_13_months() -> None:
    days = {date(2025, 7, 3): 4, date(2025, 7, 4): 4, date(2025, 7, 5): 5, date(2025, 8, 3): 1}
    visits = []
    for day, number in days.items():
        at = MORNING + (day - TODAY) // timedelta(days=1) * DAY
        visits += [ordered(visit(f"v-{day}-{one}", at), 990, at) for one in range(number)]
    sums = recount(visits, UTC)
    sums.fold(TODAY)

    assert {date.fromordinal(day): row[0] for day, row in sums.own.days.items()} == {
        date(2025, 7, 1): 8,
        date(2025, 7, 5): 5,
        date(2025, 8, 3): 1,
    }
    assert sums.own.minor.total() == 14 * 990
    assert sums.own.minor[date(2025, 7, 1).toordinal(), "EUR"] == 8 * 990
    folded = sums.to_record()
    sums.fold(TODAY)
    assert sums.to_record() == folded
