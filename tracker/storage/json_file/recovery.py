"""What is done when the session file is not as it should be: cut, converted, saved, and always set aside first."""

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

from tracker.sessions.legacy import read_record
from tracker.sessions.store import StoreDamagedError
from tracker.storage.json_file import text
from tracker.storage.json_file.generation import Generation
from tracker.storage.json_file.rewrite import Rewrite, sync_folder

log = logging.getLogger(__name__)

REPAIR = "Run `flask sessions repair`: it saves every whole session and keeps the damaged file."


@dataclass(frozen=True, slots=True)
class Repaired:
    """What `repair` did: sessions that are there now, and where the damaged file was kept (None: it was sound)."""

    sessions: int
    kept_as: str | None


def set_aside(path: Path) -> Iterator[Path]:
    """Give every file that was set aside for this one."""
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
        sync_folder(path)
    except BaseException:
        name.unlink()
        raise
    finally:
        os.close(fd)
    return name


@contextmanager
def _kept_file(path: Path, kind: str) -> Iterator[Path]:
    """Give the file a second name, which stays when another file takes its first and goes when none does."""
    for name in _names(path, kind):
        with contextlib.suppress(FileExistsError):
            os.link(path, name)
            break
    try:
        sync_folder(path)
        yield name
    except BaseException:
        # Tried again and again on a full disk, this would make a name each time.
        with contextlib.suppress(OSError):
            if os.path.samefile(path, name):
                name.unlink()
        raise


def create(path: Path) -> None:
    """Make an empty session file."""
    with Rewrite(path) as rewrite:
        os.close(rewrite.publish())


def judge(generation: Generation) -> tuple[text.Tail, bytes]:
    """Judge what stands behind the last whole line; give it, too."""
    size = os.fstat(generation.fd).st_size
    rest = os.pread(generation.fd, size - generation.end, generation.end)
    if os.pread(generation.fd, len(text.HEAD), 0) != text.HEAD:
        return text.Tail.DAMAGED, rest
    return text.judge(rest), rest


def mend(path: Path, generation: Generation) -> bool:
    """Set right what a crash can leave behind the last whole line, under the lock.

    Returns False when the file was written anew, so that it has to be opened again. Raises StoreDamagedError, having
    changed nothing, where it was no crash.
    """
    size = os.fstat(generation.fd).st_size
    if size == 0:
        # Made by a hand, or by a crash while another system created it.
        os.pwrite(generation.fd, text.EMPTY, 0)
        os.fsync(generation.fd)
        return True
    tail, rest = judge(generation)
    if tail is text.Tail.TORN:
        _cut(path, generation, rest)
        return True
    data = os.pread(generation.fd, size, 0)
    if tail is text.Tail.HOLES:
        with _kept_file(path, "torn") as kept:
            _write_all(path, data)
        log.warning(
            "a power failure left holes in the session file; whole lines kept, the file set aside: %s", kept.name
        )
        return False
    if generation.lines == 0 and _convert(path, data, os.fstat(generation.fd).st_mtime_ns // 1_000_000):
        return False
    raise StoreDamagedError(f"The session file is damaged at line {generation.lines + 2}. {REPAIR}")


def _cut(path: Path, generation: Generation, rest: bytes) -> None:
    kept = _keep_bytes(path, "torn", rest) if rest.strip(b"\0\t\r\n ,}") else None
    try:
        # In this order the last whole line is never without its foot.
        os.pwrite(generation.fd, text.FOOT, generation.end)
        os.ftruncate(generation.fd, generation.size)
    except OSError:
        if kept is not None:
            kept.unlink()
        raise
    if kept is not None:
        log.warning("cut %d bytes of a torn line off the session file; kept in %s", len(rest), kept.name)
    os.fsync(generation.fd)


def _convert(path: Path, data: bytes, modified: int) -> bool:
    """Rewrite a file of another layout, such as the original system's; False where it is none."""
    try:
        # Not orjson, for Python's json writes halves of surrogate pairs and NaN, and so takes them.
        whole = json.loads(data)
        if not isinstance(whole, dict) or not all(map(text.is_session, whole.values())):
            return False
        sessions = [read_record(session_id, raw, modified) for session_id, raw in whole.items()]
        lines = [
            text.line(session.session, session.to_record())
            for session in sorted(sessions, key=lambda session: session.updated_at)
        ]
    except (ValueError, TypeError, RecursionError):
        return False
    with _kept_file(path, "original") as kept, Rewrite(path) as rewrite:
        for line in lines:
            rewrite.add(line)
        os.close(rewrite.publish())
    log.warning("converted the session file (%d sessions); the original is kept as %s", len(sessions), kept.name)
    return True


def _write_all(path: Path, data: bytes) -> int:
    """Write anew every session that stands whole in the data."""
    now = time.time_ns() // 1_000_000
    saved: dict[str, bytes] = {}
    for session_id, record in text.salvage(data):
        # Taken out before it is put in, so that the file stays in order of writing.
        line = saved.pop(session_id, None)
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            line = None if record is None else text.line(session_id, read_record(session_id, record, now).to_record())
        if line is not None:
            saved[session_id] = line
    with Rewrite(path) as rewrite:
        for line in saved.values():
            rewrite.add(line)
        os.close(rewrite.publish())
    return len(saved)


def repair(path: Path) -> Repaired:
    """Save every whole session of a damaged file, under the lock; the damaged file is kept under another name."""
    data = path.read_bytes()
    with _kept_file(path, "damaged") as kept:
        return Repaired(_write_all(path, data), kept.name)
