"""The store in PostgreSQL beside the session file, on the same disk of the same machine."""

from __future__ import annotations

import shutil

from bench import bodies
from bench.measure import Promise, Section, interleave, say
from bench.serving import Plan
from bench.store_process import THREADS
from bench.storing import PROCESSES, Processes
from testing.postgres_server import PostgresServer
from tracker.storage import open_store

SIZES = {1_000: 0.3, 15_000: 0.6}
"""The least share of the session file's updates, by the bytes of a record."""


def beside_postgres(plan: Plan, sessions: int) -> Section:
    """Compare durable updates of stored sessions in PostgreSQL with those of the session file."""
    section = Section(
        "PostgreSQL beside the session file",
        f"{PROCESSES} processes of {THREADS} threads update random ones of {sessions:,} sessions, as beside SQLite. "
        "The server has its default settings, stands on the same disk and shares the processors; the CPU is that of "
        "the service alone.",
        ("", "updates a second", "CPU, µs an update", "p50 ms", "p99 ms"),
    )
    for size, share in SIZES.items():
        kept = f"{size // 1000} KB"
        say(f"filling a file and a database with {sessions:,} sessions of {kept}")
        folder = plan.new_folder(f"beside-postgres-{size}")
        bodies.write_file(folder / "sessions.json", sessions, size)
        with PostgresServer() as server:
            url = server.new_schema("bench")
            store = open_store(url)
            for session_id, session in bodies.stored_sessions(sessions, size):
                store.update(session_id, lambda _stored, session=session: session)  # type: ignore[misc]
            store.close()
            names = (f"PostgreSQL, {kept}", f"the session file, {kept}")
            seconds = plan.load.seconds
            cases = {
                names[0]: lambda: Processes("postgres", url, sessions, seconds).sample(),
                names[1]: lambda: Processes("json", folder / "sessions.json", sessions, seconds).sample(),
            }
            rounds = interleave(cases, plan.rounds, "beside PostgreSQL")
        for name in names:
            rate, cpu, p50, p99 = (rounds.spread(name, figure) for figure in ("rate", "cpu_us", "p50_ms", "p99_ms"))
            section.add(name, rate.show(), cpu.show(), p50.show(2), p99.show(2), rate=rate, cpu_us=cpu, p99_ms=p99)
        section.promises.append(Promise(f"times the file's updates, {kept}", share, rounds.ratio(*names, "rate")))
        shutil.rmtree(folder)
    return section
