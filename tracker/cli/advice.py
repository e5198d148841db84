"""flask shop check, flask explain and flask replay: what the owner asks of the advice."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice
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
    progress_bar,
    say,
    session_id,
)
from tracker.decisions.engine import Advisor
from tracker.decisions.shop_file import ShopFileError, parse_shop
from tracker.decisions.story import explain, replayed
from tracker.sessions.store import SessionStore


def shop_group(path: Path) -> AppGroup:
    """Make the commands about the owner's file, which stands at `path` if nothing else is said."""
    group = AppGroup("shop", help="Look at the file of what the shop may say.")

    @group.command("check")
    @click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=path)
    @as_json
    @plain_failures()
    def check(file: Path, for_machines: bool) -> None:
        """Say what is wrong in FILE (TRACKER_SHOP_FILE), by line, or what it lets popups say."""
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
            for sentence in shop.sentences:
                say(f'{sentence.kind:<6} {sentence.id}: "{next(iter(sentence.texts.values()))}"')
        count = len(shop.sentences)
        done(for_machines, f"{file} is sound: {shop.name} may say {count} sentences", shop=shop.name, sentences=count)

    return group


def explain_command(store: SessionStore) -> click.Command:
    """Make the command that tells the story of a session."""

    @click.command("explain")
    @session_id
    @as_json
    @plain_failures()
    def explain_(session_id: str, for_machines: bool) -> None:
        """Tell the story of session ID: what the shopper did, what was decided, and why."""
        session = found(store, session_id)
        lines = list(explain(session, time.time_ns() // 1_000_000))
        if for_machines:
            click.echo(json_line({"session": session_id, "story": lines, "decisions": session.decisions}))
            return
        for line in lines:
            say(line)

    return explain_


def replay_command(store: SessionStore, advisor: Advisor) -> click.Command:
    """Make the command that decides stored sessions anew, and keeps nothing of it."""

    @click.command("replay")
    @click.option("--limit", default=1000, show_default=True, type=click.IntRange(1), help="How many sessions at most.")
    @click.option("--ask", is_flag=True, help="Put every session to the model, which costs what it costs.")
    @as_json
    @plain_failures()
    def replay(limit: int, ask: bool, for_machines: bool) -> None:
        """Run stored sessions through today's rules, file and prompt, and show what would change.

        Each is looked at as it stood at its last report, and as if nobody had asked before. The model is left alone
        unless told --ask.
        """
        results = []
        total = min(limit, store.check().sessions)
        with progress_bar("replaying", hidden=for_machines) as progress:
            for number, session in enumerate(islice(store.iterate(), limit), 1):
                fresh = replace(session, decisions={})
                advice = advisor.preview(fresh, at_ms=session.updated_at, ask=ask)
                results.append(replayed(session, advice))
                progress(number, max(total, number))
        changed = [result for result in results if result["changed"]]
        if for_machines:
            for result in results:
                click.echo(json_line(result))
            return
        for result in changed:
            say(f"{result['session']:<36}  {_shown(result['before'])}  ->  {_shown(result['now'])}")
        say(f"{len(changed)} of {len(results)} sessions would be answered otherwise")

    return replay


def _shown(outcome: dict[str, object] | None) -> str:
    if outcome is None:
        return "never asked"
    return f"show {outcome['pick']}" if outcome["show"] else f"nothing ({outcome['trigger']})"
