"""flask ask: what POST /askai would answer now, with the reason."""

from __future__ import annotations

import click

from tracker.cli.terminal import as_json, found, json_line, plain_failures, say, session_id
from tracker.decisions.engine import Advisor
from tracker.sessions.store import SessionStore


def ask_command(store: SessionStore, advisor: Advisor) -> click.Command:
    """Return the command that asks `advisor` about a session of `store`."""

    @click.command("ask")
    @session_id
    @as_json
    @plain_failures()
    def ask(session_id: str, for_machines: bool) -> None:
        """Ask whether a popup would help the shopper of session ID now. This does not count as a popup shown."""
        advice = advisor.preview(found(store, session_id), ask=True)
        decision = advice.decision
        if for_machines:
            facts = {"session": session_id, "source": advice.source, "fault": advice.fault}
            click.echo(json_line({**facts, **decision.to_answer()}))
            return
        say(f"show: {decision.message}" if decision.show_popup else "show nothing")
        say(f"because: {decision.reason}")
        fault = f", without the model ({advice.fault})" if advice.fault else ""
        say(f"decided by: {advice.source}{fault}, confidence {decision.confidence:.2f}")

    return ask
