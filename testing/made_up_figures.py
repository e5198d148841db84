"""Made-up sums of a shop, in every state that the owner's pages know, without a single visit behind them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

from tracker.decisions.holdout.epoch import Epoch
from tracker.insights.port import Counted
from tracker.insights.sums import EpochSums, Figures, Sums
from tracker.insights.tally import Fate, Mark
from tracker.sessions.model import LOTS

TODAY = date(2026, 11, 26)
NOW_MS = round(datetime(2026, 11, 26, 14, 5, tzinfo=UTC).timestamp() * 1000)
MESSAGES = ("free-returns", "shipping", "welcome-10", "chat")
"""Messages of shop.example.toml that popups have said; size-advice was never shown."""


@dataclass
class MadeUpInsights:
    """An Insights that holds what it is given."""

    sums: Sums = field(default_factory=Sums)
    epoch: Epoch | None = None
    revision: int = 0
    zone: tzinfo = UTC

    def version(self) -> str:
        return str(self.revision)

    def counted(self) -> Counted:
        return Counted(sums=self.sums, epoch=self.epoch, version=self.version())

    def session_of(self, key: str) -> str | None:
        return None


def figures(days: int, visits: int = 1100, *, today: date = TODAY, quiet_today: bool = False) -> Figures:
    """Return the figures of a shop with about so many visits a day, in the last `days` days."""
    chance, made = random.Random(7), Figures()
    for back in range(days):
        day = (today - timedelta(days=back)).toordinal()
        count = round(visits * chance.uniform(0.8, 1.5) * (0.5 if back == 0 else 1))
        if quiet_today and back == 0:
            continue
        orders = round(count * 0.031)
        parts = {
            Mark.PRODUCT: 0.55, Mark.CART: 0.115, Mark.CHECKOUT: 0.045, Mark.ORDERED: 0.03, Mark.LEFT: 0.08,
            Mark.OFFERED: 0.08, Mark.FIRST: 0.06, Mark.HELD: 0.016,
        }  # fmt: skip
        marked = [round(count * parts.get(mark, 0)) for mark in Mark]
        made.days[day] = [count, *marked, round(count * 0.02), round(count * 14), round(count * 2)]
        made.orders[day, "EUR"] = orders
        made.minor[day, "EUR"] = orders * 6217
        for rank, message_id in enumerate(MESSAGES, 2):
            shown = count // (25 * rank)
            for fate, part in ((Fate.SHOWN, 1.0), (Fate.CLICKED, 0.2), (Fate.CLOSED, 0.4), (Fate.BOUGHT, 0.1)):
                if number := round(shown * part):
                    made.fates[day, message_id, fate] = number
    return made


def compared(
    days: int, shown: tuple[int, int], held: tuple[int, int], *, percent: float = 50.0
) -> tuple[Epoch, EpochSums]:
    """Return an epoch of so many days, and its groups as (browsers, orders)."""
    begun = NOW_MS - days * 86_400_000
    epoch, sums, chance = Epoch(id="made-up", percent=percent, begun_ms=begun), EpochSums(), random.Random(3)
    for (browsers, orders), is_held in ((shown, False), (held, True)):
        lots = [lot for lot in range(LOTS) if epoch.holds(lot) is is_held]
        for _, lot in zip(range(browsers), itertools.cycle(lots), strict=False):
            sums.browsers[lot] += 1
        for number in range(orders):
            day = (TODAY - timedelta(days=number % max(1, days))).toordinal()
            sums.orders[day, chance.choice(lots), chance.choice((2490, 4990, 8900)), "EUR"] += 1
    for number in range(shown[0] + held[0]):
        sums.by_day[(TODAY - timedelta(days=number % max(1, days))).toordinal()] += 1
    return epoch, sums


def shop(
    days: int = 60, shown: tuple[int, int] = (0, 0), held: tuple[int, int] = (0, 0), *, percent: float = 50.0
) -> MadeUpInsights:
    """Return the figures of a shop whose epoch is so many days old."""
    made = figures(max(60, days))
    epoch, sums = compared(days, shown, held, percent=percent)
    made.epochs[epoch.id] = sums
    return MadeUpInsights(Sums(own=made), epoch)


def example() -> MadeUpInsights:
    """Return the figures of simulated shoppers, and none of the shop's own."""
    made = figures(30, 200)
    _epoch, sums = compared(28, (2100, 500), (2080, 410))
    made.epochs["example"] = sums
    return MadeUpInsights(Sums(example=made))


STATES: dict[str, Callable[[], MadeUpInsights]] = {
    "empty": MadeUpInsights,
    "first-hour": lambda: MadeUpInsights(Sums(own=figures(1, 12))),
    "nothing-today": lambda: MadeUpInsights(Sums(own=figures(40, 90, quiet_today=True))),
    "off": lambda: MadeUpInsights(Sums(own=figures(60))),
    "example": example,
    "too-early": lambda: shop(4, (214, 61), (20, 4), percent=10.0),
    "undecided": lambda: shop(21, (1204, 361), (1189, 312)),
    "sells": lambda: shop(63, (4310, 1336), (4268, 1129)),
    "harms": lambda: shop(63, (4310, 1029), (4268, 1336)),
    "small": lambda: shop(140, (19_500, 5210), (19_480, 5150)),
    "broken": lambda: shop(21, (1500, 401), (1100, 312)),
}
"""What makes the figures of each state, by its name."""
