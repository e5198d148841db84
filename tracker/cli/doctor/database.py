"""The database: whether it answers, has the tables of this version, and takes the connections of all processes."""

from __future__ import annotations

from collections.abc import Iterator

from tracker.cli.doctor.finding import Finding
from tracker.cli.doctor.sessions import look_at_store
from tracker.config import Config, ConfigError
from tracker.durable.cell import CellError
from tracker.sessions.store import StoreError
from tracker.storage import database_state, open_storage, open_store

ABOUT = "database"


def look_at_database(config: Config, workers: int, instances: int, now_ms: int) -> Iterator[Finding]:
    """Yield what is found of the database."""
    try:
        state = database_state(config.database_url)
        store = open_store(config.database_url, 1)
    except (StoreError, ConfigError) as error:
        yield Finding(ABOUT, "fault", f"{error} Check DATABASE_URL, and that the server may be reached from here.")
        return
    yield Finding(ABOUT, "ok", f"PostgreSQL {state.server} answers.")
    if state.tables is None or state.tables < state.tables_wanted:
        has = "no tables" if state.tables is None else f"tables of number {state.tables}"
        yield Finding(
            ABOUT,
            "fault",
            f"The database has {has}, and this version needs number {state.tables_wanted}:"
            " run `flask sessions migrate`.",
        )
    else:
        yield Finding(ABOUT, "ok", f"Its tables have number {state.tables}; this version needs {state.tables_wanted}.")
        try:
            yield from look_at_store(store, now_ms)
        finally:
            store.close()
    wanted = instances * workers * config.database_connections
    sum_ = f"{instances} x {workers} x {config.database_connections} = {wanted}"
    told = f"instances x workers x DATABASE_CONNECTIONS = {sum_}; the server allows {state.connections}"
    if wanted > state.connections:
        yield Finding(ABOUT, "fault", f"{told}: lower DATABASE_CONNECTIONS, or raise max_connections of the server.")
    else:
        yield Finding(ABOUT, "ok", f"{told}, of which {state.in_use} are in use.")


def published_file(config: Config) -> bytes | None:
    """Return the file of messages that `flask shop publish` put into the database; None if there is none."""
    cell = open_storage(config.database_url, 1).cell("shop")
    try:
        return cell.get() or None
    except CellError:
        return None  # the database was looked at before, so this was told
    finally:
        cell.close()
