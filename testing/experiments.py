"""Simulated comparisons: browsers that return, that differ in how they buy, and whose orders have heavy tails.

Only for tests of the estimate. numpy draws what happens; what is judged are sums by lot, as the service keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tracker.insights.comparison.verdict import LEAST_BROWSERS, LEAST_DAYS, LEAST_ORDERS
from tracker.insights.lift import LOTS, Lot, estimate

DAYS = 60
_VISITS = (0.6, 0.2, 0.12, 0.08)
"""How many browsers come once, twice, three and four times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One shop: newly offered browsers a day, the orders of one, the share held out, and the true effect."""

    browsers_a_day: int
    orders_a_browser: float
    held: float
    effect: float = 0.0
    spread: float = 3.0
    """The coefficient of variation of the rates at which browsers buy."""
    sigma: float = 1.3
    """Of the lognormal worth of an order."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known at the end of a day, by lot."""

    is_held: np.ndarray
    browsers: np.ndarray
    orders: np.ndarray
    revenue: np.ndarray
    day: int

    def is_enough(self) -> bool:
        """Whether the service would say anything yet."""
        return self.day >= LEAST_DAYS and all(
            self.browsers[group].sum() >= LEAST_BROWSERS and self.orders[group].sum() >= LEAST_ORDERS
            for group in (self.is_held, ~self.is_held)
        )

    def lots(self, what: np.ndarray) -> list[Lot]:
        return [
            Lot(is_held=bool(held), browsers=int(browsers), total=float(total))
            for held, browsers, total in zip(self.is_held, self.browsers, what, strict=True)
        ]


def looks(trial: Trial, seed: int, days: int = DAYS) -> Iterator[Look]:
    """Yield what a shop knows at the end of each day."""
    draw = np.random.default_rng(seed)
    is_held = np.zeros(LOTS, dtype=bool)
    is_held[draw.permutation(LOTS)[: round(trial.held * LOTS)]] = True
    browsers = np.zeros(LOTS)
    orders, revenue = np.zeros((days, LOTS)), np.zeros((days, LOTS))
    shape = 1 / trial.spread**2
    for day in range(days):
        lot = draw.integers(0, LOTS, trial.browsers_a_day)
        browsers += np.bincount(lot, minlength=LOTS)
        visits = draw.choice(4, trial.browsers_a_day, p=_VISITS) + 1
        mean_visits = sum((number + 1) * part for number, part in enumerate(_VISITS))
        rate = draw.gamma(shape, trial.orders_a_browser / mean_visits / shape, trial.browsers_a_day)
        rate = np.where(is_held[lot], rate, rate * (1 + trial.effect))
        for visit in range(4):
            comes = visits > visit
            # Whoever comes again comes within the week.
            later = draw.integers(1, 8, trial.browsers_a_day)
            when = day + (later if visit else np.zeros_like(later))
            ordered = np.where(comes, draw.poisson(rate), 0)
            seen = (ordered > 0) & (when < days)
            worth = ordered[seen] * draw.lognormal(0, trial.sigma, int(seen.sum()))
            np.add.at(orders, (when[seen], lot[seen]), ordered[seen])
            np.add.at(revenue, (when[seen], lot[seen]), worth)
        yield Look(is_held, browsers.copy(), orders[: day + 1].sum(axis=0), revenue[: day + 1].sum(axis=0), day + 1)


def says_otherwise(look: Look, what: str = "orders") -> bool:
    """Whether the service would say that popups sell, or harm."""
    found = estimate(look.lots(look.orders if what == "orders" else _capped(look)))
    return found is not None and abs(found.difference) > found.half_width()


def _capped(look: Look) -> np.ndarray:
    """Return the revenue of each lot, with no lot beyond ten times the mean order a lot has orders."""
    most = look.orders * 10 * look.revenue.sum() / max(look.orders.sum(), 1)
    capped: np.ndarray = np.minimum(look.revenue, most)
    return capped


def newcombe_says_otherwise(look: Look) -> bool:
    """Whether Newcombe's 95 % interval for two proportions excludes no difference: right for one look, not for many."""
    bounds = []
    for group in (~look.is_held, look.is_held):
        n = look.browsers[group].sum()
        bounds.append(_wilson(min(look.orders[group].sum(), n), n))
    (p1, low1, high1), (p2, low2, high2) = bounds
    difference = p1 - p2
    below = difference - ((p1 - low1) ** 2 + (high2 - p2) ** 2) ** 0.5
    above = difference + ((high1 - p1) ** 2 + (p2 - low2) ** 2) ** 0.5
    return bool(below > 0 or above < 0)


_Z = NormalDist().inv_cdf(0.975)


def _wilson(hits: float, n: float) -> tuple[float, float, float]:
    p = hits / n
    centre, half = p + _Z**2 / (2 * n), _Z * (p * (1 - p) / n + _Z**2 / (4 * n * n)) ** 0.5
    return p, (centre - half) / (1 + _Z**2 / n), (centre + half) / (1 + _Z**2 / n)
