"""flask explain and flask backtest: what the owner asks of the decisions."""

from __future__ import annotations

import time
from itertools import islice

import click

from tracker.cli.terminal import (
    as_json,
    found,
    json_line,
    plain_failures,
    progress_bar,
    say,
    session_id,
)
from tracker.decisions.engine import Engine
from tracker.decisions.review.backtest import Outcome, backtest
from tracker.decisions.review.story import explain
from tracker.sessions.store import SessionStore


def explain_command(store: SessionStore) -> click.Command:
    """Return the command that prints the story of a session."""

    @click.command("explain")
    @session_id
    @as_json
    @plain_failures()
    def explain_(session_id: str, for_machines: bool) -> None:
        """Print the story of session ID: what the shopper did, what was decided, and why."""
        session = found(store, session_id)
        lines = list(explain(session, time.time_ns() // 1_000_000))
        if for_machines:
            click.echo(json_line({"session": session_id, "story": lines, "decisions": session.decisions}))
            return
        for line in lines:
            say(line)

    return explain_


def backtest_command(store: SessionStore, engine: Engine) -> click.Command:
    """Return the command that decides stored sessions anew and stores nothing of it."""
    return _backtest(store, engine, "backtest")


def former_backtest_command(store: SessionStore, engine: Engine) -> click.Command:
    """Return `flask replay`, the name of `flask backtest` in 1.0.0: it works on, with a note."""
    return _backtest(store, engine, "replay")


def _backtest(store: SessionStore, engine: Engine, name: str) -> click.Command:
    @click.command(name, hidden=name != "backtest")
    @click.option("--limit", default=1000, show_default=True, type=click.IntRange(1), help="How many sessions at most.")
    @click.option("--ask", is_flag=True, help="Ask the model about every session, which costs calls and tokens.")
    @as_json
    @plain_failures()
    def command(limit: int, ask: bool, for_machines: bool) -> None:
        """Decide stored sessions anew by today's rules, file and prompt, and print what would change.

        Each session is decided as it stood at its last report, and as if nobody had asked before. The model is asked
        only with --ask.
        """
        if name != "backtest":
            click.echo(f"Note: `flask {name}` is called `flask backtest` now.", err=True)
        comparisons = []
        total = min(limit, store.check().sessions)
        with progress_bar("deciding anew", hidden=for_machines) as progress:
            for number, session in enumerate(islice(store.iterate(), limit), 1):
                comparisons.append(backtest(engine, session, ask=ask))
                progress(number, max(total, number))
        if for_machines:
            for one in comparisons:
                click.echo(json_line(one.to_record()))
            return
        changed = [one for one in comparisons if one.changed]
        for one in changed:
            say(f"{one.session:<36}  {_spelled(one.before)}  ->  {_spelled(one.now)}")
        say(f"{len(changed)} of {len(comparisons)} sessions would be answered otherwise")

    return command


def _spelled(outcome: Outcome | None) -> str:
    if outcome is None:
        return "never asked"
    return f"show {outcome.pick}" if outcome.show else f"nothing ({outcome.trigger})"
