"""The budget for a model's calls as plain arithmetic: calls and tokens a day, a circuit breaker, the server's pauses.

`BudgetState` is frozen: each transition returns the next state and touches no file; `shared_budget` keeps it in a cell.
A call is reserved before it is made, with the most tokens that it can take, and settled afterwards. So a crash can
waste a call, but never lets one more through.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from tracker.llm.faults import Fault

BREAK_AFTER: Final = 5
"""Failures in a row after which the breaker opens: no call is made for BREAK_MS."""
BREAK_MS: Final = 30_000
PROBE_MS: Final = 10_000
"""How long the one call that tests whether the model is back may take before another may try."""
LEAST_AN_HOUR: Final = 200
"""A smaller budget than this is not spread over the hours of the day."""
_HOUR_MS: Final = 3_600_000
LONGEST_PAUSE_S: Final = 86_400.0
"""A server that asks for a longer pause is asked again after a day."""


class BudgetRefusedError(Exception):
    """No call may be made now; `fault` is one of BUDGET, BREAKER, RETRY_AFTER and UNAVAILABLE."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.explanation)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to one call, with so many tokens reserved for it on a day (UTC)."""

    day: str
    tokens: int


class Budget(Protocol):
    """A count of the model's calls that all workers share."""

    def reserve(self, tokens: int, now_ms: int) -> Reservation:
        """Reserve one call of at most `tokens` tokens. Raises BudgetRefusedError, and has then counted nothing."""

    def succeeded(self, reservation: Reservation, tokens: int | None) -> None:
        """Record success. `tokens=None` (usage unknown) keeps the full reservation charged."""

    def cancelled(self, reservation: Reservation) -> None:
        """Return the reservation of a call that was not made."""

    def failed(
        self, reservation: Reservation, now_ms: int, *, tokens: int | None = 0, retry_after_s: float | None = None
    ) -> None:
        """Record a call without a usable answer; `tokens` as in `succeeded`.

        `retry_after_s`: the server asked for this pause and gets it; that is no failure in the breaker's sense.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLimits:
    """The most that one day (UTC) may take."""

    calls: int
    tokens: int

    @property
    def calls_an_hour(self) -> int:
        """The most calls of one hour: four times the average, so that a flood cannot spend the day in a minute."""
        return max(min(self.calls, LEAST_AN_HOUR), self.calls // 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """What was counted so far. Its fields are the keys of the stored record; moments are ms since 1970, 0 for never."""

    day: str = ""
    calls: int = 0
    tokens: int = 0
    hour: int = 0
    """The hour that `hour_calls` counts, since 1970."""
    hour_calls: int = 0
    failures: int = 0
    """Failures in a row."""
    open_until: int = 0
    not_before: int = 0

    @property
    def is_broken(self) -> bool:
        """Whether the model failed so often that only a probe may be made."""
        return self.failures >= BREAK_AFTER

    def reserve(self, tokens: int, now_ms: int, limits: DailyLimits) -> tuple[BudgetState, Reservation]:
        """Reserve one call of at most `tokens` tokens. Raises BudgetRefusedError."""
        today = _day(now_ms, self.day)
        calls, spent = (self.calls, self.tokens) if self.day == today else (0, 0)
        if now_ms < self.not_before:
            raise BudgetRefusedError(Fault.RETRY_AFTER)
        if now_ms < self.open_until:
            raise BudgetRefusedError(Fault.BREAKER)
        if calls >= limits.calls or spent + tokens > limits.tokens:
            raise BudgetRefusedError(Fault.BUDGET)
        hour = now_ms // _HOUR_MS
        hour_calls = self.hour_calls if self.hour == hour else 0
        if hour_calls >= limits.calls_an_hour:
            raise BudgetRefusedError(Fault.HOUR)
        # Half open: this call is the probe, and all others wait for its outcome.
        open_until = now_ms + PROBE_MS if self.is_broken else 0
        counted = {"hour": hour, "hour_calls": hour_calls + 1}
        state = replace(self, day=today, calls=calls + 1, tokens=spent + tokens, open_until=open_until, **counted)
        return state, Reservation(today, tokens)

    def succeeded(self, reservation: Reservation, tokens: int | None) -> BudgetState:
        return replace(self._settled(reservation, tokens), failures=0, open_until=0)

    def cancelled(self, reservation: Reservation) -> BudgetState:
        calls = max(0, self.calls - 1) if self.day == reservation.day else self.calls
        return replace(self._settled(reservation, 0), calls=calls, hour_calls=max(0, self.hour_calls - 1))

    def failed(self, reservation: Reservation, tokens: int | None, now_ms: int) -> BudgetState:
        failures = self.failures + 1
        open_until = now_ms + BREAK_MS if failures >= BREAK_AFTER else 0
        return replace(self._settled(reservation, tokens), failures=failures, open_until=open_until)

    def paused(self, reservation: Reservation, tokens: int | None, now_ms: int, pause_s: float) -> BudgetState:
        until = now_ms + round(min(pause_s, LONGEST_PAUSE_S) * 1000)
        return replace(self._settled(reservation, tokens), not_before=max(until, self.not_before), open_until=0)

    def _settled(self, reservation: Reservation, tokens: int | None) -> BudgetState:
        if tokens is None or self.day != reservation.day:
            return self
        return replace(self, tokens=max(0, self.tokens - reservation.tokens + tokens))

    def used_up(self, now_ms: int, limits: DailyLimits) -> Fault | None:
        """Return BUDGET or HOUR where the calls of the day or of the hour are used up."""
        if self.day == _day(now_ms, self.day) and self.calls >= limits.calls > 0:
            return Fault.BUDGET
        is_hour_used = self.hour == now_ms // _HOUR_MS and self.hour_calls >= limits.calls_an_hour > 0
        return Fault.HOUR if is_hour_used else None

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Any) -> BudgetState:
        """Read a stored record. Raises TypeError or ValueError for anything that is no such record."""
        state = cls(**record)
        counts = (state.calls, state.tokens, state.hour, state.hour_calls, state.failures)
        numbers = (*counts, state.open_until, state.not_before)
        if type(state.day) is not str or not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("not a budget's record")
        return state


def _day(now_ms: int, counted: str) -> str:
    """Return the day (UTC) to count on.

    Around midnight a worker may come with a clock, or a call, from just before: it must not begin the old day anew,
    which would begin the new one anew after it.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    today, tomorrow = now.date().isoformat(), (now + timedelta(days=1)).date().isoformat()
    return tomorrow if counted == tomorrow else today
