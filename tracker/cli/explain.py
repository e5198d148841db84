"""flask explain: the story of one session and its decisions."""

from __future__ import annotations

import time

import click

from tracker.cli.terminal import (
    as_json,
    found,
    json_line,
    plain_failures,
    say,
    session_id,
)
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
