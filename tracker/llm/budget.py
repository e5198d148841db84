"""How often a model may be asked: a daily budget, a breaker and the server's own wishes, for all workers together.

What is counted stands in a small JSON file beside the sessions: {day, calls, tokens, failures, openUntil, notBefore}.
A question is counted before it is asked, and its tokens at the most it can take; afterwards they are set right. So a
crash can cost a question, but never let one through.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import orjson

from tracker.durable.lock import FileLock, LockBusyError

log = logging.getLogger(__name__)

BREAK_AFTER: Final = 5
"""Failures in a row after which nobody asks for a while."""
BREAK_MS: Final = 30_000
PROBE_MS: Final = 10_000
"""How long the one question that tries whether the model is back may take before another may try."""
LONGEST_PAUSE_S: Final = 86_400.0
"""A server that asks for a longer pause is asked again after a day."""
_LOCK_TIMEOUT_S: Final = 0.5


class NotAllowedError(Exception):
    """The model must not be asked now; `code` says why: budget, breaker, retry_after or unavailable."""

    def __init__(self, code: str) -> None:
        """Take the code."""
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    day: str = ""
    calls: int = 0
    tokens: int = 0
    failures: int = 0
    open_until: int = 0
    not_before: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask once, with so many tokens put by for it on a day."""

    day: str
    tokens: int


_Save: TypeAlias = Callable[[_Count], None]


class Allowance:
    """Counts in a file that all workers share, and that outlives them."""

    def __init__(self, path: Path, *, daily_calls: int, daily_tokens: int) -> None:
        """Name the file and the most that a day (UTC) may take; touches nothing yet."""
        self._path = path
        self._lock = FileLock(path.with_name(path.name + ".lock"), _LOCK_TIMEOUT_S)
        self._daily_calls = daily_calls
        self._daily_tokens = daily_tokens

    def take(self, tokens: int, now_ms: int) -> Permit:
        """Count one question of at most `tokens` tokens. Raises NotAllowedError, and has then counted nothing."""
        with self._counting() as (count, save):
            today = _day(now_ms, count.day)
            calls, spent = (count.calls, count.tokens) if count.day == today else (0, 0)
            if now_ms < count.not_before:
                raise NotAllowedError("retry_after")
            if now_ms < count.open_until:
                raise NotAllowedError("breaker")
            if calls >= self._daily_calls or spent + tokens > self._daily_tokens:
                raise NotAllowedError("budget")
            # Half open: this question tries, and the others wait for what becomes of it.
            open_until = now_ms + PROBE_MS if count.failures >= BREAK_AFTER else 0
            save(replace(count, day=today, calls=calls + 1, tokens=spent + tokens, open_until=open_until))
            return Permit(today, tokens)

    def answered(self, permit: Permit, tokens: int | None) -> None:
        """Note that the model answered, at so many tokens; None, where nobody knows, leaves all that was put by."""
        with contextlib.suppress(NotAllowedError), self._counting() as (count, save):
            if count.failures >= BREAK_AFTER:
                log.info("the model answers again", extra={"breaker": "closed"})
            save(replace(self._settled(count, permit, tokens), failures=0, open_until=0))

    def not_asked(self, permit: Permit) -> None:
        """Give a permit back that was not used."""
        with contextlib.suppress(NotAllowedError), self._counting() as (count, save):
            calls = max(0, count.calls - 1) if count.day == permit.day else count.calls
            save(replace(self._settled(count, permit, 0), calls=calls))

    def failed(
        self, permit: Permit, now_ms: int, *, tokens: int | None = 0, retry_after_s: float | None = None
    ) -> None:
        """Note that no usable answer came, at so many tokens, see `answered`.

        A server that asks for a pause gets it, whatever the breaker thinks.
        """
        with contextlib.suppress(NotAllowedError), self._counting() as (count, save):
            settled = self._settled(count, permit, tokens)
            if retry_after_s is not None:
                until = now_ms + round(min(retry_after_s, LONGEST_PAUSE_S) * 1000)
                save(replace(settled, not_before=max(until, count.not_before), open_until=0))
                return
            failures = count.failures + 1
            if failures >= BREAK_AFTER:
                log.warning(
                    "the model failed %d times in a row: nobody asks for 30 s", failures, extra={"breaker": "open"}
                )
            save(replace(settled, failures=failures, open_until=now_ms + BREAK_MS if failures >= BREAK_AFTER else 0))

    def spent(self) -> tuple[int, int]:
        """Give (calls, tokens) counted on the last day that anything was. Raises OSError or ValueError if damaged."""
        count = self._read()
        return count.calls, count.tokens

    @staticmethod
    def _settled(count: _Count, permit: Permit, tokens: int | None) -> _Count:
        if tokens is None or count.day != permit.day:
            return count
        return replace(count, tokens=max(0, count.tokens - permit.tokens + tokens))

    @contextmanager
    def _counting(self) -> Iterator[tuple[_Count, _Save]]:
        try:
            with self._lock.held():
                yield self._read(), self._write
        except (OSError, ValueError, TypeError, LockBusyError) as error:
            # What cannot be counted is not spent.
            log.warning(
                "the count of the model's calls cannot be kept: the model is not asked (%s)", type(error).__name__
            )
            raise NotAllowedError("unavailable") from error

    def _read(self) -> _Count:
        try:
            count = _Count(**orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return _Count()
        numbers = (count.calls, count.tokens, count.failures, count.open_until, count.not_before)
        if type(count.day) is not str or not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("not a count")
        return count

    def _write(self, count: _Count) -> None:
        new = self._path.with_name(self._path.name + ".new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            content = orjson.dumps(asdict(count))
            if os.write(fd, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(fd)
        finally:
            os.close(fd)
        new.replace(self._path)


def _day(now_ms: int, counted: str) -> str:
    """Give the day (UTC) to count on.

    At midnight a worker may come with a clock, or a question, from just before: it must not start the old day anew,
    which would start the new one anew after it.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    today, tomorrow = now.date().isoformat(), (now + timedelta(days=1)).date().isoformat()
    return tomorrow if counted == tomorrow else today
