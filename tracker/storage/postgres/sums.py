"""The sums of all sessions in a database, exact over any number of processes and machines.

The cell "sums" holds them as they were when somebody last took the rows of tally_change into it; what came since then
is added from those rows. Both are read in one statement, and changed in one transaction.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson

from tracker.durable.fork import reset_after_fork
from tracker.sessions.counting import Counting
from tracker.sessions.store import Progress, StoreBusyError, StoreDamagedError, StoreError
from tracker.storage.postgres import tallies
from tracker.storage.postgres.database import Database
from tracker.storage.postgres.failures import no_tables
from tracker.storage.postgres.records import unpacked
from tracker.storage.postgres.tallies import Counted

log = logging.getLogger(__name__)

_FROM: Final = 4000
"""Fewer changes are not taken in: a page adds them up in a few milliseconds."""
_BYTES_A_CHANGE: Final = 100
"""The larger the sums, the more changes have to be there before they are written anew."""
_LOOK_EVERY: Final = 500
"""Changes of this process after which it looks whether there are enough."""
_SOON_S: Final = 5.0
_BATCH: Final = 500
_TRIES: Final = 20
_LONG_S: Final = 60.0

_VERSION = "SELECT version, (SELECT count(*) FROM tally_change) FROM cell WHERE name = 'sums'"
_CHANGES = (
    "SELECT cell.version, change.tally, change.living, change.pruned, change.number FROM cell LEFT JOIN ("
    "SELECT tally, sum(living)::bigint AS living, sum(pruned)::bigint AS pruned, count(*) AS number"
    " FROM tally_change GROUP BY tally) AS change ON true WHERE cell.name = 'sums'"
)
_KEPT = "SELECT version, value FROM cell WHERE name = 'sums'"
_TAKE = (
    "WITH gone AS (DELETE FROM tally_change RETURNING tally, living, pruned)"
    " SELECT tally, sum(living)::bigint, sum(pruned)::bigint FROM gone GROUP BY tally"
)
_KEEP = "UPDATE cell SET version = version + 1, value = %s WHERE name = 'sums'"
_UNCOUNTED = "SELECT count(*) FROM session WHERE NOT is_counted"
_FIND = "SELECT id FROM session WHERE keys @> ARRAY[%s::text] ORDER BY updated_at DESC LIMIT 1"


class _Kept(NamedTuple):
    """What the cell holds, parsed."""

    version: int
    living: Any
    pruned: Any


class DatabaseSums:
    """A CountedSessions in a database."""

    def __init__(self, database: Database, counting: Counting) -> None:
        """Connect to nothing yet."""
        self._database = database
        self.counting = counting
        self.begin_in_this_process()
        reset_after_fork(self)

    def begin_in_this_process(self) -> None:
        """Locks and timers of other threads of a parent are not the child's."""
        self._asking = threading.Lock()
        self._kept: _Kept | None = None
        self._answer: tuple[str, Any] = ("", None)
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._at_least = 0
        """How many changes there have to be for what the timer does."""
        self._changes = 0

    # --- the port ----------------------------------------------------------------------------------------------

    def version(self) -> str:
        """See CountedSessions."""
        with self._database.connected() as connection:
            version, number = _one(connection.run(_VERSION))
        return f"{version}.{number}"

    def read(self) -> Any:
        """See CountedSessions."""
        self.count_all()
        with self._asking:
            for _ in range(_TRIES):
                with self._database.connected(statements_s=_LONG_S) as connection:
                    rows = connection.run(_CHANGES)
                    if self._kept is None or self._kept.version != _one(rows[:1])[0]:
                        self._kept = self._parsed(*_one(connection.run(_KEPT)))
                        continue
                number = sum(row[4] or 0 for row in rows)
                version = f"{self._kept.version}.{number}"
                if self._answer[0] != version:
                    self._answer = (version, self._together(self._kept, rows))
                if number > _FROM:
                    self.fold_soon(at_least=_FROM)
                return self._answer[1]
        raise StoreBusyError("The sums keep changing; try again in a moment.")

    def find(self, key: str) -> str | None:
        """See CountedSessions."""
        self.count_all()
        with self._database.connected() as connection:
            rows = connection.run(_FIND, key)
        return rows[0][0] if rows else None

    # --- what was stored without being counted -------------------------------------------------------------------

    def count_all(self, progress: Progress | None = None) -> int:
        """Count the sessions that were stored by a program that does not count, in batches; return how many."""
        done, total = 0, 0 if progress is None else self._uncounted()
        while True:
            with self._database.connected(statements_s=_LONG_S) as connection:
                rows = tallies.uncounted(connection, _BATCH)
                if not rows:
                    return done
                found = [(session_id, version, self._counted(record)) for session_id, version, record in rows]
                done += tallies.count(connection, found)
            if progress is not None:
                progress(done, max(done, total))

    def _uncounted(self) -> int:
        with self._database.connected(statements_s=_LONG_S) as connection:
            return int(connection.run(_UNCOUNTED)[0][0])

    def _counted(self, record: bytes) -> Counted:
        try:
            session = unpacked(record)
        except StoreDamagedError:
            return Counted("")  # No part of the service can read it.
        return Counted.of(self.counting.counted(lambda _stored: session)(None), self.counting)

    # --- taking changes in -------------------------------------------------------------------------------------

    def note_change(self) -> None:
        """Look after a while whether there are enough changes to take in."""
        self._changes += 1
        if self._changes >= _LOOK_EVERY:
            self._changes = 0
            self.fold_soon(at_least=_FROM)

    def fold_soon(self, at_least: int = 0) -> None:
        """Do what `fold` does in a few seconds, in a thread of its own, once for all who ask meanwhile."""
        with self._lock:
            if self._timer is not None:
                self._at_least = min(self._at_least, at_least)
                return
            self._at_least = at_least
            self._timer = threading.Timer(_SOON_S, self._fold_now)
            self._timer.daemon = True
            self._timer.start()

    def fold(self, at_least: int = 0) -> None:
        """Make the changes a part of the sums, if there are so many; their rows go, and with them the ids."""
        with self._database.connected(statements_s=_LONG_S) as connection, connection.transaction():
            version, value = _one(connection.run(f"{_KEPT} FOR UPDATE"))
            if at_least and _one(connection.run(_VERSION))[1] < max(at_least, len(value) // _BYTES_A_CHANGE):
                return
            rows = connection.run(_TAKE)
            if not rows:
                return
            kept = self._parsed(version, value)
            _put(kept.living, ((tally, living) for tally, living, _pruned in rows))
            _put(kept.pruned, ((tally, pruned) for tally, _living, pruned in rows))
            record = {"living": kept.living.to_record(), "pruned": self.counting.aged(kept.pruned.to_record())}
            connection.run(_KEEP, zlib.compress(orjson.dumps(record), 1))

    def try_to_fold(self, at_least: int = 0) -> None:
        """Do what `fold` does; where that fails, whoever does it next takes these changes in too."""
        try:
            self.fold(at_least)
        except StoreError as error:
            log.info("the sums take in later what changed: %s", error)

    def close(self) -> None:
        """Do at once what was to be done soon: the ids of deleted sessions are to be gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._fold_now()

    def _fold_now(self) -> None:
        with self._lock:
            self._timer, at_least = None, self._at_least
        self.try_to_fold(at_least)

    # --- records -------------------------------------------------------------------------------------------------

    def _parsed(self, version: int, value: bytes) -> _Kept:
        try:
            record = orjson.loads(zlib.decompress(value)) if value else {"living": None, "pruned": None}
            return _Kept(version, self.counting.sums(record["living"]), self.counting.sums(record["pruned"]))
        except (zlib.error, ValueError, KeyError, TypeError) as error:
            raise StoreDamagedError("The sums in the database cannot be read; restore the table cell.") from error

    def _together(self, kept: _Kept, rows: list[Any]) -> Any:
        living, answer = self.counting.sums(), self.counting.sums()
        living.merge(kept.living)
        _put(living, ((row[1], row[2]) for row in rows))
        answer.merge(kept.pruned)
        _put(answer, ((row[1], row[3]) for row in rows))
        answer.merge(living)
        return answer


def _put(sums: Any, changes: Iterable[tuple[str | None, int]]) -> None:
    """Put tallies in and take others out: those that come first, because sums of fewer than none are none."""
    try:
        for tally, number in sorted(((one, number) for one, number in changes if one and number), key=_minus_number):
            sums.put("", tally.encode(), number)
    except ValueError as error:
        raise StoreDamagedError("The sums in the database are those of another version of this service.") from error


def _minus_number(change: tuple[str, int]) -> int:
    return -change[1]


def _one(rows: list[Any]) -> Any:
    if not rows:
        raise no_tables()
    return rows[0]
