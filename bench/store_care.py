"""What the owner does with the store, and what one update asks of the system."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from bench import bodies
from bench.measure import Promise, Sample, Section, Spread, interleave, say
from bench.serving import Plan
from bench.storing import Processes
from testing.children import in_a_child
from tracker.sessions.model import ShopperSession
from tracker.storage.json_file import JsonFileStore

ROOT = Path(__file__).parents[1]
_TIMES = 40


def _median_ms(work: Callable[[int], object]) -> float:
    took = []
    for number in range(_TIMES):
        began = time.perf_counter()
        work(number)
        took.append((time.perf_counter() - began) * 1000)
    return Spread.of(took).median


def _again(stored: ShopperSession | None) -> ShopperSession:
    return bodies.session("stored-0000000", 8)


def _owner(plan: Plan, sessions: int, loaded: bool) -> Sample:
    folder = plan.new_folder("owner")
    path = folder / "sessions.json"
    bodies.write_file(path, sessions)
    store = JsonFileStore(path)
    load = Processes("json", path, sessions // 2, 3) if loaded else None
    store.get("nobody-here")
    if load:
        load.begin()
    sample = {
        "page_ms": _median_ms(lambda _: list(islice(store.iterate(), 50))),
        "update_ms": _median_ms(lambda number: store.update(f"stored-{sessions - 1 - number:07d}", _again)),
        "delete_ms": _median_ms(lambda number: store.delete(f"stored-{sessions - 50 - number:07d}")),
    }
    if load:
        load.results()
    store.close()
    shutil.rmtree(folder)
    return sample


def owner(plan: Plan, sessions: int) -> Section:
    """Compare a deletion with an update, and a page of a long list with one of a short list."""
    section = Section(
        "The owner's list and deletions",
        f"Medians of {_TIMES} calls of the store: a page of 50, an update, a deletion; alone, and beside two processes "
        "of four threads that update.",
        ("sessions", "a page of 50, ms", "an update, ms", "a deletion, ms", "deletion / update"),
    )
    few, many, load = "200", f"{sessions:,}", f"{sessions:,}, under load"
    cases = {
        few: partial(_owner, plan, 200, False),
        many: partial(_owner, plan, sessions, False),
        load: partial(_owner, plan, sessions, True),
    }
    rounds = interleave(cases, plan.rounds, "the owner's calls")
    for name in cases:
        page, update, delete = (rounds.spread(name, one) for one in ("page_ms", "update_ms", "delete_ms"))
        times = f"{delete.median / update.median:.2f}"
        section.add(name, page.show(2), update.show(2), delete.show(2), times, page_ms=page, delete_ms=delete)
    ratios = [rounds.spread(one, "delete_ms").median / rounds.spread(one, "update_ms").median for one in (many, load)]
    deletions = Spread.of(ratios)
    section.promises += [
        Promise(f"a deletion at {sessions:,} sessions, as a multiple of an update", 3, deletions, at_most=True),
        Promise(
            f"a page at {sessions:,}, as a multiple of one at 200", 2, rounds.ratio(many, few, "page_ms"), at_most=True
        ),
    ]
    return section


def system(plan: Plan, sessions: int) -> Section:
    """Count what an update asks of the system, with few and with many open sessions."""
    section = Section(
        "What an update asks of the system",
        "Two processes of four threads. System calls are counted by strace in a run of their own, less those of a "
        "process that only starts.",
        ("open sessions", "updates a second", "bytes written", "context switches", "system calls"),
    )
    for count in (100, sessions):
        path = plan.new_folder(f"system-{count}") / "sessions.json"
        bodies.write_file(path, count)
        rates, written, switches = [], [], []
        for number in range(plan.rounds):
            say(f"what an update asks: {count:,} sessions, round {number + 1}")
            load = Processes("json", path, count, plan.load.seconds)
            load.begin()
            results = load.results()
            updates = sum(one["updates"] for one in results)
            rates.append(updates / plan.load.seconds)
            written.append(sum(one["bytes"] for one in results) / updates)
            switches.append(sum(one["switches"] for one in results) / updates)
        rate, size, turns = Spread.of(rates), Spread.of(written), Spread.of(switches)
        calls = _system_calls(path, count)
        section.add(f"{count:,}", rate.show(), size.show(), turns.show(2), calls, rate=rate, bytes=size, switches=turns)
        shutil.rmtree(path.parent)
    return section


def _system_calls(path: Path, sessions: int) -> str:
    if shutil.which("strace") is None:
        return "strace is missing"
    counted = []
    for seconds in (0, 1):
        log = path.with_name("strace")
        command = ["strace", "-f", "-c", "-o", str(log), sys.executable, "-m", "bench.store_process", "json", str(path)]
        done = subprocess.run(  # noqa: S603  a command of our own
            [*command, str(sessions), str(seconds), "1"],
            cwd=ROOT,
            input="go\n",
            capture_output=True,
            text=True,
            check=True,
        )
        total = log.read_text().splitlines()[-1].split()
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        counted.append((int(total[3]), result["updates"]))
    return f"{(counted[1][0] - counted[0][0]) / max(1, counted[1][1] - counted[0][1]):.1f}"


def takeover(plan: Plan, sessions: int) -> Section:
    """Measure what a compaction costs a process that began without a file; and what an import takes."""
    section = Section(
        "Taking over, and an import",
        f"A process opens its store where there is no file. Another one imports {sessions:,} sessions of 1 KB, one "
        "after the other, and then compacts. The first process's next read after each, in ms of its own CPU.",
        ("", "ms or a second"),
    )
    learned, moved, imported = [], [], []
    for number in range(plan.rounds):
        say(f"taking over: round {number + 1} of {plan.rounds}")
        path = plan.new_folder(f"takeover-{number}") / "sessions.json"
        store = JsonFileStore(path)
        store.get("nobody-here")
        began = time.perf_counter()
        _in_another_process(lambda path=path: _import(path, sessions))  # type: ignore[misc]
        imported.append(sessions / (time.perf_counter() - began))
        learned.append(_cpu_ms(store))
        _in_another_process(lambda path=path: JsonFileStore(path).compact())  # type: ignore[misc]
        moved.append(_cpu_ms(store))
        store.close()
        shutil.rmtree(path.parent)
    section.add("sessions imported a second", Spread.of(imported).show(), rate=Spread.of(imported))
    section.add("CPU to learn all of them", Spread.of(learned).show(), ms=Spread.of(learned))
    section.add("CPU to take the compacted file over", Spread.of(moved).show(1), ms=Spread.of(moved))
    return section


def _cpu_ms(store: JsonFileStore) -> float:
    began = time.process_time()
    store.get("nobody-here")
    return (time.process_time() - began) * 1000


def _import(path: Path, sessions: int) -> None:
    store = JsonFileStore(path)
    for session_id, session in bodies.stored_sessions(sessions, 1_000):
        store.update(session_id, lambda _stored, session=session: session)  # type: ignore[misc]
    store.close()


def _in_another_process(work: Callable[[], object]) -> None:
    os.waitpid(in_a_child(work), 0)
