"""flask report: the report that the owner reads every morning, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator

import click

from tracker.cli.terminal import as_json, counted, json_line, plain_failures, say
from tracker.insights.money import amount_text
from tracker.insights.report import MessageFigures, Report
from tracker.insights.reporting import MOST_DAYS, Reporting, as_record


def report_command(reporting: Reporting) -> click.Command:
    """Return the command that prints the report of now."""

    @click.command("report")
    @click.option("--days", default=7, show_default=True, type=click.IntRange(1, MOST_DAYS), help="Today included.")
    @click.option("--example", is_flag=True, help="Report simulated shoppers, who are in no other figure.")
    @as_json
    @plain_failures()
    def report(days: int, example: bool, for_machines: bool) -> None:
        """Print the report of the last days: visits, orders, messages, and whether popups sell."""
        made = reporting.of(days, example=example)
        if for_machines:
            click.echo(json_line(as_record(made)))
            return
        for line in _lines(made):
            say(line)

    return report


def _lines(made: Report) -> Iterator[str]:
    total, before = made.total, made.before
    whom = "Simulated shoppers, " if made.is_example else ""
    yield f"{whom}{made.days[0].day} to {made.today}, and as many days before"
    yield ""
    for name, now, then in (
        ("visits", total.visits, before.visits),
        ("carts", total.carts, before.carts),
        ("full carts left", total.carts_left, before.carts_left),
        ("orders", total.orders, before.orders),
    ):
        yield f"  {name:<16} {now:>9}   before {then:>9}"
    if made.currency:
        worth, earlier = (amount_text(one.minor, made.currency) for one in (total, before))
        yield f"  {'revenue':<16} {worth:>9}   before {earlier:>9} {made.currency}"
    for currency in made.other_currencies:
        yield f"  Orders in {currency} are counted; their worth is in no sum."
    if made.unmatched:
        yield f"  {counted(made.unmatched, 'order')} more came from no visit that is known: see docs/webhooks.md"
    if total.model_calls:
        tokens = total.question_tokens + total.answer_tokens
        yield f"  the model was asked {counted(total.model_calls, 'time')}, with {counted(tokens, 'token')}"
    yield ""
    yield "The way to the till:"
    for step in made.funnel:
        share = "" if step.percent is None else f"   {step.percent:.0f} % of those before"
        yield f"  {step.name:<16} {step.visits:>9}{share}"
    yield ""
    yield "Messages, by visits (a click is not a sale):"
    for message in made.messages:
        yield f"  {message.message_id}: {_fate(message)}"
    yield ""
    yield "Do popups sell?"
    yield f"  Orders: {made.lift.orders.sentence}"
    yield f"  Revenue: {made.lift.revenue.sentence}"
    if made.lift.percent and made.lift.since is not None:
        yield f"  {made.lift.percent:g} % of browsers are held back since {made.lift.since}."
    if made.lift.cap_minor is not None and (number := made.lift.revenue.capped_orders):
        most = f"{amount_text(made.lift.cap_minor, made.currency)} {made.currency}"
        yield f"  {counted(number, 'order')} of more than {most} counted with so much."


def _fate(message: MessageFigures) -> str:
    if message.never_shown is not None:
        return f"never shown: {message.never_shown}"
    share = "" if message.click_percent is None else f" ({message.click_percent:.0f} %)"
    return (
        f"shown {message.shown}, clicked {message.clicked}{share}, closed {message.closed}, applied {message.applied},"
        f" bought after {message.bought_after}"
    )
