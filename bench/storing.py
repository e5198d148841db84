"""The store without a web server around it: beside SQLite, at its start, in its memory, and while it is compacted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from bench import bodies
from bench.measure import Promise, Sample, Section, Spread, interleave, say
from bench.peers.sqlite_store import SqliteStore
from bench.serving import Plan
from bench.store_process import THREADS
from testing.gunicorn_server import GunicornServer
from tracker.sessions.merge import merge
from tracker.sessions.model import Report, ShopperSession
from tracker.storage.json_file import JsonFileStore

PROCESSES = 2


class Processes:
    """Processes that update one store, from `begin` on for some seconds."""

    def __init__(
        self, kind: str, path: Path | str, sessions: int, seconds: float, *, compact_after: float | None = None
    ) -> None:
        """`compact_after`: the first of them compacts the file itself after so many seconds."""
        command = [sys.executable, "-m", "bench.store_process", kind, str(path), str(sessions), str(seconds)]
        root = Path(__file__).parents[1]
        self._processes = [
            subprocess.Popen(  # noqa: S603  a command of our own
                [*command, str(seed), *([str(compact_after)] if compact_after and not seed else [])],
                cwd=root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for seed in range(PROCESSES)
        ]
        self._seconds = seconds
        for process in self._processes:
            assert process.stdout
            process.stdout.readline()

    def begin(self) -> None:
        for process in self._processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()

    def results(self) -> list[dict[str, Any]]:
        """Wait for the end and give what each said."""
        return [json.loads(process.communicate()[0]) for process in self._processes]

    def sample(self) -> Sample:
        self.begin()
        every = self.results()
        updates = sum(one["updates"] for one in every)
        return {
            "rate": updates / self._seconds,
            "cpu_us": sum(one["cpu_s"] for one in every) / updates * 1e6,
            "p50_ms": max(one["p50_ms"] for one in every),
            "p99_ms": max(one["p99_ms"] for one in every),
        }


SQLITE_SIZES = {1_000: 1.5, 15_000: 1.0}
"""How many times its updates are asked of the session file, by the bytes of a record."""


def beside_sqlite(plan: Plan, sessions: int, sizes: Iterable[int] = SQLITE_SIZES) -> Section:
    """Compare durable updates of stored sessions with SQLite's."""
    section = Section(
        "The store beside SQLite",
        f"{PROCESSES} processes of {THREADS} threads update random ones of {sessions:,} sessions: read, change, write, "
        "on the disk before the next. SQLite in WAL mode, synchronous=FULL, the same records, the same JSON library.",
        ("", "updates a second", "CPU, µs an update", "p50 ms", "p99 ms"),
    )
    for size in sizes:
        kept = f"{size // 1000} KB"
        say(f"filling two stores with {sessions:,} sessions of {kept}")
        folder = plan.new_folder(f"beside-sqlite-{size}")
        bodies.write_file(folder / "sessions.json", sessions, size)
        SqliteStore(folder / "sessions.db").fill(bodies.stored_sessions(sessions, size))
        names = (f"the session file, {kept}", f"SQLite, {kept}")
        seconds = plan.load.seconds
        cases = {
            names[0]: lambda: Processes("json", folder / "sessions.json", sessions, seconds).sample(),
            names[1]: lambda: Processes("sqlite", folder / "sessions.db", sessions, seconds).sample(),
        }
        rounds = interleave(cases, plan.rounds, "beside SQLite")
        for name in names:
            rate, cpu, p50, p99 = (rounds.spread(name, figure) for figure in ("rate", "cpu_us", "p50_ms", "p99_ms"))
            section.add(name, rate.show(), cpu.show(), p50.show(2), p99.show(2), rate=rate, cpu_us=cpu, p99_ms=p99)
        section.promises.append(
            Promise(f"times SQLite's updates, {kept}", SQLITE_SIZES[size], rounds.ratio(*names, "rate"))
        )
        shutil.rmtree(folder)
    return section


def start(plan: Plan, sessions: int) -> Section:
    """Measure what a large file costs at the start and in memory."""
    section = Section(
        "Start and memory",
        f"A file of {sessions:,} sessions of 1 KB. Opening knows all lines but the last 32 MB by their beginnings; "
        "memory is what the index adds to a process, as Python counts it.",
        ("", "seconds", "bytes a session"),
    )
    path = plan.new_folder("start") / "sessions.json"
    bodies.write_file(path, sessions)
    opened, memory, served = [], [], []
    for number in range(plan.rounds):
        say(f"start: round {number + 1} of {plan.rounds}")
        store = JsonFileStore(path)
        began = time.perf_counter()
        store.get("nobody-here")
        opened.append(time.perf_counter() - began)
        store.close()
        tracemalloc.start()
        store = JsonFileStore(path)
        store.get("nobody-here")
        memory.append(tracemalloc.get_traced_memory()[0] / sessions)
        tracemalloc.stop()
        store.close()
        folder = plan.new_folder(f"start-{number}")
        shutil.copy(path, folder / "sessions.json")
        began = time.perf_counter()
        with GunicornServer(folder):
            served.append(time.perf_counter() - began)
        shutil.rmtree(folder)
    index, held, up = Spread.of(opened), Spread.of(memory), Spread.of(served)
    section.add("opening the file (the index rebuilt)", index.show(2), "", seconds=index)
    section.add("the index in memory", "", held.show(), bytes=held)
    section.add("from the command to the first /health of two workers", up.show(2), "", seconds=up)
    section.promises += [
        Promise(f"index rebuilt at {sessions:,} sessions", 1.0, index, "s", at_most=True),
        Promise("memory a session and worker", 100, held, "bytes", at_most=True),
    ]
    return section


