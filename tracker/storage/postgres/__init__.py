"""The store in a PostgreSQL database, for several machines: one row a session, written only over what was read.

database.py     the connections of this process, each statement within its deadline
failures.py     what the driver raises, as errors of the port
store.py        the sessions
cell.py         small values by name
schema.py       the tables: numbered SQL files, and which numbers this code works with
state.py        what an operator wants to know of a database before it serves
"""

from __future__ import annotations

from collections.abc import Callable

from tracker.durable.cell import Cell
from tracker.sessions.store import SessionStore
from tracker.storage.postgres.cell import PostgresCell
from tracker.storage.postgres.database import Database
from tracker.storage.postgres.store import PostgresStore


def postgres_storage(url: str, pool_size: int) -> tuple[SessionStore, Callable[[str], Cell]]:
    """Return the sessions and the cells of a database, which share its connections. Raises ConfigError."""
    database = Database(url, pool_size)
    return PostgresStore(database), lambda name: PostgresCell(database, name)
