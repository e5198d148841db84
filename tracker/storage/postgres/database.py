"""One database as this process knows it: its connections, and every statement within a deadline.

The connections belong to one process: they are opened at the first use, and a forked child opens its own. Nothing is
set in a session of the server, so a pooler such as PgBouncer may stand between, in transaction mode.
"""

from __future__ import annotations

import contextlib
import logging
import math
import select
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, TypeAlias

import psycopg
from psycopg import Connection, errors, pq
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from tracker.config import ConfigError
from tracker.durable.fork import reset_after_fork
from tracker.sessions.store import StoreBusyError, StoreClosedError, StoreFullError
from tracker.storage.postgres import schema
from tracker.storage.postgres.failures import as_store_error, plain_failures, unreachable

log = logging.getLogger(__name__)

PATIENCE_S = 1.5
"""What a request waits for at most, in sum: for its turn, for a connection, and for its statements."""

_CANCEL_S = 0.25
"""How long a statement that is out of time is asked to end, before its connection is closed."""

_FULL_FOR_S = 30.0
"""How long a full disk is reported after the last write that failed with it."""

_STEP_S = 0.2

# It names host and port, and in an outage it logs 30 lines a second; `Database` logs one line itself.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
logging.getLogger("psycopg").setLevel(logging.CRITICAL)


class TimedConnection(Connection[TupleRow]):
    """A connection whose statements end by a moment of the monotonic clock."""

    until: float = math.inf
    was_not_replicated = False
    """Whether a commit was acknowledged without the standby that has to confirm it."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for the server, at most until `until`. Raises QueryCanceled when that is over."""
        left = self.until - time.monotonic()
        if left <= 0:
            # Nothing of the statement was sent yet: its outcome is not in doubt.
            raise errors.QueryCanceled("out of time")
        try:
            return super().wait(gen, interval=interval, timeout=left if left < math.inf else timeout)
        except errors.OperationalError as error:
            if time.monotonic() < self.until:
                raise
            raise errors.QueryCanceled("out of time") from error

    def run(self, query: str, *values: Any) -> list[TupleRow]:
        """Execute one statement as a transaction of its own and return its rows. Raises psycopg.Error."""
        self.was_not_replicated = False
        with self.cursor(binary=True) as cursor:
            cursor.execute(query.encode(), values)
            rows = cursor.fetchall() if cursor.description else [(cursor.rowcount,)]
        if self.was_not_replicated:
            raise errors.OperationalError("the commit may not have been replicated")
        return rows


_Pool: TypeAlias = ConnectionPool[TimedConnection]


