"""The two groups of an epoch, from its sums: what the verdict is made from, and the cap on an order's worth."""

from __future__ import annotations

import heapq
import statistics
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final

from tracker.decisions.holdout.epoch import EXAMPLE, Epoch
from tracker.insights.comparison.verdict import Compared, Group, Verdict, verdict
from tracker.insights.lift import Lot
from tracker.insights.sums import EpochSums, Figures
from tracker.sessions.model import LOTS

CAP_FROM_ORDERS: Final = 200
CAP_MEDIANS: Final = 10
LATELY_DAYS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """Whether popups sell, by an epoch's two groups."""

    orders: Verdict
    revenue: Verdict
    percent: float
    """The share of browsers that is held back."""
    since: date | None
    """The first day of the epoch; None: there is none."""
    cap_minor: int | None
    """An order counts with so much at most; None: no order was compared yet."""
    cap_is_frozen: bool
    """Whether the cap stays: it is made from the epoch's first 200 orders."""


def lift_of(figures: Figures, epoch: Epoch | None, zone: tzinfo, today: date, currency: str) -> Lift:
    """Return whether popups sell, by the sums of an epoch; `currency` is the one that the shop's orders are in."""
    sums = EpochSums() if epoch is None else figures.epochs.get(epoch.id, EpochSums())
    since = _first_day(epoch, sums, zone)
    whole_days = 0 if since is None else max(0, (today - since).days - 1)
    lately = range(today.toordinal() - min(whole_days, LATELY_DAYS), today.toordinal()) if whole_days else None
    cap, is_frozen = cap_of(sums, currency)
    holds = [False] * LOTS if epoch is None else [epoch.holds(lot) for lot in range(LOTS)]
    orders, minor = [0] * LOTS, [0] * LOTS
    capped = lately_ordered = 0
    for (day, lot, worth, of_currency), number in sums.orders.items():
        orders[lot] += number
        if lately is None or day in lately:
            lately_ordered += number
        if of_currency == currency and cap is not None:
            capped += number if worth > cap else 0
            minor[lot] += number * min(worth, cap)
    lately_offered = sum(number for day, number in sums.by_day.items() if lately is None or day in lately)
    compared = Compared(
        percent=0.0 if epoch is None else 100 * len(epoch.held_lots) / LOTS,
        days=whole_days,
        shown=_group(False, holds, sums.browsers, orders, minor),
        held=_group(True, holds, sums.browsers, orders, minor),
        browsers_a_day=lately_offered / len(lately or [today]),
        orders_a_day=lately_ordered / len(lately or [today]),
        capped_orders=capped,
    )
    by_orders = [Lot(*one) for one in zip(holds, sums.browsers, map(float, orders), strict=True)]
    by_minor = [Lot(*one) for one in zip(holds, sums.browsers, map(float, minor), strict=True)]
    return Lift(
        orders=verdict(compared, "orders", by_orders),
        revenue=verdict(compared, "revenue", by_minor),
        percent=compared.percent,
        since=since,
        cap_minor=cap,
        cap_is_frozen=is_frozen,
    )


def _first_day(epoch: Epoch | None, sums: EpochSums, zone: tzinfo) -> date | None:
    if epoch is None:
        return None
    if epoch is EXAMPLE:
        # Simulated shoppers have no epoch that began: theirs is as old as its first offer.
        return date.fromordinal(min(sums.by_day)) if sums.by_day else None
    return datetime.fromtimestamp(epoch.begun_ms / 1000, zone).date()


def _group(is_held: bool, holds: list[bool], browsers: list[int], orders: list[int], minor: list[int]) -> Group:
    lots = [lot for lot in range(LOTS) if holds[lot] is is_held]
    return Group(
        browsers=sum(browsers[lot] for lot in lots),
        orders=sum(orders[lot] for lot in lots),
        minor=sum(minor[lot] for lot in lots),
    )


def cap_of(sums: EpochSums, currency: str) -> tuple[int | None, bool]:
    """Return (the most that one order counts with, whether that stays): ten times the median of the first 200 orders.

    They are the first ones by day, and by lot within a day, which is as good as by chance. So nobody has to write down
    the cap: it is the same whoever asks, and stays but for what happens to these very orders, a refund for instance.
    """
    of_currency = (item for item in sums.orders.items() if item[0][3] == currency)
    first = [worth for (*_, worth, _), number in heapq.nsmallest(CAP_FROM_ORDERS, of_currency) for _ in range(number)]
    if not first:
        return None, False
    return round(CAP_MEDIANS * statistics.median(first[:CAP_FROM_ORDERS])), len(first) >= CAP_FROM_ORDERS
