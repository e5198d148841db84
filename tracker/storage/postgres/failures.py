"""What the driver raises, as errors of the port: which try may succeed, and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from tracker.sessions.store import StoreBusyError, StoreDamagedError, StoreError, StoreFullError

_RETRY_AFTER_S = 2
_BUSY = (
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.TooManyConnections,
)
_FULL = (errors.DiskFull, errors.OutOfMemory)
_NO_TABLES = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)


def unreachable(text: str = "The database cannot be reached; try again.") -> StoreError:
    """Return the error of a database that does not answer, which may be over in a moment."""
    error = StoreError(text)
    error.retry_after = _RETRY_AFTER_S
    return error


def no_tables() -> StoreError:
    """Return the error of a database without the tables that this version needs."""
    return StoreError("The database is not set up for this version: run `flask sessions migrate`.")


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn what the driver raises into the errors of the port. No message holds an address or a name."""
    try:
        yield
    except psycopg.Error as error:
        raise as_store_error(error) from error


def as_store_error(error: psycopg.Error) -> StoreError:
    """Return the port's error for one of the driver's."""
    if isinstance(error, _BUSY):
        return StoreBusyError("The database is busy; try again.")
    if isinstance(error, _FULL):
        return StoreFullError("The database's disk is full: nothing can be stored until there is room.")
    if isinstance(error, _NO_TABLES):
        return no_tables()
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return unreachable("The database takes no writes now: it is a standby, or set to read only.")
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreError("The database refuses this user: grant it the tables, or let it own them.")
    if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
        return StoreDamagedError("The database reports damaged data; look into its log.")
    return unreachable()
