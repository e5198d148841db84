"""What can be said about popups now, in words of the shop's owner: one answer first, then what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from tracker.insights.comparison.verdict import (
    LEAST_BROWSERS,
    LEAST_DAYS,
    LEAST_ORDERS,
    Group,
    Kind,
    Verdict,
    days_to_verdict,
)
from tracker.insights.report import LEAST_CASES, Report
from tracker.owner import words
from tracker.owner.charts.ranges import change_range, signed

_LOOKS: Final[dict[Kind, str]] = {"sells": "good", "harms": "bad", "broken": "bad"}
_A_YEAR: Final = 365
_MONTH: Final = 30
SHARES: Final = (5, 10, 20, 30, 50)
"""The shares of shoppers for whom Set up says how long an answer takes."""

_OFF: Final = (
    "Hold some shoppers back, and this page answers: set `HOLDOUT_PERCENT` to 20, or to 50 for a faster answer."
)
_LEAST: Final = (
    f"Nothing is said before each group has {LEAST_BROWSERS} shoppers and {LEAST_ORDERS} orders, and {LEAST_DAYS} whole"
    " days have passed."
)
_FAULT: Final = (
    "Something loses or repeats the visits of one group: look for another script that changes popups, or for a theme"
    " that draws them itself."
)
_ANEW: Final = "A new comparison begins as soon as `HOLDOUT_PERCENT` is changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One of the two groups."""

    name: str
    shoppers: int
    orders: int | None
    of_100: str | None
    """Orders of 100 shoppers; None: too few to say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The answer to "Does it pay?"."""

    kind: Kind
    answer: str
    """Its first word or two."""
    rest: str
    look: str
    money: str
    """What that is worth; empty if nothing can be said."""
    more: tuple[str, ...]
    chart: Markup | None
    rows: tuple[Row, ...]
    checks: tuple[tuple[bool, str], ...]


def told(report: Report) -> Told:
    """Return the answer that the report allows."""
    lift, verdict = report.lift, report.lift.orders
    answer, rest = _headline(verdict)
    chart = None
    if verdict.interval is not None:
        low, high = verdict.interval
        label = f"The change in orders lies between {signed(low)} and {signed(high)}."
        look = verdict.kind if verdict.kind in _LOOKS else ""
        chart = change_range(low, high, _likely(verdict), look, label)
    return Told(
        kind=verdict.kind,
        answer=answer,
        rest=rest,
        look=_LOOKS.get(verdict.kind, "accent"),
        money=_money(report),
        more=tuple(_details(report)),
        chart=chart,
        rows=()
        if verdict.kind in {"broken", "off"}
        else (_row("were offered it", verdict.shown, verdict), _row("saw no popup", verdict.held, verdict)),
        checks=tuple(_checks(report)) if lift.since is not None else (),
    )


def _headline(verdict: Verdict) -> tuple[str, str]:
    low, high = verdict.interval or (0.0, 0.0)
    days = verdict.days_to_go
    match verdict.kind:
        case "sells":
            return "Yes.", f"They bring {_between(low, high)} more orders from the shoppers they are meant for."
        case "harms":
            return "No.", f"They cost you {_between(-high, -low)} of the orders from the shoppers they are meant for."
        case "small":
            return "Hardly.", "Whatever they change, it is less than a fifth of the orders either way."
        case "undecided":
            return "Not decided yet.", _pace(days)
        case "too_early":
            return "Not enough data yet.", _pace(days)
        case "broken":
            return (
                "Cannot be told.",
                "The two groups are not of the sizes they should be, so they must not be compared.",
            )
    return "Nobody can tell.", "Every shopper may see popups, so there is nobody to compare them with."


def _pace(days: int | None) -> str:
    if days is None:
        return "No popup was due lately, so nobody can say how long it takes."
    if days > _A_YEAR:
        return "At this pace it takes more than a year."
    return f"About {'1 more day' if days == 1 else f'{words.number(days)} more days'} at today's traffic."


