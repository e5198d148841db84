"""PostgresCell: a small value in a row of its own, written only over the version that was read."""

from __future__ import annotations

import random
import threading
import time

from tracker.durable.cell import CellChange, CellError
from tracker.durable.fork import reset_after_fork
from tracker.sessions.store import StoreError
from tracker.storage.postgres.database import Database, TimedConnection


class PostgresCell:
    """A Cell in a database whose tables `flask sessions migrate` made."""

    def __init__(self, database: Database, name: str) -> None:
        """Connect to nothing yet."""
        self._database = database
        self._name = name
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """A lock that another thread of the parent holds would never be released here."""
        self._turn = threading.Lock()

    def get(self) -> bytes | None:
        """See Cell."""
        try:
            with self._database.connected() as connection:
                return self._read(connection)[1]
        except StoreError as error:
            raise CellError(str(error)) from error

    def update(self, change: CellChange) -> bytes:
        """See Cell."""
        until = time.monotonic() + self._database.patience_s
        if not self._turn.acquire(timeout=self._database.patience_s):
            raise CellError("another thread holds the value")
        try:
            while True:
                if (stored := self._tried(change, until)) is not None:
                    return stored
                if time.monotonic() >= until:
                    raise CellError("others change the value at the same time")
                time.sleep(random.uniform(0, 0.01))
        except StoreError as error:
            raise CellError(str(error)) from error
        finally:
            self._turn.release()

    def close(self) -> None:
        """See Cell. Closes the connections of all that share them."""
        self._database.close()

    def _tried(self, change: CellChange, until: float) -> bytes | None:
        """Return the new value, or None where another came between the reading and the writing."""
        with self._database.connected(until) as connection:
            version, old = self._read(connection)
            new = change(old)
            if new == old:
                return new
            if old is None:
                ((written,),) = connection.run(
                    "INSERT INTO cell (name, version, value) VALUES (%s, 1, %s) ON CONFLICT (name) DO NOTHING",
                    self._name,
                    new,
                )
            else:
                ((written,),) = connection.run(
                    "UPDATE cell SET version = version + 1, value = %s WHERE name = %s AND version = %s",
                    new,
                    self._name,
                    version,
                )
            return new if written else None

    def _read(self, connection: TimedConnection) -> tuple[int, bytes | None]:
        rows = connection.run("SELECT version, value FROM cell WHERE name = %s", self._name)
        return (rows[0][0], rows[0][1]) if rows else (0, None)
