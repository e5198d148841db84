"""Processes that write to one session file and are killed at random moments, and the count of what they were promised.

In a process of its own, small and with the store imported, because a test run that forks would fork all of itself:
`python -m testing.faults.killed_writers --rounds 100 FOLDER` prints a `Tally` as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from testing.children import in_a_child
from testing.shoppers import adds, beside, names
from tracker.sessions.store import StoreBusyError, StoreError
from tracker.storage.json_file import JsonFileStore

WRITERS = 4
COMPACT_FROM = (1 << 20, 3_000, 20_000)
"""From how many dead bytes the rounds rewrite the file: never, all the time, now and then."""


@dataclass
class Tally:
    rounds: int = 0
    kills: int = 0
    acknowledged: int = 0
    compactions: int = 0
    torn_tails: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """What went wrong when the file was opened again, by round."""
    unwilling: list[str] = field(default_factory=list)
    """Errors that a writer was given."""
    left_over: list[str] = field(default_factory=list)


def write_for_ever(path: Path, acknowledgements: Path, name: str, compact_from: int, sessions: list[str]) -> None:
    """Add events to the sessions in turn; note each one after the store said that it is kept."""
    store = JsonFileStore(path, compact_from=compact_from)
    noted = os.open(acknowledgements, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = 0
    while True:
        session_id = sessions[number % len(sessions)]
        try:
            store.update(session_id, adds(session_id, f"{name}.{number}", number))
        except StoreBusyError:
            continue
        except StoreError as error:
            os.write(noted, f"! {type(error).__name__} {error}\n".encode())
            return
        os.write(noted, f"{session_id} {name}.{number}\n".encode())
        number += 1


def one_round(folder: Path, number: int, chance: Random, tally: Tally) -> None:
    """Four writers; some or all die, the rest write on, then they die too; the file must hold what was promised."""
    path, acknowledgements = folder / "sessions.json", folder / f"acknowledged-{number}"
    compact_from = COMPACT_FROM[number % len(COMPACT_FROM)]
    sessions = [f"session-{number}-{index}" for index in range(3)]
    inode = path.stat().st_ino if path.exists() else 0
    writers = [
        in_a_child(partial(write_for_ever, path, acknowledgements, f"{number}.{writer}", compact_from, sessions))
        for writer in range(WRITERS)
    ]
    first_to_die = chance.randint(1, WRITERS)
    for wave in (writers[:first_to_die], writers[first_to_die:]):
        time.sleep(chance.uniform(0.005, 0.2))
        for pid in wave:
            os.kill(pid, signal.SIGKILL)
            tally.kills += 1
    for pid in writers:
        os.waitpid(pid, 0)
    tally.rounds += 1
    if path.exists() and path.stat().st_ino != inode:
        tally.compactions += 1
    count(path, acknowledgements, sessions, tally)


def count(path: Path, acknowledgements: Path, sessions: list[str], tally: Tally) -> None:
    """Compare what was promised in this round with what is there."""
    promised: dict[str, set[str]] = {session_id: set() for session_id in sessions}
    for line in acknowledgements.read_text().splitlines() if acknowledgements.exists() else ():
        session_id, _, event = line.partition(" ")
        if session_id == "!":
            tally.unwilling.append(event)
        else:
            promised[session_id].add(event)
            tally.acknowledged += 1
    store = JsonFileStore(path)
    try:
        found = {session_id: names(store.get(session_id)) for session_id in sessions}
        plain = json.loads(path.read_bytes())
        # What a rewrite left is removed by the first who could write, as every service does when asked for its health.
        if problem := store.check().problem:
            tally.unreadable.append(problem)
        for session_id in sessions:
            told = Counter(e["name"] for page in plain.get(session_id, {}).get("events", {}).values() for e in page)
            if told != found[session_id]:
                tally.unreadable.append(f"{session_id}: json.load and the store differ")
    except (StoreError, ValueError) as error:
        tally.unreadable.append(repr(error))
        return
    finally:
        store.close()
    for session_id, events in promised.items():
        tally.lost += sorted(events - found[session_id].keys())
        tally.doubled += sorted(event for event, times in found[session_id].items() if times > 1)
    tally.left_over += sorted(name for name in beside(path) if name.endswith(".new"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    chance, tally = Random(asked.seed), Tally()
    for number in range(asked.rounds):
        one_round(asked.folder, number, chance, tally)
    tally.torn_tails = sum(".torn-" in name for name in beside(asked.folder / "sessions.json"))
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    main()
