"""flask sessions migrate and copy: the tables of a database, and sessions from one place to another."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator

import click
import orjson
from flask.cli import AppGroup

from tracker.cli.terminal import (
    RefusedError,
    as_json,
    counted,
    done,
    note,
    plain_failures,
    progress_bar,
    say,
)
from tracker.config import Config, ConfigError, load_config
from tracker.insights.counting.counting import VisitCounting
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Progress, SessionStore, StoreError
from tracker.storage import count_sessions, is_database, migrate, open_store

_MOST_NAMED = 20


def add_migrate(group: AppGroup, config: Config) -> None:
    """Add `flask sessions migrate` to the group."""

    @group.command("migrate")
    @as_json
    @plain_failures()
    def migrate_(for_machines: bool) -> None:
        """Make the tables of the database (DATABASE_URL), or bring them up to this version. Run it before each deploy.

        Sessions that are in no figure yet are counted. Versions that serve meanwhile go on working. Where nothing is to
        be done it changes nothing.
        """
        if not config.database_url:
            raise RefusedError("DATABASE_URL is not set; the session file needs no tables.")
        applied = migrate(config.database_url)
        number = _count(config.database_url, config, for_machines)
        numbers = ", ".join(map(str, applied))
        text = f"applied {numbers}" if applied else "the tables are up to date"
        news = f"; {counted(number, 'session')} more in the figures" if number else ""
        per_process = counted(config.database_connections, "connection")
        done(for_machines, f"{text}{news}; each process takes up to {per_process}", applied=applied, counted=number)


def _count(url: str, config: Config, for_machines: bool) -> int:
    """Count the sessions of a database that are in no figure yet; return how many."""
    counting = VisitCounting(config.shop_timezone, lambda: time.time_ns() // 1_000_000)
    with progress_bar("counting", for_machines) as progress:
        return count_sessions(url, counting, progress)


def add_copy(group: AppGroup, config: Config) -> None:
    """Add `flask sessions copy` to the group."""

    @group.command("copy")
    @click.option("--from", "source_url", required=True, metavar="URL", help="file:PATH or postgresql://...")
    @click.option("--to", "target_url", required=True, metavar="URL", help="file:PATH or postgresql://...")
    @as_json
    @plain_failures()
    def copy(source_url: str, target_url: str, for_machines: bool) -> None:
        """Copy all sessions from one place to another, then compare both session by session.

        It may be interrupted and run again, also while the service goes on: sessions that are the same already are
        left alone, and those that changed are copied anew. What the target holds of a later time, or alone, stays. The
        exit status is 1 where the comparison found a difference; the sessions are named.
        """
        source, target = _opened(source_url, "--from"), _opened(target_url, "--to")
        if source_url == target_url:
            raise RefusedError("--from and --to are the same place.")
        try:
            with progress_bar("copying", for_machines) as progress:
                copied = _copied(source, target, progress)
            with progress_bar("comparing", for_machines) as progress:
                differing, compared = _differing(source, target, progress)
            if is_database(target_url):
                _count(target_url, config, for_machines)
        finally:
            source.close()
            target.close()
        _report(copied, compared, differing, for_machines)


def _opened(url: str, option: str) -> SessionStore:
    if not is_database(url) and not url.startswith("file:"):
        raise click.BadParameter("give file:PATH or postgresql://...", param_hint=option)
    try:
        if is_database(url):
            load_config({"DATABASE_URL": url})
        store = open_store(url)
    except ConfigError as error:
        raise RefusedError(str(error).replace("DATABASE_URL", option)) from None
    if problem := store.problem():
        store.close()
        raise RefusedError(f"{option}: {problem}")
    return store


def _copied(source: SessionStore, target: SessionStore, progress: Progress) -> Counter[str]:
    """Copy every session of the source that differs in the target; return how many there were of each kind."""
    total = source.check().sessions
    kinds = Counter({"new": 0, "changed": 0, "same": 0, "newer": 0})
    for number, session in enumerate(source.iterate(), 1):
        try:
            kinds[_put(target, session)] += 1
        except StoreError:
            note(f"{number - 1} of {total} copied; copy again to go on.")
            raise
        progress(number, max(total, number))
    return kinds


def _put(target: SessionStore, session: ShopperSession) -> str:
    kind = "same"

    def change(stored: ShopperSession | None) -> ShopperSession:
        nonlocal kind
        if stored is not None and _is_at_least(stored, session):
            kind = "same" if stored.updated_at == session.updated_at else "newer"
            return stored
        kind = "new" if stored is None else "changed"
        return session

    target.update(session.session, change)
    return kind


def _differing(source: SessionStore, target: SessionStore, progress: Progress) -> tuple[list[str], int]:
    """Return the ids of the source's sessions that the target has not, or has otherwise; and how many were compared.

    A session that was reported of between the two readings is read once more before it counts.
    """
    there = dict(_digests(target))
    differing, number, total = [], 0, source.check().sessions
    for number, (session_id, digest) in enumerate(_digests(source), 1):
        if there.get(session_id) != digest:
            differing.append(session_id)
        progress(number, max(total, number))
    return [one for one in differing if not _is_settled(source.get(one), target.get(one))], number


def _is_at_least(stored: ShopperSession, session: ShopperSession) -> bool:
    """Return whether the target's session is the same, or was reported of since the service moved there."""
    return stored.updated_at > session.updated_at or _digest(stored) == _digest(session)


def _is_settled(session: ShopperSession | None, stored: ShopperSession | None) -> bool:
    # One that was deleted from the source meanwhile is missed by nobody.
    return session is None or (stored is not None and _is_at_least(stored, session))


def _digests(store: SessionStore) -> Iterator[tuple[str, bytes]]:
    return ((session.session, _digest(session)) for session in store.iterate())


def _digest(session: ShopperSession) -> bytes:
    record = orjson.dumps(session.to_record(), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(record, digest_size=16).digest()


def _report(copied: Counter[str], compared: int, differing: list[str], for_machines: bool) -> None:
    for session_id in differing[:_MOST_NAMED] if not for_machines else ():
        say(f"differs: {session_id}")
    parts = ", ".join(f"{count} {kind}" for kind, count in copied.items() if count)
    moved = copied["new"] + copied["changed"]
    text = (
        f"copied {counted(moved, 'session')}{f' ({parts})' if parts else ''};"
        f" compared {counted(compared, 'session')}, {counted(len(differing), 'difference')}"
    )
    done(for_machines, text, ok=not differing, **copied, compared=compared, differing=differing)
    if differing:
        note("a session that was reported of meanwhile differs until the next copy: copy again.")
        raise click.exceptions.Exit(1)
