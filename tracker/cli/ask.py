"""flask ask: what POST /askai would answer now, with the reason."""

from __future__ import annotations

from typing import Final, get_args

import click

from tracker.cli.terminal import as_json, found, json_line, plain_failures, say, session_id
from tracker.decisions.decision import ByRules, Shown
from tracker.decisions.engine import Engine
from tracker.decisions.visit.signals import Why
from tracker.sessions.store import SessionStore

_WHYS: Final = get_args(Why)


def ask_command(store: SessionStore, engine: Engine) -> click.Command:
    """Return the command that asks `engine` about a session of `store`."""

    @click.command("ask")
    @session_id
    @click.option("--why", type=click.Choice(_WHYS), default="", help="Why the script would ask, such as exit.")
    @as_json
    @plain_failures()
    def ask(session_id: str, why: Why, for_machines: bool) -> None:
        """Ask whether a popup would help the shopper of session ID now. Uses up none of the shopper's popups."""
        decision = engine.preview(found(store, session_id), why=why, ask=True)
        origin = decision.origin
        fault = origin.failure.fault if isinstance(origin, ByRules) and origin.failure is not None else None
        if for_machines:
            facts = {"session": session_id, "source": origin.source, "fault": fault}
            click.echo(json_line({**facts, **decision.fields()}))
            return
        say(f"show: {decision.text}" if isinstance(decision, Shown) else "show nothing")
        say(f"because: {decision.reason}")
        without = "" if fault is None else f", without the model ({fault})"
        say(f"decided by: {origin.source}{without}, confidence {decision.confidence:.2f}")

    return ask
