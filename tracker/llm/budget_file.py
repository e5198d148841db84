"""The budget's state in a small JSON file beside the sessions, shared by all workers; it survives a restart.

The record: {day, calls, tokens, failures, open_until, not_before}. A file that cannot be read or written refuses every
call: what cannot be counted is not spent.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import orjson

from tracker.durable.lock import FileLock, LockBusyError
from tracker.llm.budget import BudgetRefusedError, BudgetState, DailyLimits, Reservation
from tracker.llm.faults import Fault

log = logging.getLogger(__name__)

_LOCK_TIMEOUT_S: Final = 0.5

_Save: TypeAlias = Callable[[BudgetState], None]


class FileBudget:
    """A `Budget` in a file; see there for what each method does.

    What happens after a call (`succeeded`, `cancelled`, `failed`) raises nothing: a state that cannot be kept leaves
    the reservation charged.
    """

    def __init__(self, path: Path, limits: DailyLimits) -> None:
        """`path` need not exist; nothing is opened yet."""
        self._path = path
        self._limits = limits
        self._lock = FileLock(path.with_name(path.name + ".lock"), _LOCK_TIMEOUT_S)

    def reserve(self, tokens: int, now_ms: int) -> Reservation:
        with self._locked() as (state, save):
            reserved, reservation = state.reserve(tokens, now_ms, self._limits)
            save(reserved)
            return reservation

    def succeeded(self, reservation: Reservation, tokens: int | None) -> None:
        with contextlib.suppress(BudgetRefusedError), self._locked() as (state, save):
            if state.is_broken:
                log.info("the model answers again", extra={"breaker": "closed"})
            save(state.succeeded(reservation, tokens))

    def cancelled(self, reservation: Reservation) -> None:
        with contextlib.suppress(BudgetRefusedError), self._locked() as (state, save):
            save(state.cancelled(reservation))

    def failed(
        self, reservation: Reservation, now_ms: int, *, tokens: int | None = 0, retry_after_s: float | None = None
    ) -> None:
        with contextlib.suppress(BudgetRefusedError), self._locked() as (state, save):
            if retry_after_s is not None:
                save(state.paused(reservation, tokens, now_ms, retry_after_s))
                return
            failed = state.failed(reservation, tokens, now_ms)
            if failed.is_broken:
                text = "the model failed %d times in a row: no call is made for 30 s"
                log.warning(text, failed.failures, extra={"breaker": "open"})
            save(failed)

    def spent(self) -> tuple[int, int]:
        """Return (calls, tokens) of the last day with any call. Raises OSError, TypeError or ValueError if damaged."""
        state = self._read()
        return state.calls, state.tokens

    @contextmanager
    def _locked(self) -> Iterator[tuple[BudgetState, _Save]]:
        try:
            with self._lock.held():
                yield self._read(), self._write
        except (OSError, ValueError, TypeError, LockBusyError) as error:
            log.warning("the model's calls cannot be counted, so it is not asked (%s)", type(error).__name__)
            raise BudgetRefusedError(Fault.UNAVAILABLE) from error

    def _read(self) -> BudgetState:
        try:
            return BudgetState.from_record(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return BudgetState()

    def _write(self, state: BudgetState) -> None:
        new = self._path.with_name(self._path.name + ".new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            content = orjson.dumps(state.to_record())
            if os.write(fd, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(fd)
        finally:
            os.close(fd)
        new.replace(self._path)
