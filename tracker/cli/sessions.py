"""flask sessions: reading the stored sessions, deleting them, and the care of the session file."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from itertools import islice, takewhile

import click
from flask.cli import AppGroup

from tracker.cli.moving import add_export, add_import
from tracker.cli.terminal import (
    RefusedError,
    as_json,
    counted,
    done,
    found,
    json_line,
    note,
    plain_failures,
    progress_bar,
    say,
    session_id,
    when,
)
from tracker.sessions.merge import SessionLimits
from tracker.sessions.model import MAX_AHEAD_MS, ShopperSession
from tracker.sessions.store import SessionStore
from tracker.storage.json_file import JsonFileStore

_AGE = re.compile(r"([1-9][0-9]{0,5})([dhm])")
_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}


def sessions_group(store: SessionStore, limits: SessionLimits) -> AppGroup:
    """Return the group of commands that work on `store`; `limits` also bound the sessions that are imported."""
    group = AppGroup("sessions", help="Look at, move and clean up the stored sessions.")
    _add_reading(group, store)
    add_export(group, store)
    add_import(group, store, limits)
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
        shown = 0
        for session in islice(store.iterate(), limit):
            shown += 1
            click.echo(json_line(session.overview())) if for_machines else say(_line(session))
        total = store.check().sessions if shown == limit else shown
        if total > shown:
            # Among the lines for machines it would be read as a session.
            (note if for_machines else say)(f"{total - shown} more; --limit {total} shows all")

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


def _add_removing(group: AppGroup, store: SessionStore) -> None:
    @group.command("delete")
    @session_id
    @as_json
    @plain_failures()
    def delete(session_id: str, for_machines: bool) -> None:
        """Delete one session, and every trace of it in the file."""
        if not store.delete(session_id):
            raise RefusedError(f"No session {session_id} is stored; `flask sessions list` shows those that are.")
        if isinstance(store, JsonFileStore):
            store.sweep()  # Its lines are gone when the command says so, not a minute later.
        done(for_machines, f"deleted {session_id}", deleted=session_id)

    @group.command("prune")
    @click.option("--older-than", required=True, metavar="AGE", help="Such as 30d, 12h or 90m.")
    @as_json
    @plain_failures()
    def prune(older_than: str, for_machines: bool) -> None:
        """Delete all sessions about which nothing was reported for AGE."""
        age = _AGE.fullmatch(older_than)
        if age is None:
            raise click.BadParameter("give a number and d, h or m, such as 30d", param_hint="--older-than")
        now = time.time_ns() // 1_000_000
        cutoff = now - int(age[1]) * _MS[age[2]]
        _bring_back_from_the_future(store, now)
        with progress_bar("pruning", for_machines) as progress:
            pruned = store.prune(cutoff, progress)
        done(for_machines, f"deleted {counted(pruned, 'session')}", pruned=pruned)


def _add_file_care(group: AppGroup, store: SessionStore) -> None:
    @group.command("repair")
    @as_json
    @plain_failures()
    def repair(for_machines: bool) -> None:
        """Save every whole session of a damaged file; the damaged file itself is kept beside it."""
        repaired = _file_store(store).repair()
        count, kept = repaired.sessions, repaired.kept_as
        if kept is None:
            text = f"the file is sound: {counted(count, 'session')}"
        else:
            text = f"saved {counted(count, 'session')}; the damaged file is kept as {kept}"
        done(for_machines, text, sessions=count, kept=kept)

    @group.command("compact")
    @as_json
    @plain_failures()
    def compact(for_machines: bool) -> None:
        """Rewrite the file without lines that no longer count; the service also does this by itself now and then."""
        before = store.check().size_bytes
        with progress_bar("compacting", for_machines) as progress:
            _file_store(store).compact(progress=progress)
        after = store.check().size_bytes
        done(for_machines, f"{before:,} bytes before, {after:,} after", before=before, after=after)


class _DeletedError(Exception):
    """The session was deleted while this command was looking at it."""


def _bring_back_from_the_future(store: SessionStore, now: int) -> None:
    """Correct times of update from a time when the service's clock was ahead, or no prune would ever reach them."""

    def change(stored: ShopperSession | None) -> ShopperSession:
        if stored is None:
            raise _DeletedError
        return stored.bounded(now)

    # The session updated last comes first, so these are the first ones.
    ahead = [one.session for one in takewhile(lambda one: one.updated_at > now + MAX_AHEAD_MS, store.iterate())]
    for name in ahead:
        with suppress(_DeletedError):
            store.update(name, change)
    if ahead:
        note(f"corrected the time of update of {counted(len(ahead), 'session')}: it was in the future")


def _file_store(store: SessionStore) -> JsonFileStore:
    if not isinstance(store, JsonFileStore):
        raise RefusedError("Only the JSON file store needs this.")
    return store


def _line(session: ShopperSession) -> str:
    line = session.overview()
    return (
        f"{session.session:<36}  {when(session.updated_at):<19}  {line['itemsInCart']:>4}  {line['pages']:>5}"
        f"  {line['events']:>6}  {line['timeMs'] / 1000:>7.1f} s"
    )
