"""Tallies of sessions: each statement that writes a session notes in itself what that changes in the sums.

What stands in the rows' column `tally`, all of it together, is always what the sums of living sessions are: those of
the cell "sums" with every row of tally_change. A row is added for a tally that is put in, and one for the tally that it
replaces; nobody waits for a row of another session.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from tracker.sessions.counting import Counting
from tracker.sessions.model import ShopperSession
from tracker.storage.postgres.database import TimedConnection

_LAST_VERSION = 2**62

_REPLACE = (
    "UPDATE session SET updated_minute = %s, updated_at = %s, record = %s, version = version + 1"
    " WHERE id = %s AND version = %s"
)
_REPLACE_COUNTED = (
    "WITH written AS (UPDATE session SET updated_minute = %s, updated_at = %s, record = %s, version = version + 1,"
    " tally = %s, keys = %s, is_counted = %s WHERE id = %s AND version = %s RETURNING id)"
)
# The first version is drawn, so that a session that was deleted and began anew is never taken for the old one.
_INSERT = (
    "INSERT INTO session (updated_minute, updated_at, record, tally, keys, is_counted, id, version)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING"
)
_NOTE = (
    " INSERT INTO tally_change (id, tally, living, pruned)"
    " SELECT written.id, change.tally, change.living, 0 FROM written, unnest(%s::text[], %s::bigint[])"
    " AS change(tally, living)"
)
_DELETE = (
    "WITH gone AS (DELETE FROM session WHERE id = %s RETURNING id, tally)"
    " INSERT INTO tally_change (id, tally, living, pruned)"
    " SELECT id, coalesce(tally, ''), CASE WHEN tally IS NULL THEN 0 ELSE -1 END, 0 FROM gone"
)
_PRUNE = (
    "WITH gone AS (DELETE FROM session WHERE id = ANY(%s) AND updated_at < %s RETURNING id, tally)"
    " INSERT INTO tally_change (id, tally, living, pruned)"
    " SELECT min(id), coalesce(tally, ''), -count(*), count(*) FROM gone GROUP BY tally RETURNING pruned"
)
_UNCOUNTED = "SELECT id, version, record FROM session WHERE NOT is_counted ORDER BY id LIMIT %s"
_COUNT = (
    "WITH found AS (SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[])"
    " AS found(id, version, tally, keys)),"
    " written AS (UPDATE session SET version = session.version + 1, tally = found.tally, is_counted = true,"
    " keys = string_to_array(nullif(found.keys, ''), ' ') FROM found"
    " WHERE session.id = found.id AND session.version = found.version AND NOT session.is_counted"
    " RETURNING session.id, session.tally)"
    " INSERT INTO tally_change (id, tally, living, pruned)"
    " SELECT min(id), tally, count(*), 0 FROM written GROUP BY tally RETURNING living"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a session counts for; `tally` is None where it is not counted."""

    tally: str | None = None
    keys: tuple[str, ...] = ()

    @classmethod
    def of(cls, session: ShopperSession, counting: Counting | None) -> Counted:
        """Return what a session with a tally counts for."""
        if counting is None:
            return cls()
        tally, keys = counting.parted(session.tally)
        return cls(tally.decode(), tuple(keys))


def write(
    connection: TimedConnection,
    session: ShopperSession,
    packed: bytes,
    *,
    over: tuple[int, Counted],
    counted: Counted,
) -> bool:
    """Write a session over the (version, what it counts for) that was read; version 0: there was none.

    Return whether that still stood there.
    """
    version, before = over
    row = session.updated_at // 60_000, session.updated_at, packed
    column = counted.tally, list(counted.keys) or None, counted.tally is not None
    changes = [(tally, living) for tally, living in ((before.tally, -1), (counted.tally, 1)) if tally is not None]
    if version and counted == before:
        ((written,),) = connection.run(_REPLACE, *row, session.session, version)
        return bool(written)
    if not version and not changes:
        drawn = random.randrange(1, _LAST_VERSION)
        ((written,),) = connection.run(_INSERT, *row, *column, session.session, drawn)
        return bool(written)
    noted = [tally for tally, _living in changes], [living for _tally, living in changes]
    if version:
        ((written,),) = connection.run(_REPLACE_COUNTED + _NOTE, *row, *column, session.session, version, *noted)
    else:
        drawn = random.randrange(1, _LAST_VERSION)
        begin = f"WITH written AS ({_INSERT} RETURNING id)"
        ((written,),) = connection.run(begin + _NOTE, *row, *column, session.session, drawn, *noted)
    return bool(written)


def delete(connection: TimedConnection, session_id: str) -> bool:
    """Delete a session; return whether there was one."""
    ((deleted,),) = connection.run(_DELETE, session_id)
    return bool(deleted)


def prune(connection: TimedConnection, ids: list[str], cutoff: int) -> int:
    """Delete those of these sessions that were not updated since the cutoff; their tallies stay, as pruned ones."""
    return sum(pruned for (pruned,) in connection.run(_PRUNE, ids, cutoff))


def uncounted(connection: TimedConnection, limit: int) -> list[tuple[str, int, bytes]]:
    """Return (id, version, record) of sessions that are not counted."""
    return [(row[0], row[1], row[2]) for row in connection.run(_UNCOUNTED, limit)]


def count(connection: TimedConnection, found: Iterable[tuple[str, int, Counted]]) -> int:
    """Count sessions by (id, version, what they count for); return how many were still as they were read."""
    rows = [(session_id, version, one.tally, " ".join(one.keys)) for session_id, version, one in found]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return sum(living for (living,) in connection.run(_COUNT, *columns))
