"""The store in a PostgreSQL database, for several machines: one row a session, written only over what was read.

database.py     the connections of this process, each statement within its deadline
failures.py     what the driver raises, as errors of the port
store.py        the sessions
tallies.py      the statements that write sessions, each with what it changes in the sums
sums.py         the sums of all sessions
records.py      a session's record as its row holds it
cell.py         small values by name
schema.py       the tables: numbered SQL files, and which numbers this code works with
state.py        what an operator wants to know of a database before it serves
"""

from __future__ import annotations

from collections.abc import Callable

from tracker.durable.cell import Cell
from tracker.sessions.counting import CountedSessions, Counting
from tracker.sessions.store import Progress, SessionStore
from tracker.storage.postgres.cell import PostgresCell
from tracker.storage.postgres.database import Database
from tracker.storage.postgres.store import PostgresStore
from tracker.storage.postgres.sums import DatabaseSums


def postgres_storage(
    url: str, pool_size: int, counting: Counting | None
) -> tuple[SessionStore, Callable[[str], Cell], CountedSessions | None]:
    """Return the sessions, the cells and the sums of a database, which share its connections. Raises ConfigError."""
    database = Database(url, pool_size)
    sums = None if counting is None else DatabaseSums(database, counting)
    return PostgresStore(database, sums), lambda name: PostgresCell(database, name), sums


def count_sessions(url: str, counting: Counting, progress: Progress | None = None) -> int:
    """Count the sessions that are stored and not counted yet; return how many. Raises StoreError."""
    database = Database(url, 1)
    try:
        return DatabaseSums(database, counting).count_all(progress)
    finally:
        database.close()
