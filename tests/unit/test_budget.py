"""The count of the model's calls: exact under many processes, a breaker, the server's wishes, and damage."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracker.llm.budget import BREAK_AFTER, BREAK_MS, LONGEST_PAUSE_S, PROBE_MS, Allowance, NotAllowedError, Permit

NOON = 1_790_000_000_000
DAY_MS = 86_400_000
MIDNIGHT = NOON // DAY_MS * DAY_MS + DAY_MS
MUCH = 10**9


def allowance(tmp_path: Path, calls: int = 1000, tokens: int = MUCH) -> Allowance:
    return Allowance(tmp_path / "count", daily_calls=calls, daily_tokens=tokens)


def refused(take: Callable[[], object]) -> str | None:
    try:
        take()
    except NotAllowedError as refusal:
        return refusal.code
    return None


def test_the_daily_calls_are_exact_and_begin_anew_at_midnight_utc(tmp_path: Path) -> None:
    count = allowance(tmp_path, calls=3)
    for _ in range(3):
        count.answered(count.take(10, MIDNIGHT - 1), 10)
    assert refused(lambda: count.take(10, MIDNIGHT - 1)) == "budget"
    assert count.spent() == (3, 30)
    count.take(10, MIDNIGHT)
    assert count.spent() == (1, 10)


def test_a_budget_of_nothing_allows_nothing(tmp_path: Path) -> None:
    assert refused(lambda: allowance(tmp_path, calls=0).take(1, NOON)) == "budget"
    assert refused(lambda: allowance(tmp_path, tokens=0).take(1, NOON)) == "budget"
    assert not (tmp_path / "count").exists()


def test_tokens_are_put_by_at_the_most_and_set_right_afterwards(tmp_path: Path) -> None:
    count = allowance(tmp_path, tokens=1000)
    permit = count.take(600, NOON)
    assert refused(lambda: count.take(401, NOON)) == "budget"
    count.answered(permit, 100)
    assert count.spent() == (1, 100)
    second = count.take(900, NOON)
    assert refused(lambda: count.take(1, NOON)) == "budget"
    count.failed(second, NOON, tokens=0)
    assert count.spent() == (2, 100)


def test_tokens_of_which_nobody_knows_stay_put_by(tmp_path: Path) -> None:
    count = allowance(tmp_path)
    count.answered(count.take(600, NOON), None)
    count.failed(count.take(50, NOON), NOON, tokens=None)
    assert count.spent() == (2, 650)


def test_a_question_that_was_not_put_is_given_back(tmp_path: Path) -> None:
    count = allowance(tmp_path, calls=1)
    count.not_asked(count.take(600, NOON))
    assert count.spent() == (0, 0)
    count.take(600, NOON)


def test_around_midnight_a_late_worker_does_not_start_the_old_day_anew(tmp_path: Path) -> None:
    count = allowance(tmp_path, calls=2)
    yesterdays = count.take(10, MIDNIGHT - 5)
    count.take(10, MIDNIGHT + 5)
    count.take(10, MIDNIGHT - 1)
    assert refused(lambda: count.take(10, MIDNIGHT + 6)) == "budget"
    count.answered(yesterdays, 99_999)
    assert count.spent() == (2, 20), "what yesterday put by is not today's"


def test_a_clock_that_was_years_ahead_does_not_block_for_years(tmp_path: Path) -> None:
    count = allowance(tmp_path, calls=1)
    count.take(10, NOON + 4000 * DAY_MS)
    count.take(10, NOON)


@pytest.mark.parametrize(("calls", "tokens", "expected"), [(97, MUCH, 97), (MUCH, 9_750, 97)])
def test_budgets_are_exact_under_four_processes_of_four_threads(
    tmp_path: Path, calls: int, tokens: int, expected: int
) -> None:
    path = tmp_path / "count"
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        results = [pool.apply_async(_four_threads, (path, calls, tokens)) for _ in range(4)]
        assert sum(result.get(60) for result in results) == expected
    spent_calls, spent_tokens = Allowance(path, daily_calls=1, daily_tokens=1).spent()
    assert (spent_calls, spent_tokens) == (expected, expected * 100)


def _four_threads(path: Path, calls: int, tokens: int) -> int:
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(lambda _: _answered_only(path, calls, tokens), range(4)))


def _answered_only(path: Path, calls: int, tokens: int) -> int:
    """Ask until the budget is used up; a count that is busy is no permit either."""
    count = Allowance(path, daily_calls=calls, daily_tokens=tokens)
    permits: list[Permit] = []
    while (code := refused(lambda: permits.append(count.take(100, NOON)))) != "budget":
        if code is None:
            count.answered(permits[-1], 100)
    return len(permits)


# --- the breaker ------------------------------------------------------------------------------------------------------


def test_the_breaker_opens_after_five_failures_in_a_row_lets_one_through_after_30_s_and_closes(tmp_path: Path) -> None:
    count = allowance(tmp_path)
    for number in range(BREAK_AFTER):
        assert number < 5
        count.failed(count.take(1, NOON), NOON)
    assert BREAK_MS == 30_000
    assert refused(lambda: count.take(1, NOON + 29_999)) == "breaker"
    probe = count.take(1, NOON + 30_000)
    assert refused(lambda: count.take(1, NOON + 30_000)) == "breaker"
    assert refused(lambda: count.take(1, NOON + 30_000 + PROBE_MS - 1)) == "breaker"
    count.answered(probe, 1)
    for _ in range(3):
        count.take(1, NOON + 30_001)


def test_a_probe_that_fails_opens_the_breaker_again_and_one_that_is_lost_does_not_close_it_for_ever(
    tmp_path: Path,
) -> None:
    count = allowance(tmp_path)
    for _ in range(5):
        count.failed(count.take(1, NOON), NOON)
    count.failed(count.take(1, NOON + 30_000), NOON + 31_000)
    assert refused(lambda: count.take(1, NOON + 60_999)) == "breaker"
    count.take(1, NOON + 61_000)  # and its worker dies
    assert refused(lambda: count.take(1, NOON + 61_000 + PROBE_MS - 1)) == "breaker"
    count.take(1, NOON + 61_000 + PROBE_MS)


def test_an_answer_between_failures_keeps_the_breaker_shut(tmp_path: Path) -> None:
    count = allowance(tmp_path)
    for _ in range(3):
        for _ in range(4):
            count.failed(count.take(1, NOON), NOON)
        count.answered(count.take(1, NOON), 1)


def test_the_breaker_is_one_for_all_processes_and_outlives_a_restart(tmp_path: Path) -> None:
    for _ in range(5):
        one = allowance(tmp_path)
        one.failed(one.take(1, NOON), NOON)
    assert refused(lambda: allowance(tmp_path).take(1, NOON + 1)) == "breaker"


def test_a_server_that_asks_for_a_pause_is_not_asked_until_it_is_over(tmp_path: Path) -> None:
    count = allowance(tmp_path)
    first, second = count.take(1, NOON), count.take(1, NOON)
    count.failed(first, NOON, retry_after_s=12.5)
    count.failed(second, NOON, retry_after_s=1)
    assert refused(lambda: count.take(1, NOON + 12_499)) == "retry_after"
    count.take(1, NOON + 12_500)


def test_a_pause_is_no_failure_and_the_longest_is_a_day(tmp_path: Path) -> None:
    count = allowance(tmp_path)
    for _ in range(9):
        count.failed(count.take(1, NOON), NOON, retry_after_s=0)
    count.failed(count.take(1, NOON), NOON, retry_after_s=1e300)
    assert refused(lambda: count.take(1, NOON + DAY_MS - 1)) == "retry_after"
    assert LONGEST_PAUSE_S * 1000 == DAY_MS
    count.take(1, NOON + DAY_MS)


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
def test_what_cannot_be_counted_is_not_asked(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "count").write_bytes(content)
    count = allowance(tmp_path)
    assert refused(lambda: count.take(1, NOON)) == "unavailable"
    count.answered(Permit("2026-09-21", 5), 5)
    count.failed(Permit("2026-09-21", 5), NOON)
    count.not_asked(Permit("2026-09-21", 5))
    assert (tmp_path / "count").read_bytes() == content


def test_a_count_that_cannot_be_written_allows_nothing(tmp_path: Path) -> None:
    (tmp_path / "count.new").mkdir()
    assert refused(lambda: allowance(tmp_path).take(1, NOON)) == "unavailable"
    nowhere = Allowance(tmp_path / "no such folder" / "count", daily_calls=9, daily_tokens=MUCH)
    assert refused(lambda: nowhere.take(1, NOON)) == "unavailable"


def test_the_count_is_a_small_file_that_anyone_can_read(tmp_path: Path) -> None:
    count = allowance(tmp_path)
    count.answered(count.take(500, NOON), 77)
    assert json.loads((tmp_path / "count").read_bytes()) == {
        "day": "2026-09-21",
        "calls": 1,
        "tokens": 77,
        "failures": 0,
        "open_until": 0,
        "not_before": 0,
    }
    assert {path.name for path in tmp_path.iterdir()} == {"count", "count.lock"}
