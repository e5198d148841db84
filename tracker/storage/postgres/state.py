"""What an operator wants to know of a database before it serves: its version, its tables, its connections."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import errors

from tracker.sessions.store import StoreError
from tracker.storage.postgres.database import completed
from tracker.storage.postgres.schema import NUMBER


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """A database as it is now."""

    server: str
    """The server's version."""
    tables: int | None
    """The number of its tables; None where there are none."""
    tables_wanted: int
    """The number that this code needs."""
    connections: int
    """How many connections all users together may have, without those kept for the administrator."""
    in_use: int
    """How many there are now."""


def state_of(url: str) -> DatabaseState:
    """Return the state of a database. Raises StoreError with the server's own words, for the operator at a terminal."""
    try:
        with psycopg.connect(completed(url), autocommit=True, prepare_threshold=None) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), current_setting('max_connections')::int"
                " - current_setting('superuser_reserved_connections')::int,"
                " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
            ).fetchone()
            assert row is not None
            try:
                tables = connection.execute("SELECT max(number) FROM schema_version").fetchone()
            except errors.UndefinedTable:
                tables = None
            return DatabaseState(str(row[0]), tables[0] if tables else None, NUMBER, int(row[1]), int(row[2]))
    except psycopg.Error as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise StoreError(f"The database cannot be asked: {said}") from error
