"""The report: what the owner reads every morning, and nothing that cannot be trusted yet.

`report` makes it from the sums; pages, `flask report` and `GET /report.json` show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from tracker.decisions.holdout.epoch import EXAMPLE
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.reach import never_appears
from tracker.decisions.shop.shop import Shop
from tracker.insights.comparison.groups import Lift, lift_of
from tracker.insights.port import Counted, Insights
from tracker.insights.sums import Figures
from tracker.insights.tally import Fate, Mark

LEAST_CASES: Final = 20
"""Of fewer cases no percentage is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """A day of the shop, or several together."""

    day: date
    """The day, or the first of several."""
    visits: int = 0
    products: int = 0
    """Visits that came to a product; those that came further are among them."""
    carts: int = 0
    """Visits that put something into the cart."""
    checkouts: int = 0
    """Visits that began the checkout."""
    buyers: int = 0
    """Visits that ordered something."""
    carts_left: int = 0
    """Visits whose cart was full when last heard of, without an order."""
    orders: int = 0
    minor: int = 0
    """Their worth in minor units of the report's currency."""
    model_calls: int = 0
    question_tokens: int = 0
    answer_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelStep:
    """One step of the way to the till."""

    name: str
    """visits, products, carts, checkouts or orders."""
    visits: int
    percent: float | None
    """How many of the visits of the step before came here; None: there were fewer than 20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFigures:
    """What became of a message: visits in which it was shown, clicked, and so on."""

    message_id: str
    text: str
    """In the shop's first language; "" for a message that the shop's file does not hold any more."""
    shown: int = 0
    clicked: int = 0
    closed: int = 0
    applied: int = 0
    """Visits in which its code was applied or copied."""
    bought_after: int = 0
    """Visits that ordered something after it was shown. A click is not a sale, and neither is this: see the lift."""
    dropped: int = 0
    """Visits for which it was decided, and the page did not draw it after all."""
    withheld: int = 0
    """Visits in which it would have been shown, and the browser was held back."""
    click_percent: float | None = None
    """Of the visits that were shown it; None: there were fewer than 20."""
    never_shown: str | None = None
    """Why it was never shown; None: it was, or the file does not hold it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Figures are those of whole visits, by the shop's day of their first event."""

    today: date
    currency: str
    """The currency of most orders; "" where there is none yet."""
    other_currencies: tuple[str, ...]
    """Further currencies that orders were reported in: their worth is in no sum."""
    is_example: bool
    """Whether these are simulated shoppers."""
    days: tuple[DayFigures, ...]
    """The days of the report in order, today last."""
    total: DayFigures
    """All of them together."""
    before: DayFigures
    """As many days before them, together."""
    first_day: date | None
    """The first day with a visit; None: there is none."""
    funnel: tuple[FunnelStep, ...]
    messages: tuple[MessageFigures, ...]
    """Those of the shop's file in its order, then others that were shown."""
    lift: Lift
    unmatched: int | None
    """Orders of these days that no visit is known of, as those by telephone; None: nobody can tell now."""


def report(insights: Insights, shop: Shop, today: date, days: int, *, example: bool = False) -> Report:
    """Return the report of the last `days` days, today included. Raises StoreError.

    `example`: of simulated shoppers, who are in no other figure.
    """
    counted = insights.counted()
    figures = counted.sums.example if example else counted.sums.own
    epoch = EXAMPLE if example else counted.epoch
    currency, others = _currencies(figures)
    wanted = [today - timedelta(days=days - 1 - number) for number in range(days)]
    # The main currency first; "" stands for orders whose worth was not reported.
    currencies = (currency, *others, "") if currency else ("",)
    each = tuple(_day(figures, currencies, day) for day in wanted)
    earlier = [_day(figures, currencies, day - timedelta(days=days)) for day in wanted]
    total = _together(each)
    return Report(
        today=today,
        currency=currency,
        other_currencies=others,
        is_example=example,
        days=each,
        total=total,
        before=_together(earlier),
        first_day=date.fromordinal(min(figures.days)) if figures.days else None,
        funnel=_funnel(total),
        messages=_messages(figures, shop, wanted, today),
        lift=lift_of(figures, epoch, insights.zone, today, currency),
        unmatched=0 if example else _unmatched(counted, wanted),
    )


def _unmatched(counted: Counted, days: Sequence[date]) -> int | None:
    if counted.unmatched is None:
        return None
    return sum(counted.unmatched.get(day.isoformat(), 0) for day in days)


