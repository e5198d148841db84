"""The session file: its folder, its disk, its lock, and whether it takes a write."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tracker.cli.doctor.finding import Finding
from tracker.cli.terminal import counted, when
from tracker.config import Config
from tracker.durable.disk import network_of, why_it_goes
from tracker.sessions.store import SessionStore, StoreError
from tracker.storage import open_store

ABOUT = "sessions"

_LEAST_FREE = 64 << 20
_SPARE_FREE = 512 << 20
"""Besides a second copy of the file."""
_CLOCK_SLACK_MS = 120_000


def look_at_file(config: Config, now_ms: int) -> Iterator[Finding]:
    """Yield what is found of the session file. Nothing of it is changed, and none is made."""
    file = config.storage_file.absolute()
    folder = file.parent
    if not os.path.isdir(folder):  # noqa: PTH112  Path.is_dir raises where this user may not look
        yield Finding(ABOUT, "fault", f"The folder of {file} does not exist: make it, or change TRACKER_STORAGE_FILE.")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            ABOUT, "fault", f"This user may not write in {folder}: run the service as its owner, or change the owner."
        )
        return
    yield from _look_at_disk(file)
    lock = _try_lock(folder)
    yield lock
    if lock.kind != "fault":
        yield from _look_at_sessions(file, config, now_ms)


def _look_at_disk(file: Path) -> Iterator[Finding]:
    folder = file.parent
    if why := why_it_goes(folder):
        yield Finding(
            ABOUT,
            "warning",
            f"The session file lies on {why}: all sessions are lost then. Attach a disk that stays, and set"
            " TRACKER_STORAGE_FILE to a file on it.",
        )
    if kind := network_of(folder):
        yield Finding(
            ABOUT,
            "warning",
            f"The session file lies on a file system of another machine ({kind}), where locks and flushes may not hold:"
            " put it on a disk of this machine, or use a database (DATABASE_URL).",
        )
    yield look_at_room(folder, shutil.disk_usage(folder).free, size_of(file))


def look_at_room(folder: Path, free: int, stored: int) -> Finding:
    """Return whether so many free bytes suffice for a file of this size, of which a second copy is made at times."""
    told = f"{_megabytes(free)} are free on the disk of {folder}"
    if free < _LEAST_FREE:
        return Finding(ABOUT, "fault", f"Only {told}: free some space, or no visit can be stored soon.")
    if free < stored + _SPARE_FREE:
        return Finding(ABOUT, "warning", f"Only {told}, and the file is written anew now and then: free some space.")
    return Finding(ABOUT, "ok", f"{told}.")


def _try_lock(folder: Path) -> Finding:
    """Take a lock on a new file as two processes would: the second must not get it."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as first:
            first.write(b"a flush")
            first.flush()
            os.fsync(first.fileno())
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with Path(first.name).open("rb") as second:
                try:
                    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return Finding(ABOUT, "ok", "Writing, flushing and locking work there.")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return Finding(ABOUT, "fault", f"A file cannot be written and locked in {folder} ({why}): use another disk.")
    return Finding(ABOUT, "fault", f"Locks do not hold in {folder}: put the session file on a local disk.")


def _look_at_sessions(file: Path, config: Config, now_ms: int) -> Iterator[Finding]:
    if not file.exists():
        yield Finding(ABOUT, "ok", f"No session is stored yet; the first visit makes {file}.")
        return
    owner = file.stat().st_uid
    if owner != os.geteuid():
        yield Finding(
            ABOUT,
            "warning" if os.geteuid() == 0 else "fault",
            f"{file} belongs to {_name_of(owner)}, and this is {_name_of(os.geteuid())}: run the doctor and the service"
            f" as {_name_of(owner)}.",
        )
        return
    store = open_store(config.storage_url)
    try:
        yield from look_at_store(store, now_ms)
    finally:
        store.close()


def look_at_store(store: SessionStore, now_ms: int) -> Iterator[Finding]:
    """Yield whether a store takes a write, how much it holds, and whether the clock agrees with it."""
    check = store.check()
    if check.problem is not None:
        yield Finding(ABOUT, "fault", check.problem)
        return
    yield Finding(ABOUT, "ok", f"{counted(check.sessions, 'session')}, {_megabytes(check.size_bytes)}; takes a write.")
    try:
        newest = next(iter(store.iterate()), None)
    except StoreError as error:
        yield Finding(ABOUT, "fault", str(error))
        return
    if newest is not None and newest.updated_at > now_ms + _CLOCK_SLACK_MS:
        yield Finding(
            "clock",
            "fault",
            f"The clock stands at {when(now_ms)}, before the newest visit ({when(newest.updated_at)}, UTC): set it, for"
            " example with `timedatectl set-ntp true`.",
        )


def size_of(file: Path) -> int:
    """Return the size of a file; 0 where there is none, or where this user may not look."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
