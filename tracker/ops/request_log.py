"""The log of requests: a line a minute with their counts; each by itself where it failed, or where LOG_LEVEL is DEBUG.

A line a request made the log grow faster than the session file, and took 80 to 100 of the 230 µs of an empty view.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from tracker.web.exchange import Exchange

log = logging.getLogger(__name__)

MINUTE_S: Final = 60.0


class RequestCounts:
    """The requests of the minute that runs: how many of which route and status, and how long they took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._ends = self._clock() + MINUTE_S
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._seconds = self._longest = 0.0

    def add(self, method: str, rule: str, status: int, seconds: float) -> None:
        """Count a request; the first one after a minute writes the line of that minute."""
        if self._clock() >= self._ends:
            self.write()
        self._counts[method, rule, status] += 1
        self._seconds += seconds
        self._longest = max(self._longest, seconds)

    def write(self) -> None:
        """Write the line of what was counted, and begin anew."""
        total = self._counts.total()
        if total:
            counts = {f"{method} {rule} {status}": count for (method, rule, status), count in self._counts.items()}
            times = {"mean_ms": round(self._seconds / total * 1000, 1), "longest_ms": round(self._longest * 1000, 1)}
            log.info("%d requests in a minute", total, extra={"requests": counts, **times})
        self._begin()

    def watch(self, exchange: Exchange) -> None:
        """Count what was answered, and log it by itself where it failed."""
        status, seconds = exchange.status, exchange.seconds
        self.add(exchange.method, exchange.rule, status, seconds)
        level = logging.DEBUG if status < 500 else logging.WARNING
        if log.isEnabledFor(level):
            extra = {"status": status, "ms": round(seconds * 1000, 1)}
            log.log(level, "%s %s %d", exchange.method, exchange.rule, status, extra=extra)
