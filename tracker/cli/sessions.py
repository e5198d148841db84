"""flask sessions: looking at the stored sessions, moving them, and cleaning up."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

import click
from flask.cli import AppGroup

from tracker.cli.importing import read_sessions
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
    when,
)
from tracker.sessions.merge import SessionLimits, merge_sessions
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreError
from tracker.storage.json_file import JsonFileStore

_AGE = re.compile(r"([1-9][0-9]{0,5})([dhm])")
_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}


def sessions_group(store: SessionStore, limits: SessionLimits) -> AppGroup:
    """Make the group of commands that work on `store`; `limits` hold for what is imported, too."""
    group = AppGroup("sessions", help="Look at, move and clean up the stored sessions.")
    _add_reading(group, store)
    _add_moving(group, store, limits)
    _add_removing(group, store)
    _add_file_care(group, store)
    return group


def _add_reading(group: AppGroup, store: SessionStore) -> None:
    @group.command("list")
    @click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many at most.")
    @as_json
    @plain_failures()
    def list_(limit: int, for_machines: bool) -> None:
        """List the sessions, the one updated last first."""
        if not for_machines:
            say(f"{'session':<36}  {'updated (UTC)':<19}  {'cart':>4}  {'pages':>5}  {'events':>6}  {'time':>9}")
        for session in islice(store.iterate(), limit):
            click.echo(json_line(session.overview())) if for_machines else say(_line(session))

    @group.command("show")
    @session_id
    @as_json
    @plain_failures()
    def show(session_id: str, for_machines: bool) -> None:
        """Show one session, event by event."""
        session = found(store, session_id)
        if for_machines:
            click.echo(json_line(session.to_record()))
            return
        say(f"session {session.session}, updated {when(session.updated_at)} UTC")
        say(f"items in cart: {session.items_in_cart}")
        for page, ms in session.time_on_page.items():
            say(f"time on {page}: {ms / 1000:.1f} s")
        for page, event in sorted(session.all_events(), key=lambda one: int(one[1]["ts"])):
            more = {key: value for key, value in event.items() if key not in {"type", "ts"}}
            text = f"{when(event['ts'])}  {event.get('type', 'unknown')!s:<16} {page}"
            say(f"{text}  {json_line(more)}" if more else text)


def _add_moving(group: AppGroup, store: SessionStore, limits: SessionLimits) -> None:
    @group.command("export")
    @click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
    @plain_failures()
    def export(file: str) -> None:
        """Write all sessions to FILE (standard output), one JSON object a line."""
        total = store.check().sessions
        number = 0
        with (
            _output(file) as output,
            progress_bar("exporting", hidden=file == "-" and sys.stdout.isatty()) as progress,
        ):
            for number, session in enumerate(store.iterate(), 1):
                output.write(json_line(session.to_record()) + "\n")
                if number % 100 == 0:
                    progress(number, max(total, number))
            output.flush()
            progress(number, max(number, 1))
        if file != "-":
            say(f"exported {_sessions(number)}")

    @group.command("import")
    @click.argument("file", type=click.File("rb"))
    @as_json
    @plain_failures()
    def import_(file: IO[bytes], for_machines: bool) -> None:
        """Take in the sessions of FILE: an export (one JSON object a line) or a file of the original system.

        A session that is stored already is merged, so the same import twice adds nothing. "-" reads standard input.
        """
        name = "standard input" if _is_standard_input(file) else Path(file.name).name
        try:
            sessions = read_sessions(file.read(), name, _modified(file))
        except OSError as error:
            raise RefusedError(f"{name} cannot be read ({error.strerror}).") from error
        number = 0
        with progress_bar("importing", for_machines) as progress:
            for number, session in enumerate(sessions, 1):
                try:
                    store.update(session.session, partial(merge_sessions, other=session, limits=limits))
                except StoreError:
                    click.echo(f"Note: {number - 1} of {len(sessions)} imported; import again to go on.", err=True)
                    raise
                progress(number, len(sessions))
        done(for_machines, f"imported {_sessions(number)}", imported=number)


def _add_removing(group: AppGroup, store: SessionStore) -> None:
    @group.command("delete")
    @session_id
    @as_json
    @plain_failures()
    def delete(session_id: str, for_machines: bool) -> None:
        """Delete one session, and every trace of it in the file."""
        if not store.delete(session_id):
            raise RefusedError(f"No session {session_id} is stored.")
        if isinstance(store, JsonFileStore):
            store.sweep()  # Its lines are gone when the command says so, not a minute later.
        done(for_machines, f"deleted {session_id}", deleted=session_id)

    @group.command("prune")
    @click.option("--older-than", required=True, metavar="AGE", help="Such as 30d, 12h or 90m.")
    @as_json
    @plain_failures()
    def prune(older_than: str, for_machines: bool) -> None:
        """Delete all sessions that nothing was reported of for AGE."""
        age = _AGE.fullmatch(older_than)
        if age is None:
            raise click.BadParameter("give a number and d, h or m, such as 30d", param_hint="--older-than")
        cutoff = time.time_ns() // 1_000_000 - int(age[1]) * _MS[age[2]]
        with progress_bar("pruning", for_machines) as progress:
            pruned = store.prune(cutoff, progress)
        done(for_machines, f"deleted {_sessions(pruned)}", pruned=pruned)


def _add_file_care(group: AppGroup, store: SessionStore) -> None:
    @group.command("repair")
    @as_json
    @plain_failures()
    def repair(for_machines: bool) -> None:
        """Save every whole session of a damaged file; the damaged file is kept beside it."""
        repaired = _file_store(store).repair()
        count, kept = repaired.sessions, repaired.kept_as
        if kept is None:
            text = f"the file is sound: {_sessions(count)}"
        else:
            text = f"saved {_sessions(count)}; the damaged file is kept as {kept}"
        done(for_machines, text, sessions=count, kept=kept)

    @group.command("compact")
    @as_json
    @plain_failures()
    def compact(for_machines: bool) -> None:
        """Rewrite the file without its dead lines, which the service also does by itself now and then."""
        before = store.check().size_bytes
        with progress_bar("compacting", for_machines) as progress:
            _file_store(store).compact(progress=progress)
        after = store.check().size_bytes
        done(for_machines, f"{before:,} bytes before, {after:,} after", before=before, after=after)


def _file_store(store: SessionStore) -> JsonFileStore:
    if not isinstance(store, JsonFileStore):
        raise RefusedError("Only the JSON file store needs this.")
    return store


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _line(session: ShopperSession) -> str:
    line = session.overview()
    return (
        f"{session.session:<36}  {when(session.updated_at):<19}  {line['itemsInCart']:>4}  {line['pages']:>5}"
        f"  {line['events']:>6}  {line['timeMs'] / 1000:>7.1f} s"
    )


def _modified(file: IO[bytes]) -> int:
    """Give the time (ms) of the file's last change; for standard input, now."""
    if _is_standard_input(file):
        return time.time_ns() // 1_000_000
    return os.fstat(file.fileno()).st_mtime_ns // 1_000_000


def _is_standard_input(file: IO[bytes]) -> bool:
    return getattr(file, "name", "<stdin>") == "<stdin>"


@contextmanager
def _output(file: str) -> Iterator[IO[str]]:
    """Open where an export goes. A file is whole or absent, and its owner's alone: it holds what shoppers did."""
    if file == "-":
        yield sys.stdout
        return
    part = Path(file + ".part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as output:  # noqa: PTH123  it takes the descriptor
            yield output
        part.replace(file)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise RefusedError(f"{file} cannot be written ({error.strerror}).") from error
        raise