# --- Days -------------------------------------------------------------------------------------------------------------


def _currencies(figures: Figures) -> tuple[str, tuple[str, ...]]:
    counts: Counter[str] = Counter()
    for (_day_number, currency), number in figures.orders.items():
        if currency:
            counts[currency] += number
    ranked = sorted(counts, key=lambda one: (-counts[one], one))
    return (ranked[0], tuple(sorted(ranked[1:]))) if ranked else ("", ())


def _day(figures: Figures, currencies: Sequence[str], day: date) -> DayFigures:
    number = day.toordinal()
    calls, questions, answers = figures.model(number)
    return DayFigures(
        day=day,
        visits=figures.visits(number),
        products=figures.marked(number, Mark.PRODUCT),
        carts=figures.marked(number, Mark.CART),
        checkouts=figures.marked(number, Mark.CHECKOUT),
        buyers=figures.marked(number, Mark.ORDERED),
        carts_left=figures.marked(number, Mark.LEFT),
        orders=sum(figures.orders[number, one] for one in currencies),
        minor=figures.minor[number, currencies[0]],
        model_calls=calls,
        question_tokens=questions,
        answer_tokens=answers,
    )


_SUMMED: Final = tuple(name for name in DayFigures.__slots__ if name != "day")


def _together(days: Sequence[DayFigures]) -> DayFigures:
    return DayFigures(day=days[0].day, **{name: sum(getattr(day, name) for day in days) for name in _SUMMED})


def _funnel(total: DayFigures) -> tuple[FunnelStep, ...]:
    steps: list[FunnelStep] = []
    before: int | None = None
    for name in ("visits", "products", "carts", "checkouts", "buyers"):
        visits: int = getattr(total, name)
        steps.append(FunnelStep(name=name, visits=visits, percent=None if before is None else percent(visits, before)))
        before = visits
    return tuple(steps)


def percent(part: int, whole: int) -> float | None:
    """Return the part in percent; None for a part of fewer than 20 cases."""
    return None if whole < LEAST_CASES else 100 * part / whole


# --- Messages ---------------------------------------------------------------------------------------------------------


def _messages(figures: Figures, shop: Shop, days: Iterable[date], today: date) -> tuple[MessageFigures, ...]:
    numbers = {day.toordinal() for day in days}
    counts: dict[str, Counter[int]] = {}
    ever: set[str] = set()
    for (day, message_id, fate), number in figures.fates.items():
        if fate == Fate.SHOWN:
            ever.add(message_id)
        if day in numbers:
            counts.setdefault(message_id, Counter())[fate] += number
    rows = [
        _message(message.id, message, counts.get(message.id, Counter()), _why_never(shop, message, ever, counts, today))
        for message in shop.messages
    ]
    known = {message.id for message in shop.messages}
    return tuple(rows + [_message(one, None, counts[one], None) for one in sorted(counts.keys() - known)])


def _message(message_id: str, message: Message | None, counts: Counter[int], never_shown: str | None) -> MessageFigures:
    shown = counts[Fate.SHOWN]
    return MessageFigures(
        message_id=message_id,
        text="" if message is None else next(iter(message.texts.values())),
        shown=shown,
        clicked=counts[Fate.CLICKED],
        closed=counts[Fate.CLOSED],
        applied=counts[Fate.APPLIED],
        bought_after=counts[Fate.BOUGHT],
        dropped=counts[Fate.DROPPED],
        withheld=counts[Fate.WITHHELD],
        click_percent=percent(counts[Fate.CLICKED], shown),
        never_shown=never_shown,
    )


def _why_never(
    shop: Shop, message: Message, ever: set[str], counts: dict[str, Counter[int]], today: date
) -> str | None:
    """Return why a message was never shown, the most certain reason first; None if it was."""
    if message.id in ever:
        return None
    if why := never_appears(shop, message):
        return f"it can never appear: {why}"
    if message.last_day is not None and message.last_day < today:
        return f"it ended on {message.last_day.isoformat()}"
    if message.first_day is not None and message.first_day > today:
        return f"it starts on {message.first_day.isoformat()}"
    mine = counts.get(message.id, Counter())
    if mine[Fate.WITHHELD]:
        return "every browser that it was for is held back so far"
    if mine[Fate.DROPPED]:
        return "the shop's pages did not draw it: the cart had changed, or it had been seen before"
    if not message.about and not any(message.id in rule.say for rule in shop.rules):
        return "no rule of the file says it, and it is about nothing"
    return "no visit has come to a moment that it is for"
