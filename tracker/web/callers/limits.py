"""Bounds on what one address and one session may do in a while: counted in the memory of a worker, and failing open.

An address is what TRUSTED_PROXIES says, and nothing that a client can write. It is kept for a minute, or a
day where the model was asked for it, as a hash with a salt of the process, and stands in no file, log or metric.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from enum import Enum
from hashlib import blake2b
from typing import Final, NoReturn

from flask import current_app, request

from tracker.metrics.counts import Counter
from tracker.web.errors import ApiError, Errors

log = logging.getLogger(__name__)

MINUTE_S: Final = 60
DAY_S: Final = 86_400
MOST_KEYS: Final = 50_000
"""Addresses and sessions that are counted at a time, some 10 MB; beyond them nobody is refused."""
LEAST_SHARE: Final = 20
"""The calls to the model that an address may take a day, however small the day's budget is."""

_REFUSED: Final = Counter("tracker_limits_hit", "How often a bound was hit.", "bound")
_UNCOUNTED: Final = Counter("tracker_limits_uncounted", "Requests let through because too many addresses were counted.")

LIMIT_ERRORS: Errors = {429: ("too_many_requests",)}
"""The error of every route that is bounded."""


class Bound(Enum):
    """What is counted, the most of it in a minute, and what to do about it. An honest shop stays far below.

    Behind one address may be an office, or a few hundred shoppers of one mobile network. 200 of them at once begin some
    20 sessions a minute, ask 200 to 600 times and send 2 to 10 MB. A script reports 12 times a minute and at each
    click that matters.
    """

    SESSIONS = 120, "This address began many sessions a moment ago; try again in a minute."
    BYTES = 32_000_000, "This address sent much a moment ago; try again in a minute."
    WRITTEN = 128_000_000, "This address changed large sessions many times a moment ago; try again in a minute."
    """The bytes of the sessions that it changed: each change writes a session anew."""
    QUESTIONS = 600, "This address asked many questions a moment ago; try again in a minute."
    REPORTS = 120, "This session was reported many times a moment ago; collect more before the next report."
    WRONG_TOKENS = 10, "This address sent many wrong tokens a moment ago; try again in a minute."
    MODEL_CALLS = LEAST_SHARE, ""
    """In a day, and a tenth of the day's budget if that is more. Nobody is refused: the rules decide."""

    @property
    def most(self) -> int:
        """The most in its time, unless the settings say otherwise."""
        return self.value[0]

    @property
    def seconds(self) -> int:
        """The time in which it is counted."""
        return DAY_S if self is Bound.MODEL_CALLS else MINUTE_S

    @property
    def message(self) -> str:
        """The message of the error."""
        return self.value[1]


class _Counts:
    """The counts of the time that runs: one flat table, which is emptied when that time ends."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.ends = 0.0
        self.table: dict[tuple[Bound, bytes], int] = {}

    def at(self, now: float) -> dict[tuple[Bound, bytes], int]:
        if now >= self.ends:
            self.table.clear()
            self.ends = now + self._seconds
        return self.table


class Limits:
    """The counts of this worker for the minute and the day that run."""

    def __init__(self, *, is_on: bool, model_calls: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """`model_calls`: those of all senders in a day; `clock` returns seconds.

        Where it is not on, nothing is counted and nobody refused.
        """
        self.is_on = is_on
        self._clock = clock
        self._salt = os.urandom(16)
        self._share = max(LEAST_SHARE, model_calls // 10)
        self._counts = {seconds: _Counts(seconds) for seconds in (MINUTE_S, DAY_S)}
        self._is_warned = False

    def has_room(self, bound: Bound, of: str | bytes | None = None) -> bool:
        """Return whether more is allowed now. `of`: a session, or the sender; without it the address is hashed anew."""
        most = self._share if bound is Bound.MODEL_CALLS else bound.most
        return not self.is_on or self._table(bound).get(self._key(bound, of), 0) < most

    def check(self, bound: Bound, of: str | bytes | None = None) -> None:
        """Raise ApiError 429 where no more is allowed in this minute."""
        if not self.has_room(bound, of):
            self.refuse(bound)

    def refuse(self, bound: Bound) -> NoReturn:
        """Raise ApiError 429."""
        self.note_refused(bound)
        wait_s = max(1, round(self._counts[bound.seconds].ends - self._clock()))
        raise ApiError(429, "too_many_requests", bound.message, headers={"Retry-After": str(wait_s)})

    def note_refused(self, bound: Bound) -> None:
        """Count that a bound was hit; tell it once where that may be the address of a proxy."""
        _REFUSED.add(bound.name.lower())
        if not self._is_warned and "X-Forwarded-For" in request.headers and bound is not Bound.REPORTS:
            self._is_warned = True
            log.warning("an address reached its limits; if it is that of a proxy of yours, set TRUSTED_PROXIES")

    def add(self, bound: Bound, amount: int = 1, of: str | bytes | None = None) -> None:
        """Count what was done."""
        if not self.is_on:
            return
        table, key = self._table(bound), self._key(bound, of)
        if key not in table and len(table) >= MOST_KEYS:
            _UNCOUNTED.add()
            return
        table[key] = table.get(key, 0) + amount

    def take(self, bound: Bound, of: str | bytes | None = None) -> None:
        """Check, and count one."""
        self.check(bound, of)
        self.add(bound, of=of)

    def _table(self, bound: Bound) -> dict[tuple[Bound, bytes], int]:
        return self._counts[bound.seconds].at(self._clock())

    def sender(self) -> bytes:
        """Return the hash of the present request's address, for a caller that needs it several times."""
        return self._hashed(_network(request.remote_addr or "")) if self.is_on else b""

    def _key(self, bound: Bound, of: str | bytes | None) -> tuple[Bound, bytes]:
        if of is None:
            return bound, self.sender()
        return bound, of if isinstance(of, bytes) else self._hashed(of)

    def _hashed(self, text: str) -> bytes:
        return blake2b(text.encode(), digest_size=8, key=self._salt).digest()


def _network(address: str) -> str:
    """Return what one client has of addresses: one of IPv4, and of IPv6 a network of 64 bits."""
    return ":".join(address.split(":", 4)[:4]) if address.count(":") > 1 and "." not in address else address


def limits() -> Limits:
    """Return the limits of the application that answers."""
    found: Limits = current_app.extensions["limits"]
    return found
