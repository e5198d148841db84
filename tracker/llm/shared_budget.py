"""The budget of all workers: its state in a cell, so that a call is counted once, and a restart forgets nothing.

The value: JSON {day, calls, tokens, hour, hour_calls, failures, open_until, not_before}. A value that cannot be read
or written refuses every call: what cannot be counted is not spent.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

import orjson

from tracker.durable.cell import Cell, CellError
from tracker.llm.budget import BudgetRefusedError, BudgetState, DailyLimits, Reservation
from tracker.llm.faults import Fault

log = logging.getLogger(__name__)

_UNCOUNTED = "The model's calls cannot be counted, so it is not asked: free some space, or delete the .allowance file."
_NOTICES = {
    Fault.BUDGET: "The day's calls to the model are used up: the rules decide until midnight (UTC)."
    " Raise MODEL_DAILY_CALLS, or look for a client that asks too often.",
    Fault.HOUR: "This hour's share of the calls to the model is used up: the rules decide until the hour ends.",
}


class SharedBudget:
    """A `Budget` in a cell; see there for what each method does.

    What happens after a call (`succeeded`, `cancelled`, `failed`) raises nothing: a state that cannot be kept leaves
    the reservation charged.
    """

    def __init__(self, cell: Cell, limits: DailyLimits) -> None:
        self._cell = cell
        self._limits = limits

    def reserve(self, tokens: int, now_ms: int) -> Reservation:
        reservations: list[Reservation] = []

        def reserve(state: BudgetState) -> BudgetState:
            reserved, reservation = state.reserve(tokens, now_ms, self._limits)
            reservations.append(reservation)
            return reserved

        self._change(reserve)
        return reservations[-1]  # a cell may call the change again; the last state is the one that it kept

    def succeeded(self, reservation: Reservation, tokens: int | None) -> None:
        was_broken: list[bool] = []

        def succeed(state: BudgetState) -> BudgetState:
            was_broken.append(state.is_broken)
            return state.succeeded(reservation, tokens)

        with contextlib.suppress(BudgetRefusedError):
            self._change(succeed)
            if was_broken[-1]:
                log.info("the model answers again", extra={"breaker": "closed"})

    def cancelled(self, reservation: Reservation) -> None:
        with contextlib.suppress(BudgetRefusedError):
            self._change(lambda state: state.cancelled(reservation))

    def failed(
        self, reservation: Reservation, now_ms: int, *, tokens: int | None = 0, retry_after_s: float | None = None
    ) -> None:
        with contextlib.suppress(BudgetRefusedError):
            if retry_after_s is not None:
                self._change(lambda state: state.paused(reservation, tokens, now_ms, retry_after_s))
                return
            failed = self._change(lambda state: state.failed(reservation, tokens, now_ms))
            if failed.is_broken:
                text = "the model failed %d times in a row: no call is made for 30 s"
                log.warning(text, failed.failures, extra={"breaker": "open"})

    def notice(self, now_ms: int) -> str | None:
        """Return a sentence for the owner where the model's calls are used up before their time."""
        try:
            used_up = _state(self._cell.get()).used_up(now_ms, self._limits)
        except (CellError, ValueError, TypeError):
            return _UNCOUNTED
        return None if used_up is None else _NOTICES[used_up]

    def spent(self) -> tuple[int, int]:
        """Return (calls, tokens) of the last day with any call. Raises CellError, TypeError or ValueError."""
        state = _state(self._cell.get())
        return state.calls, state.tokens

    def _change(self, change: Callable[[BudgetState], BudgetState]) -> BudgetState:
        try:
            return _state(self._cell.update(lambda value: orjson.dumps(change(_state(value)).to_record())))
        except (CellError, ValueError, TypeError) as error:
            log.warning("the model's calls cannot be counted, so it is not asked (%s)", error)
            raise BudgetRefusedError(Fault.UNAVAILABLE) from error


def _state(value: bytes | None) -> BudgetState:
    return BudgetState() if value is None else BudgetState.from_record(orjson.loads(value))
