"""The budget for the model's calls: exact under many processes; the breaker, the server's pauses, and damage."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tracker.durable.cell import FileCell
from tracker.llm.budget import (
    BREAK_AFTER,
    BREAK_MS,
    LONGEST_PAUSE_S,
    PROBE_MS,
    BudgetRefusedError,
    BudgetState,
    DailyLimits,
    Reservation,
)
from tracker.llm.faults import Fault
from tracker.llm.shared_budget import SharedBudget

NOON = 1_790_000_000_000
DAY_MS = 86_400_000
HOUR = 3_600_000
MIDNIGHT = NOON // DAY_MS * DAY_MS + DAY_MS
MUCH = 10**9


def budget_in(folder: Path, calls: int = 1000, tokens: int = MUCH) -> SharedBudget:
    return SharedBudget(FileCell(folder / "count"), DailyLimits(calls=calls, tokens=tokens))


def refused(reserve: Callable[[], object]) -> str | None:
    try:
        reserve()
    except BudgetRefusedError as refused:
        return refused.fault
    return None


def test_daily_calls_are_counted_exactly_and_reset_at_midnight_utc(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, calls=3)
    for _ in range(3):
        budget.succeeded(budget.reserve(10, MIDNIGHT - 1), 10)
    assert refused(lambda: budget.reserve(10, MIDNIGHT - 1)) == "budget"
    assert budget.spent() == (3, 30)
    budget.reserve(10, MIDNIGHT)
    assert budget.spent() == (1, 10)


def test_a_budget_of_zero_refuses_every_call(tmp_path: Path) -> None:
    assert refused(lambda: budget_in(tmp_path, calls=0).reserve(1, NOON)) == "budget"
    assert refused(lambda: budget_in(tmp_path, tokens=0).reserve(1, NOON)) == "budget"
    assert not (tmp_path / "count").exists()


def test_a_call_reserves_its_most_tokens_and_is_settled_by_its_usage(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, tokens=1000)
    reservation = budget.reserve(600, NOON)
    assert refused(lambda: budget.reserve(401, NOON)) == "budget"
    budget.succeeded(reservation, 100)
    assert budget.spent() == (1, 100)
    second = budget.reserve(900, NOON)
    assert refused(lambda: budget.reserve(1, NOON)) == "budget"
    budget.failed(second, NOON, tokens=0)
    assert budget.spent() == (2, 100)


def test_unknown_usage_keeps_the_full_reservation_charged(tmp_path: Path) -> None:
    budget = budget_in(tmp_path)
    budget.succeeded(budget.reserve(600, NOON), None)
    budget.failed(budget.reserve(50, NOON), NOON, tokens=None)
    assert budget.spent() == (2, 650)


def test_a_cancelled_call_returns_its_reservation(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, calls=1)
    budget.cancelled(budget.reserve(600, NOON))
    assert budget.spent() == (0, 0)
    budget.reserve(600, NOON)


def test_a_late_worker_around_midnight_does_not_reset_the_new_day(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, calls=2)
    yesterdays = budget.reserve(10, MIDNIGHT - 5)
    budget.reserve(10, MIDNIGHT + 5)
    budget.reserve(10, MIDNIGHT - 1)
    assert refused(lambda: budget.reserve(10, MIDNIGHT + 6)) == "budget"
    budget.succeeded(yesterdays, 99_999)
    assert budget.spent() == (2, 20), "yesterday's reservation is not settled against today's tokens"


def test_a_clock_that_was_years_ahead_does_not_block_the_budget(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, calls=1)
    budget.reserve(10, NOON + 4000 * DAY_MS)
    budget.reserve(10, NOON)


@pytest.mark.parametrize(("calls", "tokens", "expected"), [(97, MUCH, 97), (MUCH, 9_750, 97)])
def test_budgets_are_exact_under_four_processes_with_four_threads_each(
    tmp_path: Path, calls: int, tokens: int, expected: int
) -> None:
    path = tmp_path / "count"
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        results = [pool.apply_async(_four_threads, (path, calls, tokens)) for _ in range(4)]
        assert sum(result.get(60) for result in results) == expected
    spent_calls, spent_tokens = SharedBudget(FileCell(path), DailyLimits(calls=1, tokens=1)).spent()
    assert (spent_calls, spent_tokens) == (expected, expected * 100)


def _four_threads(path: Path, calls: int, tokens: int) -> int:
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(lambda _: _reserve_all(path, calls, tokens), range(4)))


def _reserve_all(path: Path, calls: int, tokens: int) -> int:
    """Return the number of reservations until the budget is used up; a busy file refuses too, without an end."""
    budget = SharedBudget(FileCell(path), DailyLimits(calls=calls, tokens=tokens))
    reservations: list[Reservation] = []
    while (code := refused(lambda: reservations.append(budget.reserve(100, NOON)))) != "budget":
        if code is None:
            budget.succeeded(reservations[-1], 100)
    return len(reservations)


def test_a_transition_returns_the_next_state_and_leaves_the_present_one_unchanged() -> None:
    empty = BudgetState()
    reserved, reservation = empty.reserve(600, NOON, DailyLimits(calls=1, tokens=600))
    assert (empty, reserved.calls, reserved.tokens) == (BudgetState(), 1, 600)
    assert reserved.succeeded(reservation, 84) == replace(reserved, tokens=84)
    assert reserved.cancelled(reservation) == replace(reserved, calls=0, tokens=0, hour_calls=0)
    assert reserved.failed(reservation, None, NOON) == replace(reserved, failures=1)
    assert reserved.paused(reservation, 0, NOON, 12.5) == replace(reserved, tokens=0, not_before=NOON + 12_500)
    assert BudgetState.from_record(reserved.to_record()) == reserved


# --- the breaker ------------------------------------------------------------------------------------------------------


def test_the_breaker_opens_after_five_failures_lets_one_probe_through_after_30_s_and_closes(tmp_path: Path) -> None:
    budget = budget_in(tmp_path)
    for number in range(BREAK_AFTER):
        assert number < 5
        budget.failed(budget.reserve(1, NOON), NOON)
    assert BREAK_MS == 30_000
    assert refused(lambda: budget.reserve(1, NOON + 29_999)) == "breaker"
    probe = budget.reserve(1, NOON + 30_000)
    assert refused(lambda: budget.reserve(1, NOON + 30_000)) == "breaker"
    assert refused(lambda: budget.reserve(1, NOON + 30_000 + PROBE_MS - 1)) == "breaker"
    budget.succeeded(probe, 1)
    for _ in range(3):
        budget.reserve(1, NOON + 30_001)


def test_a_failed_probe_opens_the_breaker_again_and_a_lost_probe_expires(
    tmp_path: Path,
) -> None:
    budget = budget_in(tmp_path)
    for _ in range(5):
        budget.failed(budget.reserve(1, NOON), NOON)
    budget.failed(budget.reserve(1, NOON + 30_000), NOON + 31_000)
    assert refused(lambda: budget.reserve(1, NOON + 60_999)) == "breaker"
    budget.reserve(1, NOON + 61_000)  # and its worker dies
    assert refused(lambda: budget.reserve(1, NOON + 61_000 + PROBE_MS - 1)) == "breaker"
    budget.reserve(1, NOON + 61_000 + PROBE_MS)


def test_a_success_between_failures_keeps_the_breaker_closed(tmp_path: Path) -> None:
    budget = budget_in(tmp_path)
    for _ in range(3):
        for _ in range(4):
            budget.failed(budget.reserve(1, NOON), NOON)
        budget.succeeded(budget.reserve(1, NOON), 1)


def test_the_breaker_is_shared_by_all_processes_and_survives_a_restart(tmp_path: Path) -> None:
    for _ in range(5):
        one = budget_in(tmp_path)
        one.failed(one.reserve(1, NOON), NOON)
    assert refused(lambda: budget_in(tmp_path).reserve(1, NOON + 1)) == "breaker"


def test_no_call_is_made_during_a_pause_that_the_server_asked_for(tmp_path: Path) -> None:
    budget = budget_in(tmp_path)
    first, second = budget.reserve(1, NOON), budget.reserve(1, NOON)
    budget.failed(first, NOON, retry_after_s=12.5)
    budget.failed(second, NOON, retry_after_s=1)
    assert refused(lambda: budget.reserve(1, NOON + 12_499)) == "retry_after"
    budget.reserve(1, NOON + 12_500)


def test_a_pause_is_no_failure_and_lasts_a_day_at_most(tmp_path: Path) -> None:
    budget = budget_in(tmp_path)
    for _ in range(9):
        budget.failed(budget.reserve(1, NOON), NOON, retry_after_s=0)
    budget.failed(budget.reserve(1, NOON), NOON, retry_after_s=1e300)
    assert refused(lambda: budget.reserve(1, NOON + DAY_MS - 1)) == "retry_after"
    assert LONGEST_PAUSE_S * 1000 == DAY_MS
    budget.reserve(1, NOON + DAY_MS)


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\x00" * 40,
        b'{"calls": "many"}',
        b'{"calls": -1000000}',
        b'{"calls": true}',
        b'{"calls": 1.5}',
        b'{"day": 7}',
        b'{"spent": 1}',
    ],
)
def test_a_damaged_file_refuses_every_call_and_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "count").write_bytes(content)
    budget = budget_in(tmp_path)
    assert refused(lambda: budget.reserve(1, NOON)) == "unavailable"
    budget.succeeded(Reservation("2026-09-21", 5), 5)
    budget.failed(Reservation("2026-09-21", 5), NOON)
    budget.cancelled(Reservation("2026-09-21", 5))
    assert (tmp_path / "count").read_bytes() == content


def test_a_file_that_cannot_be_written_refuses_every_call(tmp_path: Path) -> None:
    (tmp_path / "count.new").mkdir()
    assert refused(lambda: budget_in(tmp_path).reserve(1, NOON)) == "unavailable"
    nowhere = SharedBudget(FileCell(tmp_path / "no such folder" / "count"), DailyLimits(calls=9, tokens=MUCH))
    assert refused(lambda: nowhere.reserve(1, NOON)) == "unavailable"


def test_the_file_is_one_small_json_object_as_in_1_0_0_with_the_hour_beside(tmp_path: Path) -> None:
    budget = budget_in(tmp_path)
    budget.succeeded(budget.reserve(500, NOON), 77)
    assert json.loads((tmp_path / "count").read_bytes()) == {
        "day": "2026-09-21",
        "calls": 1,
        "tokens": 77,
        "hour": NOON // HOUR,
        "hour_calls": 1,
        "failures": 0,
        "open_until": 0,
        "not_before": 0,
    }
    assert {path.name for path in tmp_path.iterdir()} == {"count", "count.lock"}


# --- The day is spread over its hours ---------------------------------------------------------------------------------


def test_an_hour_takes_a_sixth_of_the_days_calls_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    limits = DailyLimits(calls=1800, tokens=MUCH)
    budget = SharedBudget(FileCell(tmp_path / "count"), limits)
    for _ in range(limits.calls_an_hour):
        budget.reserve(1, NOON)

    with pytest.raises(BudgetRefusedError) as refused:
        budget.reserve(1, NOON)
    assert refused.value.fault is Fault.HOUR
    assert "hour" in (budget.notice(NOON) or "")
    assert budget.notice(NOON + HOUR) is None
    budget.reserve(1, NOON + HOUR)


@pytest.mark.parametrize(("calls", "an_hour"), [(0, 0), (7, 7), (200, 200), (1000, 200), (6000, 1000)])
def test_a_small_budget_is_not_spread(calls: int, an_hour: int) -> None:
    assert DailyLimits(calls=calls, tokens=MUCH).calls_an_hour == an_hour


def test_a_day_that_is_used_up_is_told_until_it_ends(tmp_path: Path) -> None:
    budget = SharedBudget(FileCell(tmp_path / "count"), DailyLimits(calls=2, tokens=MUCH))
    assert budget.notice(NOON) is None
    budget.reserve(1, NOON)
    budget.reserve(1, NOON)

    assert "midnight" in (budget.notice(NOON) or "")
    assert budget.notice(NOON + 24 * HOUR) is None


def test_a_record_of_an_earlier_version_without_hours_is_read(tmp_path: Path) -> None:
    old = {"day": "", "calls": 3, "tokens": 9, "failures": 0, "open_until": 0, "not_before": 0}

    assert BudgetState.from_record(old).calls == 3
