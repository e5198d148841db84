"""What Today says in words: the state of the shop in one line, and what needs a hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from tracker.decisions.shop.shop import Shop
from tracker.insights.report import LEAST_CASES, Report
from tracker.owner import words

_SOON_DAYS: Final = 3
_QUIET_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Something that needs the owner's hand."""

    text: str
    address: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of the period, and how it compares."""

    name: str
    value: str
    compared: str
    """Empty if there is nothing to compare it with."""
    worth: str = ""


def state(report: Report) -> tuple[str, str]:
    """Return (the state of today in one line, a second line)."""
    today, ever = report.days[-1], report.total.visits + report.before.visits
    if not ever:
        return "Nothing was heard of your shop yet.", ""
    told = [words.counted(today.visits, "visit")]
    if today.orders:
        worth = f" worth {words.money(today.minor, report.currency)}" if today.minor else ""
        told.append(f"{words.counted(today.orders, 'order')}{worth}")
    elif today.carts:
        told.append(f"{words.counted(today.carts, 'filled cart')}, no order yet")
    yesterday = report.days[-2] if len(report.days) > 1 else None
    second = ""
    if yesterday is not None and yesterday.visits:
        second = f"Yesterday: {words.counted(yesterday.visits, 'visit')}, {words.counted(yesterday.orders, 'order')}."
    if not today.visits:
        return "No visit yet today.", second
    if ever == today.visits:
        return f"Your first day so far: {', '.join(told)}.", "Figures become worth reading after some days."
    return f"Today so far: {', '.join(told)}.", second


def hands(
    shop: Shop,
    today: date,
    *,
    file_problem: str | None,
    last_heard_ms: int,
    now_ms: int,
    notices: Iterable[str] = (),
) -> Iterator[Hand]:
    """Yield what needs a hand, the most urgent first. `notices`: what else the service has to say."""
    if file_problem is not None:
        yield Hand(text=file_problem, address="/messages-file", link="Correct it")
    if last_heard_ms and now_ms - last_heard_ms > _QUIET_MS:
        text = f"Nothing was heard of your shop since {words.ago(last_heard_ms, now_ms).removesuffix(' ago')}."
        yield Hand(text=text.replace("since", "for"), address="/setup", link="See what may be missing")
    for notice in notices:
        yield Hand(text=notice, address="/settings", link="See the settings")
    for message in shop.messages:
        left = None if message.last_day is None else (message.last_day - today).days
        if left is None or left > _SOON_DAYS:
            continue
        what = f"The offer “{next(iter(message.texts.values()))}”"
        when = (
            f"ended {words.counted(-left, 'day')} ago"
            if left < 0
            else "ends today"
            if not left
            else f"ends in {words.counted(left, 'day')}"
        )
        yield Hand(text=f"{what} {when}.", address=f"/messages/{message.id}", link="Look at it")


def figures(report: Report) -> list[Figure]:
    """Return the numbers of the period, each beside the days before.

    A day is compared with a day; today, which is not over, with none; and nothing with days of which no visit is kept.
    """
    names = {"Visits": "visits", "Filled carts": "carts", "Orders": "orders", "Full carts left": "carts_left"}
    found = [_figure(report, name, key) for name, key in names.items()]
    if report.total.minor:
        orders = found[2]
        found[2] = replace(orders, worth=f"worth {words.money(report.total.minor, report.currency)}")
    return found


def _figure(report: Report, name: str, key: str) -> Figure:
    return Figure(name=name, value=words.number(getattr(report.total, key)), compared=_compared(report, key))


def _compared(report: Report, key: str) -> str:
    if report.first_day is None or report.first_day > report.before.day:
        return ""
    days, was = len(report.days), getattr(report.before, key)
    now = sum(getattr(day, key) for day in report.days[:-1])
    if min(now, was) < LEAST_CASES:
        return f"{words.number(was)} in the {days} days before"
    change = round(100 * (now / (days - 1) / (was / days) - 1))
    if not change:
        return "as many a day as before"
    return f"{words.percent(abs(change))} {'more' if change > 0 else 'fewer'} a day than before"
