"""The adapters of the ports: where sessions are kept. Known to tracker.app and the commands alone.

A place has an address: `file:PATH`, a session file with the files beside it, or `postgresql://...`, a database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.durable.cell import Cell, FileCell
from tracker.sessions.counting import CountedSessions, Counting
from tracker.sessions.store import Progress, SessionStore
from tracker.storage.json_file import JsonFileStore

if TYPE_CHECKING:
    from tracker.storage.postgres.state import DatabaseState

POOL_SIZE = 8
"""Connections of one process to a database, where no other number is set."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What one place keeps: the sessions, and small values by name."""

    sessions: SessionStore
    cell: Callable[[str], Cell]
    """Returns the cell of this name; processes and machines that name it share it."""
    sums: CountedSessions | None = None
    """The sums of all sessions, where the place keeps them."""


def is_database(url: str) -> bool:
    """Return whether the address is one of a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def open_storage(url: str, pool_size: int = POOL_SIZE, counting: Counting | None = None) -> Storage:
    """Return what is kept at an address; `counting`: what is summed of sessions.

    Opens nothing yet. Raises ConfigError for an address that is none.
    """
    if is_database(url):
        # Loaded only where it is used: the driver is an extra.
        from tracker.storage.postgres import postgres_storage  # noqa: PLC0415

        return Storage(*postgres_storage(url, pool_size, counting))
    path = Path(url.removeprefix("file:")).expanduser()
    store = JsonFileStore(path, counting=counting)
    return Storage(store, lambda name: FileCell(path.with_name(f"{path.name}.{name}")), store.sums)


def open_store(url: str, pool_size: int = POOL_SIZE) -> SessionStore:
    """Return the store of the sessions at an address; see `open_storage`."""
    return open_storage(url, pool_size).sessions


def database_state(url: str) -> DatabaseState:
    """Return what an operator wants to know of a database. Raises StoreError."""
    from tracker.storage.postgres.state import state_of  # noqa: PLC0415  as above

    return state_of(url)


def migrate(url: str) -> list[int]:
    """Make the tables of a database, or bring them up to this version; return the numbers of the files applied.

    Raises StoreError; the database is then as it was.
    """
    from tracker.storage.postgres.schema import migrate_or_explain  # noqa: PLC0415  as above

    return migrate_or_explain(url)


def count_sessions(url: str, counting: Counting, progress: Progress | None = None) -> int:
    """Count the sessions of a database that were stored without being counted; return how many. Raises StoreError."""
    from tracker.storage.postgres import count_sessions as count  # noqa: PLC0415  as above

    return count(url, counting, progress)
