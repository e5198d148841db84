"""PostgresCell: a small value in a row of its own, written only over the version that was read."""

from __future__ import annotations

import random
import threading
import time

from tracker.durable.cell import CellChange, CellError
from tracker.durable.fork import reset_after_fork
from tracker.sessions.store import StoreError
from tracker.storage.postgres.database import Database, TimedConnection


class _Update:
    """One change, to be made by its own thread or by another's."""

    def __init__(self, change: CellChange) -> None:
        self.change = change
        self.result: bytes | None = None
        self.error: Exception | None = None

    def outcome(self) -> bytes | None:
        """Return the value behind the change, None where it was not made. Raises what went wrong."""
        if self.error is not None:
            raise self.error
        return self.result


class PostgresCell:
    """A Cell in a database whose tables `flask sessions migrate` made.

    Changes of one process that come together are made in one step: where each had its own, those of 32 threads in four
    processes took up to 0.8 s for their turn.
    """

    def __init__(self, database: Database, name: str) -> None:
        """Connect to nothing yet."""
        self._database = database
        self._name = name
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """A lock that another thread of the parent holds would never be released here."""
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[_Update] = []

    def get(self) -> bytes | None:
        """See Cell."""
        try:
            with self._database.connected() as connection:
                return self._read(connection)[1]
        except StoreError as error:
            raise CellError(str(error)) from error

    def update(self, change: CellChange) -> bytes:
        """See Cell."""
        own, until = _Update(change), time.monotonic() + self._database.patience_s
        with self._lock:
            self._waiting.append(own)
        if self._turn.acquire(timeout=self._database.patience_s):
            try:
                if own in self._waiting:
                    self._make_all(until)
            finally:
                self._turn.release()
        result = own.outcome()
        if result is None:
            with self._lock:
                if own in self._waiting:
                    self._waiting.remove(own)
            raise CellError("another thread holds the value")
        return result

    def close(self) -> None:
        """See Cell. Closes the connections of all that share them."""
        self._database.close()

    def _make_all(self, until: float) -> None:
        """Make all changes that wait, as one step; each one learns its own outcome."""
        with self._lock:
            updates, self._waiting = self._waiting, []
        error = CellError("others change the value at the same time")
        try:
            while (outcomes := self._tried(updates, until)) is None and time.monotonic() < until:
                time.sleep(random.uniform(0, 0.01))
        except StoreError as failure:
            outcomes, error = None, CellError(str(failure))
        for number, one in enumerate(updates):
            outcome = error if outcomes is None else outcomes[number]
            one.result, one.error = (None, outcome) if isinstance(outcome, Exception) else (outcome, None)

    def _tried(self, updates: list[_Update], until: float) -> list[bytes | Exception] | None:
        """Return what each change came to, or None where another process came between the reading and the writing."""
        with self._database.connected(until) as connection:
            version, old = self._read(connection)
            value, outcomes = old, list[bytes | Exception]()
            for one in updates:
                try:
                    value = one.change(value)
                    outcomes.append(value)
                except Exception as error:  # noqa: BLE001  it passes to the thread whose change this is
                    outcomes.append(error)
            if value is None or value == old:
                return outcomes
            if old is None:
                ((written,),) = connection.run(
                    "INSERT INTO cell (name, version, value) VALUES (%s, 1, %s) ON CONFLICT (name) DO NOTHING",
                    self._name,
                    value,
                )
            else:
                ((written,),) = connection.run(
                    "UPDATE cell SET version = version + 1, value = %s WHERE name = %s AND version = %s",
                    value,
                    self._name,
                    version,
                )
            return outcomes if written else None

    def _read(self, connection: TimedConnection) -> tuple[int, bytes | None]:
        rows = connection.run("SELECT version, value FROM cell WHERE name = %s", self._name)
        return (rows[0][0], rows[0][1]) if rows else (0, None)
