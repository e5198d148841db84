"""PostgresStore: the sessions in a PostgreSQL database, shared by threads, processes and machines.

A session is read, changed here, and written only where its row still has the version that was read; otherwise all of it
is done again. No transaction stays open meanwhile, and every statement about a session names its id and no other.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import zlib
from collections.abc import Iterator

from psycopg.rows import TupleRow

from tracker.durable.fork import reset_after_fork
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import (
    Change,
    Position,
    Progress,
    StoreBusyError,
    StoreCheck,
    StoreError,
    least_of,
)
from tracker.storage.postgres import tallies
from tracker.storage.postgres.database import Database, TimedConnection
from tracker.storage.postgres.records import packed, unpacked
from tracker.storage.postgres.sums import DatabaseSums
from tracker.storage.postgres.tallies import Counted

_STRIPES = 64
_LONG_S = 600.0
"""How long one statement of a command may take: counting a million rows, deleting a batch of them."""
_PAGE_S = 10.0
_FIRST_PAGE = 32
_LARGEST_PAGE = 256
_BATCH = 1000
_BEFORE_ALL: Position = (2**62, "")

_PAGE = (
    "SELECT id, updated_at, record FROM session WHERE updated_minute <= %s AND (updated_at, id) < (%s, %s)"
    " ORDER BY updated_minute DESC, updated_at DESC, id DESC LIMIT %s"
)
_COUNT_OLD = "SELECT count(*) FROM session WHERE updated_minute <= %s AND updated_at < %s"
_OLD_IDS = "SELECT id FROM session WHERE updated_minute <= %s AND updated_at < %s LIMIT %s"
_ROW_BYTES = 200
"""What a row takes beside its record, with its places in the indexes."""
_CUTOFF = (
    "SELECT max(bytes)::bigint, min(updated_at) FILTER (WHERE bytes <= %s), max(updated_at) FROM"
    " (SELECT updated_at, sum(octet_length(record) + %s) OVER (ORDER BY updated_at DESC) AS bytes FROM session) AS rows"
)


class PostgresStore:
    """A SessionStore in a database whose tables `flask sessions migrate` made."""

    def __init__(self, database: Database, sums: DatabaseSums | None = None) -> None:
        """Connect to nothing yet. `sums`: the sums of all sessions; without them what is stored is not counted."""
        self._database = database
        self._sums = sums
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """A lock that another thread of the parent holds would never be released here."""
        # Threads of one process take their turn here, because each attempt over an old version costs two round trips.
        self._stripes = [threading.Lock() for _ in range(_STRIPES)]

    # --- the port ----------------------------------------------------------------------------------------------

    def update(self, session_id: str, change: Change) -> ShopperSession:
        """See SessionStore. Costs two round trips and a commit; one deadline holds for all of it."""
        if self._sums is not None:
            change = self._sums.counting.counted(change)
        until = time.monotonic() + self._database.patience_s
        with self._turn(session_id, until):
            while True:
                with self._database.connected(until) as connection:
                    version, counted, old = _read(connection, session_id)
                    new = change(old)
                    if new is old:
                        return new
                    counts = Counted.of(new, None if self._sums is None else self._sums.counting)
                    if tallies.write(connection, new, packed(new), over=(version, counted), counted=counts):
                        self._database.wrote()
                        break
                if time.monotonic() >= until:
                    raise StoreBusyError("Others change this session at the same time; try again.")
                time.sleep(random.uniform(0, 0.01))
        if self._sums is not None and counts != counted:
            self._sums.note_change()
        return new

    def get(self, session_id: str) -> ShopperSession | None:
        """See SessionStore."""
        with self._database.connected() as connection:
            return _read(connection, session_id)[2]

    def delete(self, session_id: str) -> bool:
        """See SessionStore. The server frees the row's space when it next cleans the table, which it does by itself."""
        with self._database.connected() as connection:
            is_deleted = tallies.delete(connection, session_id)
        if is_deleted and self._sums is not None:
            self._sums.fold_soon()
        return is_deleted

    def iterate(self, before: Position | None = None) -> Iterator[ShopperSession]:
        """See SessionStore. Reads page by page, and holds nothing between two pages."""
        size = _FIRST_PAGE
        while True:
            with self._database.connected(statements_s=_PAGE_S) as connection:
                rows = _page(connection, before, size)
            for session_id, updated_at, record in rows:
                yield unpacked(record)
                before = (updated_at, session_id)
            if len(rows) < size:
                return
            size = min(size * 2, _LARGEST_PAGE)

    def prune(self, cutoff: int, progress: Progress | None = None) -> int:
        """See SessionStore. Deletes in batches, each a transaction of its own, and cleans the table at the end."""
        if self._sums is not None:
            self._sums.count_all()
        total, done = self._count_old(cutoff), 0
        while True:
            with self._database.connected(statements_s=_LONG_S) as connection:
                ids = [row[0] for row in connection.run(_OLD_IDS, cutoff // 60_000, cutoff, _BATCH)]
                done += tallies.prune(connection, ids, cutoff)
            if progress is not None and total:
                progress(min(done, total), total)
            if len(ids) < _BATCH:
                break
        if done:
            if self._sums is not None:
                self._sums.try_to_fold()
            self.vacuum()
        return done

    def size(self) -> int | None:
        """See SessionStore. The server would have to be asked."""
        return None

    def shrink(self, most: int) -> int:
        """See SessionStore. Counts the records and what belongs to each; what is free within the tables is not counted.

        Looks at every row only where the tables are larger than `most`, which costs a second for a million.
        """
        with self._database.connected(statements_s=_LONG_S) as connection:
            ((size,),) = connection.run("SELECT pg_total_relation_size('session')::bigint")
            if size <= most:
                return 0
            ((live, cutoff, newest),) = connection.run(_CUTOFF, least_of(most), _ROW_BYTES)
        return self.prune(newest if cutoff is None else cutoff) if live and live > most else 0

    def vacuum(self) -> None:
        """Let the server free what deleted and replaced rows took; where it refuses, it does so later by itself."""
        with contextlib.suppress(StoreError), self._database.connected(statements_s=_LONG_S) as connection:
            connection.run("VACUUM session, tally_change")

    def problem(self) -> str | None:
        """See SessionStore. Asks the server whether it takes writes; a full disk shows in the last write."""
        try:
            with self._database.connected() as connection:
                ((is_read_only, is_standby, may_write),) = connection.run(
                    "SELECT current_setting('transaction_read_only') = 'on', pg_is_in_recovery(),"
                    " has_table_privilege('session', 'INSERT, UPDATE, DELETE')"
                    " AND has_table_privilege('tally_change', 'INSERT')"
                )
        except StoreError as error:
            return str(error)
        if is_read_only or is_standby:
            return "The database takes no writes now: it is a standby, or set to read only."
        if not may_write:
            return "The database refuses this user: grant it the tables, or let it own them."
        if self._database.is_full:
            return "The database's disk is full: nothing can be stored until there is room."
        return None

    def check(self) -> StoreCheck:
        """See SessionStore. Counts the rows."""
        try:
            with self._database.connected(statements_s=_LONG_S) as connection:
                ((sessions, size),) = connection.run(
                    "SELECT count(*), pg_total_relation_size('session')::bigint FROM session"
                )
        except StoreError as error:
            return StoreCheck(0, 0, str(error))
        return StoreCheck(sessions, size, self.problem())

    def close(self) -> None:
        """See SessionStore."""
        if self._sums is not None:
            self._sums.close()
        self._database.close()

    def _count_old(self, cutoff: int) -> int:
        with self._database.connected(statements_s=_LONG_S) as connection:
            ((count,),) = connection.run(_COUNT_OLD, cutoff // 60_000, cutoff)
        return int(count)

    @contextlib.contextmanager
    def _turn(self, session_id: str, until: float) -> Iterator[None]:
        stripe = self._stripes[zlib.crc32(session_id.encode()) % _STRIPES]
        if not stripe.acquire(timeout=max(0.0, until - time.monotonic())):
            raise StoreBusyError("Others change this session at the same time; try again.")
        try:
            yield
        finally:
            stripe.release()


# --- statements -------------------------------------------------------------------------------------------------------


def _read(connection: TimedConnection, session_id: str) -> tuple[int, Counted, ShopperSession | None]:
    """Return the version of a session's row, what it counts for, and the session; 0 and None where there is none."""
    rows = connection.run("SELECT version, record, tally, keys FROM session WHERE id = %s", session_id)
    if not rows:
        return 0, Counted(), None
    version, record, tally, keys = rows[0]
    return version, Counted(tally, tuple(keys or ())), unpacked(record)


def _page(connection: TimedConnection, before: Position | None, size: int) -> list[TupleRow]:
    """Return (id, updated_at, record) of the next sessions after a position, the one updated last first."""
    at, session_id = before or _BEFORE_ALL
    return connection.run(_PAGE, at // 60_000, at, session_id, size)
