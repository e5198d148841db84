"""What `flask sessions import` can read: an export, a session file of ours, or one of the original system.

Files come from anywhere, so every record goes through `read_record`, which brings it into the form that the rest of the
service relies on. A line that cannot be read is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tracker.cli.terminal import RefusedError
from tracker.sessions.legacy import RecordError, read_record
from tracker.sessions.model import ShopperSession, clean

_LONGEST_ID = 256
_BOM = b"\xef\xbb\xbf"


def read_sessions(data: bytes, name: str, fallback: int) -> list[ShopperSession]:
    """Read the file's sessions, the one updated longest ago first.

    `fallback` (ms) is taken for records that name no time at all. Raises RefusedError naming the line or the session
    that is at fault.
    """
    sessions = []
    for place, session_id, record in _records(data.removeprefix(_BOM), name):
        try:
            sessions.append(_session(session_id, record, fallback))
        except RecordError as fault:
            raise RefusedError(f"{name}, {place}: {fault}; nothing was imported.") from None
    return sorted(sessions, key=lambda session: session.updated_at)


def _records(data: bytes, name: str) -> Iterator[tuple[str, Any, Any]]:
    """Give (where it stands, session id, record)."""
    fault_line = 1
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        whole, fault_line = None, error.lineno
    if isinstance(whole, dict) and not isinstance(whole.get("session"), str):
        # null marks a deleted session in a file of ours.
        yield from ((f"session {key[:_LONGEST_ID]}", key, one) for key, one in whole.items() if one is not None)
    elif isinstance(whole, dict):
        yield "line 1", whole["session"], whole
    else:
        yield from _lines(data, name, fault_line)


def _lines(data: bytes, name: str, fault_line: int) -> Iterator[tuple[str, Any, Any]]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            # One document over many lines is broken where its own reading stopped.
            at = fault_line if line.strip() in {b"{", b"["} else number
            raise RefusedError(f"{name}, line {at}: not JSON; nothing was imported.") from None
        yield f"line {number}", record.get("session") if isinstance(record, dict) else None, record


def _session(session_id: Any, record: Any, fallback: int) -> ShopperSession:
    if not isinstance(record, dict):
        raise RecordError("no session")
    if not isinstance(session_id, str) or not 0 < len(session_id) <= _LONGEST_ID or clean(session_id) != session_id:
        raise RecordError(f"`session` is no text of 1 to {_LONGEST_ID} characters")
    return read_record(session_id, record, fallback)
