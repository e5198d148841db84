"""The same records in SQLite, with the same promise: an answer means that it is on the disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

import orjson

from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Change


class SqliteStore:
    """Updates of a SessionStore in WAL mode with synchronous=FULL, and a connection for each thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()

    def fill(self, sessions: Iterable[tuple[str, ShopperSession]]) -> None:
        """Make the table with these sessions in it."""
        connection = self._connection()
        connection.execute("CREATE TABLE sessions (id TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("BEGIN")
        rows = ((session_id, orjson.dumps(session.to_record())) for session_id, session in sessions)
        connection.executemany("INSERT INTO sessions VALUES (?, ?)", rows)
        connection.execute("COMMIT")

    def update(self, session_id: str, change: Change) -> ShopperSession:
        """Read, change and write one session in one transaction."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        row = connection.execute("SELECT record FROM sessions WHERE id = ?", (session_id,)).fetchone()
        new = change(None if row is None else ShopperSession.from_record(orjson.loads(row[0])))
        record = orjson.dumps(new.to_record())
        connection.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?)", (session_id, record))
        connection.execute("COMMIT")
        return new

    def close(self) -> None:
        """Close the connection of this thread; those of others close with their threads."""
        self._connection().close()

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = FULL")
        return found
