"""Visits as lines of a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from tracker.decisions.review.timeline import one_line
from tracker.owner import words
from tracker.sessions.model import ShopperSession


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitLine:
    """One visit in a list."""

    session: str
    time: str
    day: str
    text: str


def visit_lines(sessions: Iterable[ShopperSession], now_ms: int, zone: tzinfo) -> list[VisitLine]:
    """Return a line for each session, in the same order."""
    return [
        VisitLine(
            session=one.session,
            time=words.clock(one.updated_at, zone),
            day=words.day(words.moment(one.updated_at, zone).date()),
            text=one_line(one, now_ms),
        )
        for one in sessions
    ]
