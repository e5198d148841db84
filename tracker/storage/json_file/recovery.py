"""What is done with a file that is not as it should be: cut, converted or salvaged, and every byte of it kept."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tracker.sessions.legacy import read_record
from tracker.sessions.store import StoreDamagedError
from tracker.storage.json_file import text
from tracker.storage.json_file.file import SessionFile, State, flush_name
from tracker.storage.json_file.rewrite import Rewrite

log = logging.getLogger(__name__)

REPAIR = "Run `flask sessions repair`: it saves every whole session and keeps the damaged file."
SHORTER = (
    "The session file became shorter by another's hand, and sessions are missing. Nothing is written to it. Put it "
    "back as it was, or run `flask sessions repair`: it goes on with what the file still holds."
)
CHANGED = f"The session file was changed by another's hand. {REPAIR}"

Lines: TypeAlias = dict[bytes, bytes]
"""The lines of a file to be written, by their keys."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What `repair` did: sessions that are there now, and where the damaged file was kept (None: it was sound)."""

    sessions: int
    kept_as: str | None


# --- quarantine ---------------------------------------------------------------------------------------------------


def quarantined(path: Path) -> Iterator[Path]:
    """Return every file that holds what was cut or replaced in this one."""
    return (other for kind in ("torn", "original", "damaged") for other in path.parent.glob(f"{path.name}.{kind}-*"))


def _names(path: Path, kind: str) -> Iterator[Path]:
    stamp = time.time_ns() // 1_000_000
    while True:
        yield path.with_name(f"{path.name}.{kind}-{stamp}")
        stamp += 1


def _keep_bytes(path: Path, kind: str, data: bytes) -> Path:
    for name in _names(path, kind):
        with contextlib.suppress(FileExistsError):
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            break
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
        flush_name(path)
    except BaseException:
        name.unlink()
        raise
    finally:
        os.close(fd)
    return name


@contextmanager
def kept_file(path: Path, kind: str) -> Iterator[Path]:
    """Add a second name to the file, which stays when another file takes its first and goes when none does."""
    for name in _names(path, kind):
        with contextlib.suppress(FileExistsError):
            os.link(path, name)
            break
    try:
        flush_name(path)
        yield name
    except BaseException:
        # Tried again and again on a full disk, this would make a name each time.
        with contextlib.suppress(OSError):
            if os.path.samefile(path, name):
                name.unlink()
        raise


# --- what a crash leaves ------------------------------------------------------------------------------------------


def judge(file: SessionFile) -> text.Tail:
    """Judge what stands behind the last line that is known."""
    if not file.begins_well():
        return text.Tail.DAMAGED
    return text.judge(file.rest(), behind_a_line=not file.index.is_empty)


def begin_empty(file: SessionFile) -> bool:
    """Make a file of nothing but white space, made by a person or by a crash of another system, an empty store."""
    size = os.fstat(file.fd).st_size
    if size > 1 << 20 or os.pread(file.fd, size, 0).strip(b" \t\r\n"):
        return False
    os.pwrite(file.fd, text.EMPTY, 0)
    os.ftruncate(file.fd, len(text.EMPTY))
    os.fsync(file.fd)
    return True


def cut_torn_line(path: Path, file: SessionFile) -> None:
    """Cut what stands behind the last whole line; what is more than white space and NUL bytes is kept."""
    rest = file.rest()
    kept = _keep_bytes(path, "torn", rest) if rest.strip(b"\0\t\r\n ,}") else None
    try:
        file.end_here()
    except OSError:
        if kept is not None:
            kept.unlink()
        raise
    if kept is not None:
        log.warning("cut %d bytes of a torn line off the session file; kept in %s", len(rest), kept.name)
    os.fsync(file.fd)


# --- what is written anew -----------------------------------------------------------------------------------------


def converted(data: bytes, modified: int) -> Lines | None:
    """Return the lines for a whole file of another layout, such as the original system's; None where it is none.

    NUL bytes behind it, as a power failure leaves them behind a file that grew, do not make it less whole.
    """
    for spelled in dict.fromkeys((data, data.rstrip(b"\0 \t\r\n"))):
        try:
            # Not orjson: Python's json also reads NaN and halves of surrogate pairs, which it writes.
            whole = json.loads(spelled)
            if isinstance(whole, dict) and all(map(text.is_session, whole.values())):
                sessions = [read_record(session_id, raw, modified) for session_id, raw in whole.items()]
                sessions.sort(key=lambda session: session.updated_at)
                return {text.key_of(one.session): text.line(one.session, one.to_record()) for one in sessions}
        except (ValueError, TypeError, RecursionError):
            continue
    return None


def salvaged(data: bytes) -> Lines:
    """Return the last line of every session that stands whole in a broken file."""
    now = time.time_ns() // 1_000_000
    lines: Lines = {}
    for session_id, record in text.salvage(data):
        key = text.key_of(session_id)
        # Taken out before it is put in, so that the file stays in order of writing.
        line = lines.pop(key, None)
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            line = None if record is None else text.line(session_id, read_record(session_id, record, now).to_record())
        if line is not None:
            lines[key] = line
    return lines


def write(rewrite: Rewrite, lines: Lines) -> None:
    """Write the lines, then open what was written and compare. Raises StoreDamagedError where it differs."""
    for line in lines.values():
        rewrite.add(line)
    rewrite.finish()
    file = SessionFile(rewrite.new)
    file.parses_all = True
    is_whole = file.catch_up(settled=True) is State.WHOLE and file.index.sessions == len(lines)
    places = {key: file.index.find(key) for key in lines}
    if not is_whole or any(place is None or file.read_bytes(*place) != lines[key] for key, place in places.items()):
        raise StoreDamagedError("What was saved of the session file cannot be read back; nothing was changed.")
