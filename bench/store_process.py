"""One process with threads that update a store.

`python -m bench.store_process json|sqlite|postgres PATH SESSIONS SECONDS SEED [COMPACT_AFTER]`; of a database PATH is
the address. It prints "ready" when it knows the file, begins with the next line that it is sent, and ends with a line
of JSON. With COMPACT_AFTER it compacts the file itself after so many seconds, beside its own writers.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from bench.peers.sqlite_store import SqliteStore
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Change, StoreBusyError
from tracker.storage import open_store
from tracker.storage.json_file import JsonFileStore

THREADS = 4
_SLOW_S = 0.005


class Updates(Protocol):
    """What both stores can do."""

    def update(self, session_id: str, change: Change) -> ShopperSession:
        """Read, change and write one session, lastingly."""


def _changed(stored: ShopperSession | None) -> ShopperSession:
    assert stored is not None, "every session is there from the start"
    return replace(stored, items_in_cart=stored.items_in_cart + 1, updated_at=stored.updated_at + 1)


def _work(store: Updates, sessions: int, until: float, seed: int, taken: list[tuple[float, float]]) -> None:
    chance = random.Random(seed)  # the same sessions for either store
    now = time.monotonic()
    while time.monotonic() < until:
        try:
            store.update(f"stored-{chance.randrange(sessions):07d}", _changed)
        except StoreBusyError:
            continue  # as a browser does; the time counts
        before, now = now, time.monotonic()
        taken.append((now, now - before))


def _spent() -> tuple[float, int, int]:
    """Return (CPU seconds, bytes written, context switches) of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    io = Path("/proc/self/io")
    written = int(io.read_text("ascii").split("wchar: ")[1].split()[0]) if io.exists() else 0
    return time.process_time(), written, used.ru_nvcsw + used.ru_nivcsw


def main() -> None:
    """Do as the module describes."""
    kind, path, sessions, seconds, seed, *compact_after = sys.argv[1:]
    file = JsonFileStore(Path(path)) if kind == "json" else None
    store: Updates = file or (open_store(path) if kind == "postgres" else SqliteStore(Path(path)))
    store.update("stored-0000000", _changed)
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + float(seconds)
    taken: list[list[tuple[float, float]]] = [[] for _ in range(THREADS)]
    threads = [
        threading.Thread(target=_work, args=(store, int(sessions), until, int(seed) * THREADS + number, mine))
        for number, mine in enumerate(taken)
    ]
    before = _spent()
    for thread in threads:
        thread.start()
    span = None
    if compact_after and file:
        time.sleep(float(compact_after[0]))
        span = [time.monotonic()]
        file.compact()
        span.append(time.monotonic())
    for thread in threads:
        thread.join()
    cpu_s, written, switches = (now - then for now, then in zip(_spent(), before, strict=True))
    every = sorted(took for mine in taken for _, took in mine)
    slow = [(at, took) for mine in taken for at, took in mine if took >= _SLOW_S]
    result = {
        "updates": len(every),
        "cpu_s": cpu_s,
        "bytes": written,
        "switches": switches,
        "p50_ms": every[len(every) // 2] * 1000 if every else 0,
        "p99_ms": every[len(every) * 99 // 100] * 1000 if every else 0,
        "slow": slow,
        "compacted": span,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
