"""Machines that say they are: search engines, monitors, driven browsers. They read the shop, and are no shoppers.

The list is that of the package crawler-user-agents, data alone, without its programming libraries: who posts with curl
or from a program of his own does so on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

from flask import current_app, request

from tracker.metrics.counts import Counter

LONGEST: Final = 256
"""So many characters of a User-Agent are looked at: more than any browser sends, and it bounds what a look costs."""
_KNOWN: Final = 2048
_LEFT_OUT: Final = Counter("tracker_machine_reports", "Reports that were left out because a machine sent them.")
_CHUNK: Final = 25
"""Patterns that are compiled together: with all 1,400 in one, a look takes twice as long."""


class Machines:
    """Whether the visits of machines are left out."""

    def __init__(self, *, are_stored: bool, on_left_out: Callable[[], None] = lambda: None) -> None:
        """`on_left_out` is called for each report that is left out."""
        self._are_stored = are_stored
        self._on_left_out = on_left_out

    def is_calling(self) -> bool:
        """Return whether a machine sent the present request, and its visits are not to be stored."""
        return not self._are_stored and is_machine(request.environ.get("HTTP_USER_AGENT", "")[:LONGEST])

    def leave_out(self) -> bool:
        """Return whether the present request is a report to be left out, and count it."""
        if not self.is_calling():
            return False
        _LEFT_OUT.add()
        self._on_left_out()
        return True


@lru_cache(_KNOWN)
def is_machine(user_agent: str) -> bool:
    """Return whether a User-Agent, cut to LONGEST, is that of a machine. 0.2 ms, or nothing for one that was seen."""
    return any(pattern.search(user_agent) for pattern in _patterns())


@cache
def _patterns() -> list[re.Pattern[str]]:
    # Loaded where it is used: the commands at a terminal need none of its 1,500 entries.
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # noqa: PLC0415

    found = [entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA if "http-library" not in entry["tags"]]
    return [re.compile("|".join(found[begin : begin + _CHUNK])) for begin in range(0, len(found), _CHUNK)]


def machines() -> Machines:
    """Return the machines of the application that answers."""
    known: Machines = current_app.extensions["machines"]
    return known