def _details(report: Report) -> list[str]:
    verdict, percent = report.lift.orders, report.lift.percent
    match verdict.kind:
        case "off":
            return [_OFF]
        case "too_early":
            held = words.counted(verdict.held.browsers, "shopper")
            group = (
                f"Of every 100 shoppers a popup was meant for, {percent:g} see none, so that both groups can be"
                f" compared. So far that were {held}."
            )
            return [group, _LEAST]
        case "broken":
            return [f"Planned: {words.percent(percent)} of the shoppers see no popup. {_FAULT}", _ANEW]
    return ["You may look as often as you like: the range already allows for it."]


def _money(report: Report) -> str:
    """Return one sentence about money: what the change is worth a month, by the revenue's own range."""
    verdict, lift = report.lift.revenue, report.lift
    if verdict.interval is None or lift.since is None or not verdict.held.browsers or not verdict.held.minor:
        return ""
    days = max(1, (report.today - lift.since).days)
    shoppers = (verdict.shown.browsers + verdict.held.browsers) / days * _MONTH
    each = verdict.held.minor / verdict.held.browsers
    low, high = (each * shoppers * part for part in verdict.interval)
    certain = verdict.kind in {"sells", "harms"}
    told = f"between {_amount(low, report.currency)} and {_amount(high, report.currency)} a month"
    return f"In money{'' if certain else ', which is not certain yet'}: {told}, if all of them may see popups."


def _amount(minor: float, currency: str) -> str:
    """Return an amount with two figures that matter: more would claim more than is known."""
    size = 10 ** max(0, len(f"{abs(minor):.0f}") - 2)
    text = ("+" if minor > 0 else "") + words.money(round(minor / size) * size, currency)
    return text[:1] + "\N{WORD JOINER}" + text[1:]


def _likely(verdict: Verdict) -> float | None:
    shown, held = verdict.shown, verdict.held
    if not shown.browsers or not held.browsers or not held.orders or verdict.interval is None:
        return None
    low, high = verdict.interval
    return min(max(shown.orders / shown.browsers / (held.orders / held.browsers) - 1, low), high)


def _row(name: str, group: Group, verdict: Verdict) -> Row:
    if verdict.kind == "too_early":
        return Row(name=name, shoppers=group.browsers, orders=None, of_100=None)
    enough = group.browsers >= LEAST_CASES and group.orders >= LEAST_CASES
    of_100 = f"{100 * group.orders / group.browsers:.1f}" if enough else None
    return Row(name=name, shoppers=group.browsers, orders=group.orders, of_100=of_100)


def _checks(report: Report) -> list[tuple[bool, str]]:
    lift, verdict = report.lift, report.lift.orders
    days = (report.today - lift.since).days if lift.since else 0
    found = [
        (
            verdict.kind != "broken",
            "Groups as large as planned" if verdict.kind != "broken" else "Groups not as planned",
        )
    ]
    found.append(
        (days > LEAST_DAYS, words.counted(days, "day") + ("" if days > LEAST_DAYS else f", {LEAST_DAYS} are the least"))
    )
    if verdict.capped_orders and lift.cap_minor is not None:
        cap = words.money(lift.cap_minor, report.currency)
        found.append((True, f"{words.counted(verdict.capped_orders, 'very large order')} counted as {cap}"))
    if report.other_currencies:
        found.append((False, f"Orders in {', '.join(report.other_currencies)} are in no sum of money"))
    return found


def _between(low: float, high: float) -> str:
    return f"{words.percent(abs(low) * 100)} to {words.percent(abs(high) * 100)}"


# --- How long an answer takes -----------------------------------------------------------------------------------------


def waits(report: Report) -> list[tuple[int, str]]:
    """Return (share, how long an answer takes) for each share, at this shop's traffic; empty if nothing is known."""
    lift = report.lift
    if lift.orders.kind == "broken":
        return []
    shown, held = lift.orders.shown, lift.orders.held
    shoppers = shown.browsers + held.browsers
    if lift.since is not None and shoppers:
        a_day = shoppers / max(1, (report.today - lift.since).days)
    else:
        a_day = sum(one.shown for one in report.messages) / len(report.days)
    orders = shown.orders + held.orders
    of_each = orders / shoppers if orders else report.total.orders / max(1, report.total.visits)
    found = []
    for share in SHARES:
        days = days_to_verdict(share, a_day, of_each)
        if days is not None:
            found.append((share, "more than a year" if days > _A_YEAR else f"about {words.counted(days, 'day')}"))
    return found