class Database:
    """The connections of this process to one database, at most `pool_size`."""

    def __init__(self, url: str, pool_size: int, patience_s: float = PATIENCE_S) -> None:
        """Open nothing yet. Raises ConfigError for a text that is no address of a database."""
        try:
            self._conninfo = completed(url)
        except psycopg.ProgrammingError:
            raise ConfigError("DATABASE_URL must be an address like postgresql://user:password@host/name") from None
        self._pool_size = pool_size
        self.patience_s = patience_s
        self._is_closed = False
        self._pools: list[_Pool | None] = []
        """The pools that were opened: the last is this process's own, or None. Those of a parent stay untouched."""
        self.begin_in_this_process()
        reset_after_fork(self)
        weakref.finalize(self, _close_last, self._pools)

    def begin_in_this_process(self) -> None:
        """Connections are shared with the parent, and threads of its pool are not here."""
        self._pools.append(None)
        self._lock = threading.Lock()
        self._failures = 0
        self._is_down = False
        self._is_verified = False
        self._full_until = 0.0

    @contextlib.contextmanager
    def connected(self, until: float | None = None, statements_s: float = 0.0) -> Iterator[TimedConnection]:
        """Lend a connection; it waits for one until `until` (monotonic), by default for `patience_s`.

        Its statements end by then too, or `statements_s` later. Whatever the driver raises inside becomes an error of
        the port, and its connection is closed where it is not surely sound.
        """
        if until is None:
            until = time.monotonic() + self.patience_s
        with plain_failures():
            pool, connection = self._taken(until)
            try:
                connection.until = until + statements_s
                if not self._is_verified:
                    schema.verify(connection.run)
                    self._is_verified = True
                yield connection
            except psycopg.Error as error:
                self._note(error)
                _give_up(connection, error)
                raise
            finally:
                connection.until = math.inf
                pool.putconn(connection)

    def wrote(self) -> None:
        """Note that a write succeeded: the disk is not full."""
        self._full_until = 0.0

    @property
    def is_full(self) -> bool:
        """Whether a write failed within the last 30 s because the disk is full, and none succeeded since."""
        return time.monotonic() < self._full_until

    def close(self) -> None:
        """Close all connections; nothing can be done any more."""
        self._is_closed = True
        _close_last(self._pools)

    # --- connections ---------------------------------------------------------------------------------------------

    def _taken(self, until: float) -> tuple[_Pool, TimedConnection]:
        """Return a connection that was alive just now, and its pool, by `until`. Raises StoreError."""
        pool, failures = self._opened(), self._failures
        while True:
            try:
                connection = pool.getconn(timeout=max(0.001, min(_STEP_S, until - time.monotonic())))
            except PoolTimeout:
                # Every new wait lets the pool try to connect. Where that failed meanwhile, waiting on is of no use.
                if self._failures != failures:
                    self._report_outage()
                    raise unreachable() from None
                if time.monotonic() >= until:
                    raise StoreBusyError("All connections to the database are in use; try again.") from None
            except PoolClosed:
                raise StoreClosedError("the store was closed") from None
            else:
                if _is_alive(connection):
                    self._report_return()
                    return pool, connection
                connection.close()
                pool.putconn(connection)

    def _opened(self) -> _Pool:
        if self._is_closed:
            raise StoreClosedError("the store was closed")
        pool = self._pools[-1]
        if pool is not None:
            return pool
        with self._lock:
            pool = self._pools[-1]
            if pool is None:
                pool = self._pools[-1] = ConnectionPool(
                    self._conninfo,
                    connection_class=TimedConnection,
                    # Statements that the driver prepares by itself belong to one session of the server: through a
                    # pooler in transaction mode 231 of 400 updates failed.
                    kwargs={"autocommit": True, "prepare_threshold": None},
                    min_size=0,
                    max_size=self._pool_size,
                    configure=_configure,
                    # It gives up at once; the next request tries again.
                    reconnect_timeout=0,
                    reconnect_failed=lambda _pool: self._count_failure(),
                    open=True,
                )
        return pool

    def _count_failure(self) -> None:
        self._failures += 1

    def _report_outage(self) -> None:
        if not self._is_down:
            self._is_down = True
            log.error("the database cannot be reached")

    def _report_return(self) -> None:
        if self._is_down:
            self._is_down = False
            log.info("the database can be reached again")

    def _note(self, error: psycopg.Error) -> None:
        if isinstance(as_store_error(error), StoreFullError):
            self._full_until = time.monotonic() + _FULL_FOR_S


def completed(url: str) -> str:
    """Return the address with what the service needs, where it does not say otherwise. Raises ProgrammingError."""
    given = conninfo_to_dict(url)
    wanted: dict[str, Any] = {"application_name": "shopify-tracker", "connect_timeout": 2}
    if "," in str(given.get("host", "")) or "," in str(given.get("hostaddr", "")):
        # Of several hosts the one that takes writes: after a failover that is another one.
        wanted["target_session_attrs"] = "read-write"
    return make_conninfo(url, **{name: value for name, value in wanted.items() if name not in given})


def _configure(connection: TimedConnection) -> None:
    # Set here and not in a method of it: the handler would keep its own connection alive.
    told = weakref.ref(connection)

    def notice(diagnostic: errors.Diagnostic) -> None:
        known = told()
        if known is not None and diagnostic.source_function == "SyncRepWaitForLSN":
            known.was_not_replicated = True

    connection.add_notice_handler(notice)


def _is_alive(connection: TimedConnection) -> bool:
    """Return whether an idle connection is as it was left. To one that the server closed it said something since."""
    if connection.closed:
        return False
    arrived = select.poll()
    arrived.register(connection.pgconn.socket, select.POLLIN)
    return not arrived.poll(0)


def _give_up(connection: TimedConnection, error: psycopg.Error) -> None:
    """Close a connection that is not surely sound, or whose server takes no writes.

    A statement that still runs is asked to end first: one that waits for an absent standby would hold its row.
    """
    is_idle = connection.info.transaction_status == pq.TransactionStatus.IDLE
    if is_idle and not isinstance(error, errors.ReadOnlySqlTransaction | errors.OperationalError):
        return
    if connection.info.transaction_status == pq.TransactionStatus.ACTIVE:
        with contextlib.suppress(psycopg.Error):
            connection.cancel_safe(timeout=_CANCEL_S)
    connection.close()


def _close_last(pools: list[_Pool | None]) -> None:
    pool = pools[-1]
    if pool is not None and not pool.closed:
        pool.close()
