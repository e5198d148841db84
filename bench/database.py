"""The store in PostgreSQL beside the session file, on the same disk of the same machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from bench import bodies
from bench.measure import Promise, Sample, Section, Spread, interleave, say
from bench.serving import Plan
from bench.store_process import THREADS
from bench.storing import PROCESSES, Processes
from testing.gunicorn_server import GunicornServer
from testing.outage import CLIENTS, kill_under_load
from testing.postgres_server import PostgresServer
from tracker.insights.counting.counting import VisitCounting
from tracker.sessions.model import ShopperSession
from tracker.storage import Storage, count_sessions, open_storage
from tracker.storage.json_file.text import FOOTER, HEADER, line, separator
from tracker.storage.postgres.records import packed

SIZES = {1_000: 0.3, 15_000: 0.6}
"""The least share of the session file's updates, by the bytes of a record."""
_PAGE = 50
_TIMES = 20
_KILLS = 5
_MOST_ROUNDS = 3
_APART_MS = 10_000
"""Between two visits, on a day of 8,640 of them."""


def _fill(url: str, sessions: Iterable[tuple[str, ShopperSession]]) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        into = "COPY session (id, updated_minute, updated_at, version, record) FROM STDIN"
        with server.cursor() as cursor, server.transaction(), cursor.copy(into) as copy:
            for session_id, one in sessions:
                copy.write_row((session_id, one.updated_at // 60_000, one.updated_at, 1, packed(one)))
        count_sessions(url, VisitCounting(UTC, lambda: bodies.BEGAN))
        server.execute("VACUUM ANALYZE session")


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
            _fill(url, bodies.stored_sessions(sessions, size))
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


# --- The owner ----------------------------------------------------------------------------------------------------


def _spread_out(sessions: int) -> Iterable[tuple[str, ShopperSession]]:
    for number, (session_id, one) in enumerate(bodies.stored_sessions(sessions, 1_000)):
        yield session_id, replace(one, updated_at=bodies.BEGAN + number * _APART_MS)


def _write(path: Path, sessions: Iterable[tuple[str, ShopperSession]]) -> None:
    with path.open("wb") as file:
        file.write(HEADER)
        for number, (session_id, one) in enumerate(sessions):
            file.write(separator(first=not number) + line(session_id, one.to_record()))
        file.write(FOOTER)


def _median_ms(work: Callable[[], object], before: Callable[[], object]) -> float:
    took = []
    for _ in range(_TIMES):
        before()
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return Spread.of(took).median


def _owner(storage: Storage, sessions: int) -> Sample:
    store, sums = storage.sessions, storage.sums
    assert sums is not None

    def touch() -> None:
        store.update(f"stored-{sessions - 1:07d}", _bought_more)

    return {
        "page_ms": _median_ms(lambda: list(islice(store.iterate(), _PAGE)), touch),
        "sums_ms": _median_ms(lambda: sums.read().sums, touch),
    }


def _bought_more(stored: ShopperSession | None) -> ShopperSession:
    assert stored is not None
    # Every other time its cart is empty, so that it counts for something else.
    return replace(stored, items_in_cart=int(not stored.items_in_cart), updated_at=stored.updated_at + 1)


def owner_beside_postgres(plan: Plan, sessions: int) -> Section:
    """Compare what the owner's pages ask of either place."""
    section = Section(
        "The owner's pages over PostgreSQL",
        f"Medians of {_TIMES} calls over {sessions:,} sessions of 1 KB, each after a visit has changed: the newest "
        f"{_PAGE}, and the sums that the report is made from.",
        ("", f"a page of {_PAGE}, ms", "the sums, ms"),
    )
    say(f"filling a file and a database with {sessions:,} sessions")
    folder = plan.new_folder("owner-postgres")
    _write(folder / "sessions.json", _spread_out(sessions))
    names = ("PostgreSQL", "the session file")
    with PostgresServer() as server:
        url = server.new_schema("bench")
        _fill(url, _spread_out(sessions))
        counting = VisitCounting(UTC, lambda: bodies.BEGAN)
        places: list[Any] = [open_storage(one, counting=counting) for one in (url, f"file:{folder / 'sessions.json'}")]
        for place in places:
            place.sums.read()
        cases = {name: lambda place=place: _owner(place, sessions) for name, place in zip(names, places, strict=True)}
        rounds = interleave(cases, plan.rounds, "the owner's pages")
        for place in places:
            place.sessions.close()
    for name in names:
        page, sums = rounds.spread(name, "page_ms"), rounds.spread(name, "sums_ms")
        section.add(name, page.show(2), sums.show(2), page_ms=page, sums_ms=sums)
    section.promises.append(Promise("times the file's page", 5, rounds.ratio(*names, "page_ms"), at_most=True))
    shutil.rmtree(folder)
    return section


# --- An outage ----------------------------------------------------------------------------------------------------


def _killed(plan: Plan) -> Sample:
    with PostgresServer() as server, ExitStack() as started:
        url = server.new_schema("bench")
        instances = []
        for args in ((), ("--preload",)):
            folder = Path(started.enter_context(TemporaryDirectory(dir=plan.folder)))
            instances.append(GunicornServer(folder, workers=2, env={"DATABASE_URL": url}, args=args))
            started.enter_context(instances[-1])
        outage = kill_under_load(instances, server, url, _KILLS)
    return {
        "acknowledged": len(outage.acknowledged),
        "lost": len(outage.lost) + len(outage.doubled) + len(outage.other),
        "refused": outage.refused.total(),
        "slowest_s": max(outage.took_s),
        "ready_s": max(outage.ready_s),
        "back_s": max(outage.back_s),
    }


def killed_postgres(plan: Plan) -> Section:
    """Measure what clients notice of a server that is killed under load and started again."""
    section = Section(
        "PostgreSQL killed under load",
        f"Two instances of two workers, one of them with --preload; {CLIENTS} clients report while every process of "
        f"the server is killed and started again, {_KILLS} times. Lost are reports that were answered with 200 and are "
        "not stored, or stored twice. The longest times of each round, from the server's start on: until it took "
        "connections, and until a report was stored.",
        ("", "stored", "lost", "503", "slowest answer, s", "server ready, s", "stored again, s"),
    )
    rounds = interleave({"": lambda: _killed(plan)}, min(plan.rounds, _MOST_ROUNDS), "a database that is killed")
    counts = {name: rounds.spread("", name) for name in ("acknowledged", "lost", "refused")}
    times = {name: rounds.spread("", name) for name in ("slowest_s", "ready_s", "back_s")}
    figures = {**counts, **times}
    section.add("", *(one.show() for one in counts.values()), *(one.show(2) for one in times.values()), **figures)
    for what, name, most in (
        ("acknowledged reports lost", "lost", 0),
        ("seconds of the slowest answer", "slowest_s", 2),
        ("seconds from the server's start to the next stored report", "back_s", 3),
    ):
        section.promises.append(Promise(what, most, figures[name], at_most=True))
    return section
