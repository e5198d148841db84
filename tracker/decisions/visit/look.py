"""A look at a page."""

from __future__ import annotations

from dataclasses import dataclass, field

from tracker.decisions.visit.pages import PageName


@dataclass(slots=True)
class Look:
    """One look at a page, from its view to the next."""

    page: PageName
    begin_ms: int
    end_ms: int
    away_ms: int = 0
    deepest: int = 0
    acts: int = 0
    done: list[str] = field(default_factory=list)
    """What was done there, in order, in fixed words."""

    @property
    def seconds(self) -> float:
        """Return how long the page was seen: without the time in the background."""
        return max(0, self.end_ms - self.begin_ms - self.away_ms) / 1000
