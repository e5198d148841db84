"""Whether popups sell: the difference between browsers that were offered one and browsers that were held out.

An interval that holds however often one looks, from sums by lot. docs/lift.md says what was chosen and why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

LOTS: Final = 1000
ALPHA: Final = 0.05
"""Of a thousand experiments without any effect, at most fifty ever say otherwise."""
LARGE: Final = 0.20
"""A change by a fifth is a large effect: the interval is narrowest for it, and smaller ones are called small."""
MOST_ODDS: Final = 1000.0
"""Group sizes that are so much likelier under a fault than by chance."""
_PRIOR_WEIGHT: Final = 1000.0
_LARGEST_GROWTH: Final = 100_000
_MOST_CHANGE: Final = 10.0


class Lot(NamedTuple):
    """The sums of one lot in an epoch: newly offered browsers, and what is compared of them."""

    is_held: bool
    browsers: int
    total: float
    """Orders, or money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The difference a browser, and the half width of its interval."""

    shown_browsers: int
    held_browsers: int
    shown_total: float
    held_total: float
    variance: float
    """The variance of a browser's total, with its lot's: browsers that come back and heavy tails are in it."""

    @property
    def difference(self) -> float:
        return self.shown_total / self.shown_browsers - self.held_total / self.held_browsers

    @property
    def mean(self) -> float:
        """The total a browser, over both groups."""
        return (self.shown_total + self.held_total) / (self.shown_browsers + self.held_browsers)

    def half_width(self, growth: float = 1.0) -> float:
        """Return the half width of the interval; `growth`: as if there were so many times as many browsers."""
        v = self.variance * (1 / self.shown_browsers + 1 / self.held_browsers) / growth
        t2 = (LARGE * self.mean) ** 2
        if v <= 0 or t2 <= 0:
            return 0.0
        return math.sqrt(v * (v + t2) / t2 * (2 * math.log(1 / ALPHA) + math.log(1 + t2 / v)))

    @property
    def interval(self) -> tuple[float, float]:
        """The change against browsers that were held out: (-0.04, 0.31) is -4 % to +31 %."""
        half = self.half_width()
        return self._change(self.difference - half), self._change(self.difference + half)

    def _change(self, difference: float) -> float:
        """Return the change that makes this difference, where the mean of both groups is what it is.

        The mean is known best. A difference that leaves the held browsers nothing counts as ten times as much.
        """
        shown_part = self.shown_browsers / (self.shown_browsers + self.held_browsers)
        held_mean = self.mean - shown_part * difference
        return min(difference / held_mean, _MOST_CHANGE) if held_mean > 0 else _MOST_CHANGE

    @property
    def half_wanted(self) -> float:
        """The difference that a change by a fifth makes."""
        return LARGE * self.mean / (1 + LARGE * self.shown_browsers / (self.shown_browsers + self.held_browsers))

    def growth_until_decided(self) -> float:
        """Return how many times as many browsers it takes until an effect of a fifth shows, or can be excluded."""
        wanted = self.half_wanted
        low, high = 1.0, 1.0
        while self.half_width(high) > wanted and high < _LARGEST_GROWTH:
            low, high = high, high * 2
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if self.half_width(middle) > wanted else (low, middle)
        return high


def estimate(lots: Iterable[Lot]) -> Estimate | None:
    """Return the estimate from the sums of all lots of an epoch; None as long as nothing can be compared."""
    lots = list(lots)
    held = [lot for lot in lots if lot.is_held]
    shown = [lot for lot in lots if not lot.is_held]
    shown_browsers, held_browsers = sum(lot.browsers for lot in shown), sum(lot.browsers for lot in held)
    shown_total, held_total = math.fsum(lot.total for lot in shown), math.fsum(lot.total for lot in held)
    if not shown_browsers or not held_browsers or shown_total + held_total <= 0:
        return None
    means = {False: shown_total / shown_browsers, True: held_total / held_browsers}
    squares = math.fsum((lot.total - means[lot.is_held] * lot.browsers) ** 2 for lot in lots)
    return Estimate(
        shown_browsers=shown_browsers,
        held_browsers=held_browsers,
        shown_total=shown_total,
        held_total=held_total,
        variance=squares * LOTS / (LOTS - 2) / (shown_browsers + held_browsers),
    )


def odds_of_a_fault(shown_browsers: int, held_browsers: int, held_share: float) -> float:
    """Return how much likelier these group sizes are under a fault than by chance.

    A Bayes factor, which may be looked at after every browser: without a fault it exceeds 1,000 in one shop of a
    thousand at most. `held_share`: the part of all browsers that should be held out.
    """
    if not 0 < held_share < 1:
        return 1.0
    a, b = _PRIOR_WEIGHT * held_share, _PRIOR_WEIGHT * (1 - held_share)
    under_fault = _log_beta(a + held_browsers, b + shown_browsers) - _log_beta(a, b)
    by_chance = held_browsers * math.log(held_share) + shown_browsers * math.log1p(-held_share)
    return math.exp(min(under_fault - by_chance, 700.0))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
