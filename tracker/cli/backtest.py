"""flask backtest: what today's file, rules and scorecard would have decided at the moments of stored decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import click

from tracker.cli.terminal import as_json, counted, json_line, plain_failures, progress_bar, say, when
from tracker.decisions.engine import Engine
from tracker.decisions.review.backtest import Comparison, Outcome, backtest
from tracker.sessions.store import SessionStore


def backtest_command(store: SessionStore, engine: Engine) -> click.Command:
    """Return the command that decides anew what was asked about stored sessions, and stores nothing of it."""
    return _backtest(store, engine, "backtest")


def former_backtest_command(store: SessionStore, engine: Engine) -> click.Command:
    """Return `flask replay`, the name of `flask backtest` in 1.0.0: it works on, with a note."""
    return _backtest(store, engine, "replay")


def _backtest(store: SessionStore, engine: Engine, name: str) -> click.Command:
    @click.command(name, hidden=name != "backtest")
    @click.option("--limit", default=1000, show_default=True, type=click.IntRange(1), help="How many sessions at most.")
    @click.option("--ask", is_flag=True, help="Let the model decide anew, which costs calls and tokens.")
    @as_json
    @plain_failures()
    def command(limit: int, ask: bool, for_machines: bool) -> None:
        """Decide anew what was asked, by today's file, rules and scorecard, and print what would change.

        Each stored decision is judged at its own moment: by the events, the cart and the popups that there were then.
        What was never asked is not counted. Where the model had decided, its choice of then is checked by today's file;
        only with --ask it is asked anew. Nothing is stored.
        """
        if name != "backtest":
            click.echo(f"Note: `flask {name}` is called `flask backtest` now.", err=True)
        compared: list[Comparison] = []
        total = min(limit, store.check().sessions)
        with progress_bar("deciding anew", hidden=for_machines) as progress:
            for number, session in enumerate(islice(store.iterate(), limit), 1):
                compared += backtest(engine, session, ask=ask)
                progress(number, max(total, number))
        if for_machines:
            for one in compared:
                click.echo(json_line(one.to_record()))
        else:
            _tell(compared)

    return command


def _tell(compared: Sequence[Comparison]) -> None:
    """Print every change, then their numbers by message."""
    changed = [one for one in compared if one.changed]
    for one in changed:
        say(f"{when(one.at)}  {one.session:<36}  {_spelled(one.before)}  ->  {_spelled(one.now)}")
    if changed:
        say("")
    for (before, now), count in Counter((one.before.pick, _message_of(one.now)) for one in changed).most_common():
        say(f"{counted(count, 'time')} {now or 'nothing'} instead of {before or 'nothing'}")
    lost = sum(one.now is None for one in compared)
    say(f"{len(changed)} of {counted(len(compared) - lost, 'decision')} would be different.")
    if lost:
        say(f"{counted(lost, 'decision')} could not be judged: events of before arrived later or were dropped since.")


def _message_of(outcome: Outcome | None) -> str | None:
    return None if outcome is None else outcome.pick


def _spelled(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not to be judged"
    return f"show {outcome.pick}" if outcome.show else f"nothing ({outcome.trigger})"
