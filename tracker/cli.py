"""flask sessions ... and flask ask: what the owner and the operator do at a terminal."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import click
import orjson
from flask import Flask
from flask.cli import AppGroup

from tracker.askai.advisor import Advisor
from tracker.sessions.json_file import JsonFileStore
from tracker.sessions.legacy import read_record
from tracker.sessions.merge import SessionLimits, merge_sessions
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Progress, SessionStore, StoreError

_AGE = re.compile(r"([0-9]{1,6})([dhm])")
_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}


class _Refused(click.ClickException):
    """Something that the user can do otherwise: one line, exit status 1."""


def register_commands(app: Flask, store: SessionStore, advisor: Advisor, limits: SessionLimits) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(_sessions_group(store, limits))
    app.cli.add_command(_ask_command(store, advisor))


_as_json = click.option("--json", "for_machines", is_flag=True, help="Print JSON, one object a line.")
_session_id = click.argument("session_id", metavar="ID")


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


@contextmanager
def _plain_failures() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise _Refused(str(error)) from error
    except BrokenPipeError:
        # `flask sessions list | head` has read enough.
        sys.stderr.close()
        raise SystemExit(0) from None


@contextmanager
def _progress(label: str, for_machines: bool) -> Iterator[Progress]:
    """Show a bar on standard error while a person waits; nothing in a pipe."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=for_machines) as bar:

        def report(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield report


def _sessions_group(store: SessionStore, limits: SessionLimits) -> AppGroup:
    group = AppGroup("sessions", help="Look at, move and clean up the stored sessions.")

    @group.command("list")
    @click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many at most.")
    @_as_json
    @_plain_failures()
    def list_(limit: int, for_machines: bool) -> None:
        """List the sessions, the one updated last first."""
        if not for_machines:
            click.echo(f"{'session':<36}  {'updated (UTC)':<19}  {'cart':>4}  {'pages':>5}  {'events':>6}  {'time':>8}")
        for number, session in enumerate(store.iterate()):
            if number == limit:
                break
            _print_line(session, for_machines)

    @group.command("show")
    @_session_id
    @_as_json
    @_plain_failures()
    def show(session_id: str, for_machines: bool) -> None:
        """Show one session, event by event."""
        session = _found(store, session_id)
        if for_machines:
            _print_json(session.to_record())
            return
        click.echo(f"session {session.session}, updated {_when(session.updated_at)} UTC")
        click.echo(f"items in cart: {session.items_in_cart}")
        for page, ms in session.time_on_page.items():
            click.echo(f"time on {page}: {ms / 1000:.1f} s")
        for page, event in sorted(session.all_events(), key=lambda one: int(one[1]["ts"])):
            more = {key: value for key, value in event.items() if key not in {"type", "ts"}}
            click.echo(f"{_when(event['ts'])}  {event['type']:<16} {page}  {json.dumps(more) if more else ''}".rstrip())

    @group.command("export")
    @click.argument("file", type=click.File("w", encoding="utf-8"), default="-")
    @_plain_failures()
    def export(file: IO[str]) -> None:
        """Write all sessions to FILE (standard output), one JSON object a line."""
        total = store.check().sessions
        with _progress("exporting", for_machines=file.name == "<stdout>") as progress:
            done = 0
            for done, session in enumerate(store.iterate(), 1):
                file.write(json.dumps(session.to_record(), ensure_ascii=False) + "\n")
                if done % 100 == 0:
                    progress(done, max(total, done))
            progress(done, max(total, done, 1))

    @group.command("import")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @_as_json
    @_plain_failures()
    def import_(file: Path, for_machines: bool) -> None:
        """Take in the sessions of FILE: an export (one JSON object a line) or a file of the original system.

        A session that is stored already is merged, so the same import twice adds nothing.
        """
        sessions = sorted(_read_sessions(file), key=lambda session: session.updated_at)
        with _progress("importing", for_machines) as progress:
            for done, session in enumerate(sessions, 1):
                store.update(session.session, partial(merge_sessions, other=session, limits=limits))
                progress(done, len(sessions))
        _done(for_machines, f"imported {len(sessions)} sessions", imported=len(sessions))

    @group.command("delete")
    @_session_id
    @_as_json
    @_plain_failures()
    def delete(session_id: str, for_machines: bool) -> None:
        """Delete one session, and every trace of it in the file."""
        if not store.delete(session_id):
            raise _Refused(f"No session {session_id} is stored.")
        _done(for_machines, f"deleted {session_id}", deleted=session_id)

    @group.command("prune")
    @click.option("--older-than", required=True, metavar="AGE", help="Such as 30d, 12h or 90m.")
    @_as_json
    @_plain_failures()
    def prune(older_than: str, for_machines: bool) -> None:
        """Delete all sessions that nothing was reported of for AGE."""
        age = _AGE.fullmatch(older_than)
        if age is None:
            raise click.BadParameter("give a number and d, h or m, such as 30d", param_hint="--older-than")
        cutoff = time.time_ns() // 1_000_000 - int(age[1]) * _MS[age[2]]
        with _progress("pruning", for_machines) as progress:
            pruned = store.prune(cutoff, progress)
        _done(for_machines, f"deleted {pruned} sessions", pruned=pruned)

    @group.command("repair")
    @_as_json
    @_plain_failures()
    def repair(for_machines: bool) -> None:
        """Save every whole session of a damaged file; the damaged file is kept beside it."""
        repaired = _file_store(store).repair()
        if repaired.kept_as is None:
            _done(
                for_machines, f"the file is sound: {repaired.sessions} sessions", sessions=repaired.sessions, kept=None
            )
        else:
            text = f"saved {repaired.sessions} sessions; the damaged file is kept as {repaired.kept_as}"
            _done(for_machines, text, sessions=repaired.sessions, kept=repaired.kept_as)

    @group.command("compact")
    @_as_json
    @_plain_failures()
    def compact(for_machines: bool) -> None:
        """Rewrite the file without its dead lines, which the service also does by itself now and then."""
        before = store.check().size_bytes
        with _progress("compacting", for_machines) as progress:
            _file_store(store).compact(progress=progress)
        after = store.check().size_bytes
        _done(for_machines, f"{before:,} bytes before, {after:,} after", before=before, after=after)

    return group


def _ask_command(store: SessionStore, advisor: Advisor) -> click.Command:
    @click.command("ask")
    @_session_id
    @_as_json
    @_plain_failures()
    def ask(session_id: str, for_machines: bool) -> None:
        """Ask whether a popup would help the shopper of session ID now."""
        advice = advisor.advise(_found(store, session_id))
        decision = advice.decision
        if for_machines:
            _print_json({"session": session_id, "source": advice.source, **decision.to_answer()})
            return
        click.echo(f"show: {decision.message}" if decision.show_popup else "show nothing")
        click.echo(f"because: {decision.reason} (decided by {advice.source}, confidence {decision.confidence:.2f})")

    return ask


def _found(store: SessionStore, session_id: str) -> ShopperSession:
    session = store.get(session_id)
    if session is None:
        raise _Refused(f"No session {session_id} is stored.")
    return session


def _file_store(store: SessionStore) -> JsonFileStore:
    if not isinstance(store, JsonFileStore):
        raise _Refused("Only the JSON file store needs this.")
    return store


def _print_line(session: ShopperSession, for_machines: bool) -> None:
    line = session.overview()
    if for_machines:
        _print_json(line)
        return
    click.echo(
        f"{session.session:<36}  {_when(session.updated_at)}  {line['itemsInCart']:>4}  {line['pages']:>5}"
        f"  {line['events']:>6}  {line['timeMs'] / 1000:>6.1f} s"
    )


def _done(for_machines: bool, text: str, **facts: Any) -> None:
    if for_machines:
        _print_json({"ok": True, **facts})
    else:
        click.echo(text)


def _read_sessions(file: Path) -> Iterator[ShopperSession]:
    """Read an export or a whole file, ours or the original's. Raises _Refused naming the line that is at fault."""
    modified = file.stat().st_mtime_ns // 1_000_000
    text = file.read_text(encoding="utf-8-sig")
    try:
        whole = orjson.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "session" not in whole:
        lines = list(whole.items())
    else:
        lines = [(None, record) for record in map(_line_reader(file), enumerate(text.splitlines(), 1)) if record]
    for session_id, record in lines:
        if not isinstance(record, dict):
            raise _Refused(f"{file}: the entry {session_id or record!r} is no session.")
        name = session_id or record.get("session")
        if not isinstance(name, str):
            raise _Refused(f"{file}: an entry has no `session`.")
        yield read_record(name, record, modified)


def _line_reader(file: Path) -> Callable[[tuple[int, str]], Any]:
    def read(numbered: tuple[int, str]) -> Any:
        number, line = numbered
        try:
            return orjson.loads(line) if line.strip() else None
        except ValueError:
            raise _Refused(f"{file}, line {number}: not JSON; nothing was imported.") from None

    return read
