"""flask sessions export and import: sessions as a file, out of the store and into it."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import click
from flask.cli import AppGroup

from tracker.cli.importing import read_sessions
from tracker.cli.terminal import (
    RefusedError,
    as_json,
    counted,
    done,
    json_line,
    note,
    plain_failures,
    progress_bar,
    say,
)
from tracker.sessions.merge import SessionLimits, merge_sessions
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreError

_MOST_NOTES = 10


def add_export(group: AppGroup, store: SessionStore) -> None:
    """Add `flask sessions export` to the group."""

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
            say(f"exported {counted(number, 'session')}")


def add_import(group: AppGroup, store: SessionStore, limits: SessionLimits) -> None:
    """Add `flask sessions import` to the group; `limits` bound the sessions that are imported."""

    @group.command("import")
    @click.argument("file", type=click.File("rb"))
    @as_json
    @plain_failures()
    def import_(file: IO[bytes], for_machines: bool) -> None:
        """Import the sessions of FILE: an export (one JSON object a line) or a file of the original system.

        A session that is stored already is merged, so the same import twice adds nothing. "-" reads standard input.
        A session whose id the service would not accept is left out and named, and the exit status is then 1.
        """
        now = time.time_ns() // 1_000_000
        name = "standard input" if _is_standard_input(file) else Path(file.name).name
        try:
            content = read_sessions(file.read(), name, _modified(file, now), now)
        except OSError as error:
            raise RefusedError(f"{name} cannot be read ({error.strerror}).") from error
        _note_all(content.left_out)
        _note_all(content.unread)
        outcomes = Counter({"new": 0, "merged": 0, "unchanged": 0})
        with progress_bar("importing", for_machines) as progress:
            for number, session in enumerate(content.sessions, 1):
                try:
                    outcomes[_merge_in(store, session, limits)] += 1
                except StoreError:
                    note(f"{number - 1} of {len(content.sessions)} imported; import again to go on.")
                    raise
                progress(number, len(content.sessions))
        imported = outcomes["new"] + outcomes["merged"]
        facts = {**outcomes, "leftOut": len(content.left_out), "unread": len(content.unread)}
        parts = [f"{count} {word}" for word, count in [*outcomes.items(), ("left out", len(content.left_out))] if count]
        text = f"imported {counted(imported, 'session')}" + (f" ({', '.join(parts)})" if parts else "")
        done(for_machines, text, ok=not content.left_out, imported=imported, **facts)
        if content.left_out:
            raise click.exceptions.Exit(1)


def _merge_in(store: SessionStore, session: ShopperSession, limits: SessionLimits) -> str:
    """Merge the session into the store and return the outcome: new, merged or unchanged."""
    outcome = "unchanged"

    def change(stored: ShopperSession | None) -> ShopperSession:
        nonlocal outcome
        merged = merge_sessions(stored, session, limits)
        outcome = "new" if stored is None else "unchanged" if merged is stored else "merged"
        return merged

    store.update(session.session, change)
    return outcome


def _note_all(lines: list[str]) -> None:
    for line in lines[:_MOST_NOTES]:
        note(line)
    if len(lines) > _MOST_NOTES:
        note(f"and {len(lines) - _MOST_NOTES} more like the last one")


def _modified(file: IO[bytes], now: int) -> int:
    """Return the time (ms) of the file's last change, or `now` for standard input."""
    return now if _is_standard_input(file) else os.fstat(file.fileno()).st_mtime_ns // 1_000_000


def _is_standard_input(file: IO[bytes]) -> bool:
    return getattr(file, "name", "<stdin>") == "<stdin>"


@contextmanager
def _output(file: str) -> Iterator[IO[str]]:
    """Open the target of an export. A file appears whole or not at all, readable by its owner only."""
    if file == "-":
        yield sys.stdout
        return
    target = Path(file)
    part = None
    try:
        # A new file with a name of its own (O_EXCL, mode 0600): a file or link that is there already is never opened.
        descriptor, part = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
        with open(descriptor, "w", encoding="utf-8") as output:  # noqa: PTH123  it takes the descriptor
            yield output
            output.flush()
            os.fsync(descriptor)
        Path(part).replace(target)
    except BaseException as error:
        if part is not None:
            with suppress(OSError):
                Path(part).unlink()
        if isinstance(error, OSError):
            raise RefusedError(f"{file} cannot be written ({error.strerror}).") from error
        raise
