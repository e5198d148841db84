"""The verdict on popups in words: nothing is said before it can be trusted, but how long that takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tracker.insights.lift import LARGE, MOST_ODDS, Estimate, Lot, estimate, odds_of_a_fault

Kind: TypeAlias = Literal["too_early", "sells", "harms", "small", "undecided", "broken", "off"]
Measure: TypeAlias = Literal["orders", "revenue"]

LEAST_BROWSERS: Final = 100
LEAST_ORDERS: Final = 20
LEAST_DAYS: Final = 7
"""Before every group has so many of each, and the epoch is so many whole days old, nothing is said."""
A_YEAR: Final = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The browsers that were newly offered a popup, and what they ordered from then on."""

    browsers: int = 0
    orders: int = 0
    minor: int = 0
    """The orders' worth in minor units of the shop's currency, each one up to the cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What can be said about popups now. No figure of it means anything where `kind` hides them."""

    kind: Kind
    measure: Measure
    sentence: str
    interval: tuple[float, float] | None = None
    """The change that popups make, with 95 % certainty: (-0.04, 0.31) is -4 % to +31 %. None: not to be shown."""
    shown: Group = Group()
    held: Group = Group()
    days_to_go: int | None = None
    """About how many more days it takes; None: nothing is awaited, or nobody can tell."""
    capped_orders: int = 0
    """Orders that count with the cap and not with their whole worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a verdict is made from: an epoch's two groups so far."""

    percent: float
    """The share that is held out."""
    days: int
    """Whole days since the epoch began."""
    shown: Group
    held: Group
    browsers_a_day: float
    """Newly offered browsers of both groups, a day, lately."""
    orders_a_day: float
    capped_orders: int = 0

    @property
    def share(self) -> float:
        return self.percent / 100


def verdict(compared: Compared, measure: Measure, lots: Sequence[Lot]) -> Verdict:
    """Return the verdict on the orders, or the revenue, of a browser."""
    if not compared.percent:
        text = "Every browser may be shown popups, so nobody can tell whether they sell. Hold some back to find out."
        return Verdict(kind="off", measure=measure, sentence=text)
    if odds_of_a_fault(compared.shown.browsers, compared.held.browsers, compared.share) > MOST_ODDS:
        return Verdict(kind="broken", measure=measure, sentence=_broken(compared))
    found = estimate(lots)
    if found is None or _is_too_early(compared):
        return _too_early(compared, measure)
    return _decided(compared, measure, found)


def _is_too_early(compared: Compared) -> bool:
    groups = (compared.shown, compared.held)
    return compared.days < LEAST_DAYS or any(
        group.browsers < LEAST_BROWSERS or group.orders < LEAST_ORDERS for group in groups
    )


def _broken(compared: Compared) -> str:
    shown, held = compared.shown.browsers, compared.held.browsers
    expected = round((shown + held) * compared.share)
    return (
        f"The groups cannot be compared: {held} browsers were held back where about {expected} of {shown + held} should"
        " be. Something loses or repeats visits of one group, so no figure of the comparison is shown. Look for another"
        " script that changes popups; a new epoch begins when HOLDOUT_PERCENT is changed."
    )


def _too_early(compared: Compared, measure: Measure) -> Verdict:
    days = _days_until_enough(compared)
    if days is None:
        text = "Not enough data yet: no popup was due lately, so nobody can tell how long it takes."
    else:
        text = f"Not enough data yet: about {_more_days(days)} at today's traffic."
    # The groups' sizes tell the owner that it counts; what they ordered is told with the first verdict.
    return Verdict(
        kind="too_early",
        measure=measure,
        sentence=text,
        shown=Group(browsers=compared.shown.browsers),
        held=Group(browsers=compared.held.browsers),
        days_to_go=days,
    )


def _days_until_enough(compared: Compared) -> int | None:
    waits = [float(LEAST_DAYS - compared.days)]
    for group, share in ((compared.shown, 1 - compared.share), (compared.held, compared.share)):
        for has, least, a_day in (
            (group.browsers, LEAST_BROWSERS, compared.browsers_a_day),
            (group.orders, LEAST_ORDERS, compared.orders_a_day),
        ):
            if has < least:
                if not a_day * share:
                    return None
                waits.append((least - has) / (a_day * share))
    return max(1, math.ceil(max(waits)))


def _decided(compared: Compared, measure: Measure, found: Estimate) -> Verdict:
    low, high = found.interval
    kind: Kind
    days: int | None = None
    if low > 0:
        kind, text = "sells", f"Popups sell: {_between(low, high, measure)} than without."
    elif high < 0:
        kind, text = "harms", f"Popups harm: {_between(-high, -low, measure, 'fewer')} than without."
    elif low >= -LARGE and high <= LARGE:
        kind = "small"
        text = f"No large effect: with popups there is {_range(low, high)} in {_noun(measure)} a browser."
    else:
        kind, days = "undecided", _days_until_decided(compared, found)
        text = f"Not decided yet: {_range(low, high)} in {_noun(measure)} a browser. {_pace(days)}"
    return Verdict(
        kind=kind,
        measure=measure,
        sentence=text,
        interval=(low, high),
        shown=compared.shown,
        held=compared.held,
        days_to_go=days,
        capped_orders=compared.capped_orders,
    )


def _days_until_decided(compared: Compared, found: Estimate) -> int | None:
    if not compared.browsers_a_day:
        return None
    missing = (found.growth_until_decided() - 1) * (found.shown_browsers + found.held_browsers)
    return max(1, math.ceil(missing / compared.browsers_a_day))


def _pace(days: int | None) -> str:
    if days is None:
        return "No popup was due lately, so it will not be decided at this pace."
    if days > A_YEAR:
        return (
            "At this pace it takes more than a year: a shop of this size learns more if half of the browsers are held."
        )
    return f"About {_more_days(days)} at this pace."


def _more_days(days: int) -> str:
    return "1 more day" if days == 1 else f"{days} more days"


def _noun(measure: Measure) -> str:
    return "orders" if measure == "orders" else "revenue"


def _between(low: float, high: float, measure: Measure, direction: str = "more") -> str:
    least, most = _percent(low), _percent(high)
    if measure == "orders":
        return f"browsers that are offered one place {least} to {most} {direction} orders"
    return f"browsers that are offered one spend {least} to {most} {'more' if direction == 'more' else 'less'}"


def _range(low: float, high: float) -> str:
    return f"a change between {_signed(low)} and {_signed(high)}"


def _percent(part: float) -> str:
    return f"{abs(part) * 100:.0f} %" if abs(part) >= 0.1 else f"{abs(part) * 100:.1f} %"


def _signed(part: float) -> str:
    return f"{'-' if part < 0 else '+'}{_percent(part)}"


def days_to_verdict(percent: float, browsers_a_day: float, orders_a_browser: float) -> int | None:
    """Return about how many days an effect of a fifth on orders takes to show, with this share held out.

    For the owner who chooses a share; None where there is nothing to estimate it from.
    """
    if not 0.1 <= percent <= 99.9 or not browsers_a_day or not orders_a_browser:
        return None
    share = percent / 100
    # As if browsers ordered independently of each other; a few orders a browser make the variance about the mean.
    people = 1_000
    one = Estimate(
        shown_browsers=people - round(people * share),
        held_browsers=round(people * share),
        shown_total=people * (1 - share) * orders_a_browser,
        held_total=people * share * orders_a_browser,
        variance=orders_a_browser,
    )
    return max(LEAST_DAYS, math.ceil(one.growth_until_decided() * people / browsers_a_day))
