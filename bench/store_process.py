"""One process with threads that update a store: `python -m bench.store_process json|sqlite PATH SESSIONS SECONDS SEED`.

Says "ready" when it knows the file, begins with the next line it is sent, and ends with a line of JSON.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from bench.sqlite_store import SqliteStore
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Change, StoreBusyError
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


def main() -> None:
    """Do as the module says."""
    kind, path, sessions, seconds, seed = sys.argv[1:]
    store: Updates = JsonFileStore(Path(path)) if kind == "json" else SqliteStore(Path(path))
    store.update("stored-0000000", _changed)
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + float(seconds)
    taken: list[list[tuple[float, float]]] = [[] for _ in range(THREADS)]
    threads = [
        threading.Thread(target=_work, args=(store, int(sessions), until, int(seed) * THREADS + number, mine))
        for number, mine in enumerate(taken)
    ]
    began = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = sorted(took for mine in taken for _, took in mine)
    slow = [(at, took) for mine in taken for at, took in mine if took >= _SLOW_S]
    result = {
        "updates": len(every),
        "cpu_s": time.process_time() - began,
        "p50_ms": every[len(every) // 2] * 1000,
        "p99_ms": every[len(every) * 99 // 100] * 1000,
        "slow": slow,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