def compaction(plan: Plan, sessions: int) -> Section:
    """Measure how long a writer waits at the worst while the file is compacted."""
    section = Section(
        "Compaction under load",
        f"{PROCESSES} processes of {THREADS} threads update {sessions:,} sessions of 1 KB, and the file is compacted: "
        "by a third process, or by one of the two beside its own writers. The longest wait of any writer, in the 2 s "
        "before and while they have the new file to take over.",
        ("compacted by", "longest wait before, ms", "meanwhile, ms", "times as long", "seconds"),
    )
    cases = {who: partial(_compacted, plan, sessions, who == "own") for who in ("another", "own")}
    rounds = interleave(cases, plan.rounds, "compaction")
    for who, name in (("another", "another process"), ("own", "a writer's own process")):
        calm, worst, ratio, took = (rounds.spread(who, one) for one in ("calm_ms", "worst_ms", "ratio", "seconds"))
        section.add(name, calm.show(), worst.show(), ratio.show(1), took.show(2), ms=worst, ratio=ratio)
        what = f"worst wait while {name} compacts {sessions:,} sessions, as a multiple of the calm worst"
        section.promises.append(Promise(what, 3, ratio, at_most=True))
    return section


def _compacted(plan: Plan, sessions: int, own: bool) -> Sample:
    folder = plan.new_folder("compaction")
    path = folder / "sessions.json"
    bodies.write_file(path, sessions)
    writers = Processes("json", path, sessions, 6, compact_after=2 if own else None)
    store = JsonFileStore(path)
    store.get("nobody-here")
    writers.begin()
    span = []
    if not own:
        time.sleep(2)
        span = [time.monotonic()]
        store.compact()
        span.append(time.monotonic())
    store.close()
    results = writers.results()
    began, ended = results[0]["compacted"] or span
    slow = [one for result in results for one in result["slow"]]
    # Whoever takes the new file over notes it a moment after it is there.
    during = max((took for at, took in slow if began <= at <= ended + 1.5), default=0.005)
    calm = max((took for at, took in slow if at < began), default=0.005)
    shutil.rmtree(folder)
    return {"calm_ms": calm * 1000, "worst_ms": during * 1000, "ratio": during / calm, "seconds": ended - began}


_FLUSH = 5
_PLACES = (50, 250, 500, 1_000, 2_500, 5_000)


def _merged(stored: ShopperSession | None, report: Report) -> ShopperSession:
    return merge(stored, report, bodies.LIMITS, 1)


def growing(plan: Plan) -> Section:
    """Measure what a flush of 5 events costs as one session grows to 5,000."""
    section = Section(
        "A session that grows",
        f"One session, {_FLUSH} new events a flush up to {_PLACES[-1]:,}: merge and durable write, one thread. The "
        "figure at a size is the median of the 10 flushes up to it.",
        ("events", "record, KB", "µs a flush", "µs a KB"),
    )
    took: dict[int, list[float]] = {place: [] for place in _PLACES}
    size: dict[int, float] = {}
    for number in range(plan.rounds):
        say(f"a session that grows: round {number + 1} of {plan.rounds}")
        store = JsonFileStore(plan.new_folder(f"growing-{number}") / "sessions.json")
        recent: list[float] = []
        for first in range(0, _PLACES[-1], _FLUSH):
            report = Report(session="growing-session", clock=first, events=bodies.events(first, _FLUSH))
            began = time.perf_counter()
            session = store.update(report.session, partial(_merged, report=report))
            recent.append((time.perf_counter() - began) * 1e6)
            count = first + _FLUSH
            if count in took:
                took[count].append(Spread.of(recent[-10:]).median)
                size[count] = len(json.dumps(session.to_record(), separators=(",", ":"))) / 1000
        store.close()
    for place in _PLACES:
        spread = Spread.of(took[place])
        section.add(f"{place:,}", f"{size[place]:.1f}", spread.show(), f"{spread.median / size[place]:.1f}", us=spread)
    small, large = _PLACES[0], _PLACES[-1]
    growth = [late / early for early, late in zip(took[small], took[large], strict=True)]
    by_size = size[large] / size[small]
    section.promises.append(
        Promise(
            f"a flush at {large:,} events, as a multiple of one at {small}; the record is {by_size:.0f} times as large",
            by_size,
            Spread.of(growth),
            at_most=True,
        )
    )
    return section
