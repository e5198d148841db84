"""Reading the files that `flask sessions import` takes: an export, a session file, or one of the original system.

Every record goes through `read_record`, which brings it into the form that the rest of the service relies on. Nothing
is lost silently: a session whose id no other part of the service accepts is left out and named, and so is every value
that cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tracker.cli.terminal import RefusedError
from tracker.sessions.legacy import RecordError, read_record
from tracker.sessions.model import ShopperSession, is_session_id

_BOM = b"\xef\xbb\xbf"
_LONGEST_SHOWN = 80
"""Characters of an id or a place that a message quotes."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """The sessions of a file, and one line of text for each session left out and for each value that is unreadable."""

    sessions: list[ShopperSession]
    left_out: list[str]
    unread: list[str]


def read_sessions(data: bytes, name: str, fallback: int, now: int) -> FileContent:
    """Return the file's content, the session updated longest ago first.

    `fallback` (ms) is the time of update of a record that holds no time at all; `now` is the service's clock (ms), by
    which the file's clocks are bounded. Raises RefusedError, naming the line or session, if the file cannot be read.
    """
    content = FileContent([], [], [])
    for place, session_id, record in _records(data.removeprefix(_BOM), name):
        if not isinstance(record, dict):
            raise RefusedError(f"{name}, {place}: no session; nothing was imported.")
        if not isinstance(session_id, str):
            raise RefusedError(f"{name}, {place}: `session` is no text; nothing was imported.")
        if not is_session_id(session_id):
            shown = json.dumps(session_id[:_LONGEST_SHOWN], ensure_ascii=False)
            rule = "an id is 8 to 64 letters, digits, dots, dashes or underscores"
            content.left_out.append(f"{name}, {place}: {shown} is left out, for {rule}")
            continue
        unread: list[str] = []
        try:
            session = read_record(session_id, record, fallback, unread.append)
        except RecordError as fault:
            raise RefusedError(f"{name}, {place}: {fault}; nothing was imported.") from None
        content.sessions.append(session.bounded(now))
        content.unread.extend(
            f"{name}, {place}: {where[:_LONGEST_SHOWN]} cannot be read and counts as 0 or empty" for where in unread
        )
    content.sessions.sort(key=lambda session: session.updated_at)
    return content


def _records(data: bytes, name: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield (place in the file, session id, record)."""
    fault_line = 1
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        whole, fault_line = None, error.lineno
    if isinstance(whole, dict) and not isinstance(whole.get("session"), str):
        # null marks a deleted session in a session file.
        yield from ((f"session {key[:_LONGEST_SHOWN]}", key, one) for key, one in whole.items() if one is not None)
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
            # A single document over many lines is broken at the line where reading it as a whole stopped.
            at = fault_line if line.strip() in {b"{", b"["} else number
            raise RefusedError(
                f"{name}, line {at}: not JSON: give a file of `flask sessions export` or of the original system;"
                " nothing was imported."
            ) from None
        yield f"line {number}", record.get("session") if isinstance(record, dict) else None, record
