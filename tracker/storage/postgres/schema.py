"""The tables of the database: numbered SQL files, applied in order by `flask sessions migrate` and by nothing else.

Each file begins with a line `-- works with the code of N`: the least number of code that goes on working over it. So a
new version's tables can be made while the version before it still serves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tracker.sessions.store import StoreError
from tracker.storage.postgres.failures import no_tables, unreachable

NUMBER = 2
"""The number of the newest file, which this code needs."""

_FOLDER = Path(__file__).with_name("migrations")
_FIRST_LINE = re.compile(r"-- works with the code of (\d+)\n")
_LOCK = 7_261_950_114
"""The key of the advisory lock under which only one machine migrates; any number that is always the same would do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file."""

    number: int
    oldest_code: int
    sql: str


def migrations() -> Iterator[Migration]:
    """Yield all of them in order."""
    for path in sorted(_FOLDER.glob("[0-9]*.sql")):
        text = path.read_text("utf-8")
        found = _FIRST_LINE.match(text)
        assert found, f"{path.name} does not begin with the line that says which code it works with"
        yield Migration(int(path.stem.partition("_")[0]), int(found[1]), text)


def migrate(conninfo: str) -> list[int]:
    """Bring the tables up to this version, all in one transaction; return the numbers that were applied.

    Raises psycopg.Error; the database is then as it was.
    """
    with psycopg.connect(conninfo, prepare_threshold=None, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version ("
            " number int PRIMARY KEY, oldest_code int NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        there = {number for (number,) in connection.execute("SELECT number FROM schema_version")}
        missing = [one for one in migrations() if one.number not in there]
        for one in missing:
            connection.execute(one.sql.encode())
            connection.execute(
                "INSERT INTO schema_version (number, oldest_code) VALUES (%s, %s)", (one.number, one.oldest_code)
            )
        return [one.number for one in missing]


def migrate_or_explain(url: str) -> list[int]:
    """Do what `migrate` does. Raises StoreError with the server's own words, for the operator at a terminal."""
    try:
        return migrate(url)
    except psycopg.Error as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise StoreError(f"The database cannot be set up: {said}") from error


def verify(run: Callable[..., list[Any]]) -> None:
    """Raise StoreError where this code does not work with the tables as they are; `run` executes one statement."""
    ((newest, oldest_code),) = run("SELECT max(number), max(oldest_code) FROM schema_version")
    if newest is None or newest < NUMBER:
        raise no_tables()
    if oldest_code > NUMBER:
        raise unreachable("The database was set up for a newer version of this service: deploy that version.")
