"""flask shop check and flask explain: what the owner asks of the decisions."""

from __future__ import annotations

import time
from pathlib import Path

import click
from flask.cli import AppGroup

from tracker.cli.terminal import (
    RefusedError,
    as_json,
    done,
    found,
    json_line,
    plain_failures,
    say,
    session_id,
)
from tracker.decisions.review.story import explain
from tracker.decisions.shop.faults import ShopFileError
from tracker.decisions.shop.owner_file import parse_shop
from tracker.sessions.store import SessionStore


def shop_group(path: Path) -> AppGroup:
    """Return the commands about the owner's file, which stands at `path` unless the command line names another."""
    group = AppGroup("shop", help="Look at the file of what the shop may say.")

    @group.command("check")
    @click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=path)
    @as_json
    @plain_failures()
    def check(file: Path, for_machines: bool) -> None:
        """Check FILE (TRACKER_SHOP_FILE): print every fault with its line, or the messages that popups may show."""
        try:
            shop = parse_shop(file.read_bytes())
        except FileNotFoundError:
            raise RefusedError(
                f"{file} does not exist: popups only offer help. Begin with shop.example.toml."
            ) from None
        except OSError as error:
            raise RefusedError(f"{file} cannot be read ({error.strerror}).") from None
        except ShopFileError as error:
            for fault in error.faults:
                if for_machines:
                    click.echo(json_line({"line": fault.line, "message": fault.message}))
                else:
                    say(f"{file}, line {fault.line}: {fault.message}")
            raise click.exceptions.Exit(1) from None
        if not for_machines:
            for message in shop.messages:
                say(f'{message.kind:<6} {message.id}: "{next(iter(message.texts.values()))}"')
        count = len(shop.messages)
        done(for_machines, f"{file} is sound: {shop.name} may say {count} sentences", shop=shop.name, sentences=count)

    return group


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
