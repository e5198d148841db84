"""A session's record as its row holds it: compressed JSON, a third of what would go through the server's log."""

from __future__ import annotations

import zlib

import orjson

from tracker.sessions.model import ShopperSession
from tracker.sessions.store import StoreDamagedError


def packed(session: ShopperSession) -> bytes:
    """Return the session's record, compressed."""
    return zlib.compress(orjson.dumps(session.to_record()), 1)


def unpacked(record: bytes) -> ShopperSession:
    """Return the session of a compressed record. Raises StoreDamagedError."""
    try:
        return ShopperSession.from_record(orjson.loads(zlib.decompress(record)))
    except (zlib.error, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreDamagedError("A session in the database cannot be read; delete it, or restore it.") from error
