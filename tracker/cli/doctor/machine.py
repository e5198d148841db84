"""The machine: its clock, how many files a process may open, its memory and its processors."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tracker.cli.doctor.finding import Finding
from tracker.cli.terminal import counted, when
from tracker.config import Config
from tracker.serving.listening import most_connections

_BEFORE_THE_FIRST_VERSION = 1_760_000_000_000
_LEAST_CONNECTIONS = 400
_WORKER_MB = 80
"""What a worker takes at most, with the model's library loaded, before any session."""
_MASTER_MB = 50
_CGROUP_MEMORY = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")


def look_at_clock(config: Config, now_ms: int) -> Iterator[Finding]:
    """Yield whether the clock is right as far as can be seen, and what time it is in the shop."""
    if now_ms < _BEFORE_THE_FIRST_VERSION:
        yield Finding("clock", "fault", f"The clock stands at {when(now_ms)} (UTC): set it, or all days are wrong.")
        return
    before = _offset()
    time.sleep(0.1)
    if abs(_offset() - before) > 0.05:
        yield Finding("clock", "warning", "The clock is being set while it runs; look at the machine's time service.")
    there = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(config.shop_timezone)
    zone = config.shop_timezone.key
    hint = "; another day begins with SHOP_TIMEZONE, such as Europe/Berlin" if zone == "UTC" else ""
    yield Finding("clock", "ok", f"In the shop it is {there:%H:%M on %Y-%m-%d} ({zone}){hint}.")


def _offset() -> float:
    """Return the clock less the monotonic one; of several readings that in which the least time was lost between."""
    readings = []
    for _ in range(5):
        began = time.monotonic()
        now = time.time()
        readings.append((time.monotonic() - began, now - began))
    return min(readings)[1]


def look_at_limits(workers: int, sessions_bytes: int, root: Path = Path("/")) -> Iterator[Finding]:
    """Yield whether open files, memory and processors suffice for so many workers."""
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = most_connections(open_files)
    told = f"A worker takes {counted(most, 'connection')} at once, because a process may open {open_files} files"
    if most < _LEAST_CONNECTIONS:
        yield Finding(
            "machine", "warning", f"{told}: raise it with `ulimit -n 4096`, or LimitNOFILE=4096 in the systemd unit."
        )
    else:
        yield Finding("machine", "ok", f"{told}.")
    yield from _look_at_memory(workers, sessions_bytes, root)
    processors = _processors(root)
    told = f"{counted(workers, 'worker')} on {processors:g} processor{'' if processors == 1 else 's'}"
    if workers > 2 * processors + 1:
        better = max(1, int(processors))
        yield Finding("machine", "warning", f"{told}, where they wait for each other: set WEB_CONCURRENCY={better}.")
    else:
        yield Finding("machine", "ok", f"{told}.")


def _look_at_memory(workers: int, sessions_bytes: int, root: Path) -> Iterator[Finding]:
    limit = _memory(root)
    if limit is None:
        return
    # The index has about 200 bytes a session in each worker, and a session about 4 KB in the file.
    need = (workers * _WORKER_MB + _MASTER_MB << 20) + workers * sessions_bytes // 20
    needs = "needs" if workers == 1 else "need"
    told = f"{counted(workers, 'worker')} {needs} up to {need >> 20} MB, and there are {limit >> 20} MB"
    if need > limit:
        yield Finding("machine", "warning", f"{told}: fewer workers (WEB_CONCURRENCY), or more memory.")
    else:
        yield Finding("machine", "ok", f"{told}.")


def _memory(root: Path) -> int | None:
    """Return the memory of this container or machine; None where the system does not show it."""
    limits = [int(text) for text in (_text(root / name) for name in _CGROUP_MEMORY) if text.isdigit()]
    machine = re.search(r"^MemTotal: +(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return min([*limits, *([int(machine[1]) << 10] if machine else [])], default=None)


def _processors(root: Path) -> float:
    there = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, _, period = _text(root / "sys/fs/cgroup/cpu.max").partition(" ")
    return min(there, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else there


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
