"""The service beside an earlier version of itself, over HTTP and at the store: what changed, in one run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import bodies
from bench.load import Load
from bench.measure import Promise, Rounds, Sample, Section, Spread, interleave
from bench.serving import Plan
from testing.gunicorn_server import ROOT, GunicornServer

_TOKEN = "a-token-of-the-bench-0001"  # noqa: S105  of servers on this machine alone
_OWNER = {"Authorization": f"Bearer {_TOKEN}"}
_CALLS = 25
_IMPORTED = 500


def _versions(plan: Plan) -> dict[str, Path]:
    return {"this version": ROOT} | ({"the earlier version": plan.beside} if plan.beside else {})


def _show(section: Section, rounds: Rounds, cases: list[str], figures: dict[str, int]) -> Section:
    """Add a row a case; with two versions, a row of ratios for each pair of cases of one kind."""
    for case in cases:
        found = {one: rounds.spread(case, one) for one in figures}
        section.add(case, *(spread.show(figures[one]) for one, spread in found.items()), **found)
    for case in cases:
        other = case.replace("this version", "the earlier version")
        if other != case and other in cases:
            ratios = {one: rounds.ratio(case, other, one) for one in figures if rounds.spread(other, one).low}
            cells = (ratios[one].show(2) if one in ratios else "" for one in figures)
            section.add(case.replace("this version", "ratio of the two"), *cells, **ratios)
    return section


@contextmanager
def _beside_load(load: Load, server: GunicornServer, visit: Path) -> Iterator[None]:
    """Post visits again and again in a thread, from a second before until the end."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with contextlib.suppress(subprocess.CalledProcessError):
                load.visits(server, "/ingest", visit)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(1)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def owner(plan: Plan, sessions: int) -> Section:
    """Measure the owner's list and deletions over HTTP, while posts come in."""
    section = Section(
        "The owner's calls under load",
        f"2 workers, {sessions:,} stored sessions of 1 KB; wrk posts visits over {plan.load.connections} connections. "
        f"Medians and the longest of {_CALLS} calls over HTTP each.",
        ("", "GET /sessions, ms", "longest, ms", "DELETE, ms", "longest, ms"),
    )
    visit = plan.visit("5", count=5, of=10)

    def sample(name: str, root: Path, number: list[int]) -> Sample:
        number[0] += 1
        folder = f"owner-{len(name)}-{number[0]}"
        with plan.server(folder, stored=sessions, args=(), env={"ADMIN_TOKEN": _TOKEN}, root=root) as server:
            with _beside_load(plan.load, server, visit), server.client(60) as client:
                page = _took(lambda _: client.get("/sessions", _OWNER).status)
                gone = _took(lambda one: client.request("DELETE", f"/sessions/stored-{one:07d}", headers=_OWNER).status)
            shutil.rmtree(server.folder, ignore_errors=True)
        return {"page": page[0], "longest_page": page[1], "delete": gone[0], "longest_delete": gone[1]}

    cases = {name: partial(sample, name, root, [0]) for name, root in _versions(plan).items()}
    rounds = interleave(cases, plan.rounds, "the owner's calls")
    figures = {"page": 1, "longest_page": 1, "delete": 1, "longest_delete": 1}
    return _show(section, rounds, list(cases), figures)


def _took(call: Callable[[int], int]) -> tuple[float, float]:
    """Return (median, longest) of calls in ms."""
    took = []
    for number in range(_CALLS):
        began = time.perf_counter()
        status = call(number)
        took.append((time.perf_counter() - began) * 1000)
        if status != 200:
            raise RuntimeError(f"the owner's call was answered with {status}")
    return Spread.of(took).median, max(took)


def posts(plan: Plan, sessions: int) -> Section:
    """Measure what a post asks of the system: with few and many open sessions, and while the worker compacts."""
    section = Section(
        "What a post asks of the system",
        f"One worker, {sessions:,} stored sessions of 1 KB; wrk, {plan.load.connections} connections. With 150 events "
        "a post the worker compacts its own file again and again; the column says how often. System calls are counted "
        "in a run of their own under strace.",
        ("", "answers/s", "CPU, µs", "p99 ms", "longest ms", "bytes", "switches", "system calls", "compactions"),
    )
    few, many = plan.visit("5", count=5, of=10), plan.visit("150", count=150, of=4)
    kinds = {"5 events": (few, 64), "5 events, 4,096 open sessions": (few, 4_096), "150 events": (many, 64)}
    with contextlib.ExitStack() as stack:
        cases: dict[str, Callable[[], Sample]] = {}
        for version, root in _versions(plan).items():
            server = plan.server(f"posts-{len(cases)}", stored=sessions, args=(), workers=1, root=root)
            stack.enter_context(server)
            for kind, (visit, at_once) in kinds.items():
                cases[f"{kind}, {version}"] = partial(_post, plan.load, server, visit, at_once)
        rounds = interleave(cases, plan.rounds, "posts")
    figures = dict.fromkeys(("rate", "cpu_us"), 0) | {"p99_ms": 1, "max_ms": 1, "bytes": 0, "switches": 2}
    if shutil.which("strace"):
        calls = rounds.spread("5 events, this version", "calls")
        section.promises.append(Promise("5 events: system calls a post", 9, calls, at_most=True))
    return _show(section, rounds, list(cases), figures | {"calls": 1, "compactions": 1})


def _post(load: Load, server: GunicornServer, visit: Path, at_once: int) -> Sample:
    with _counting_files(server.storage) as files:
        before = _asked(server)
        sample = load.visits(server, "/ingest", visit, open_visits=at_once)
        written, switches = (now - then for now, then in zip(_asked(server), before, strict=True))
    answers = sample["rate"] * load.seconds
    calls = 0.0
    if shutil.which("strace"):
        log = server.folder / "strace"
        attach = [part for pid in server.worker_pids() for part in ("-p", str(pid))]
        command = ["strace", "-f", "-c", "-o", str(log), *attach]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as strace:  # noqa: S603  a command of our own
            assert strace.stderr
            strace.stderr.readline()
            slow = load.visits(server, "/ingest", visit, open_visits=at_once)
            strace.send_signal(signal.SIGINT)
            strace.communicate()
        calls = int(log.read_text().splitlines()[-1].split()[3]) / (slow["rate"] * load.seconds)
    return {**sample, "bytes": written / answers, "switches": switches / answers, "calls": calls} | {
        "compactions": float(max(0, len(files) - 1))
    }


@contextmanager
def _counting_files(path: Path) -> Iterator[set[int]]:
    """Collect the inodes that the file of this name has meanwhile."""
    found = {path.stat().st_ino}
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.01):
            with contextlib.suppress(FileNotFoundError):
                found.add(path.stat().st_ino)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _asked(server: GunicornServer) -> tuple[int, int]:
    """Return (bytes written, context switches) of the workers so far, all threads together."""
    written = switches = 0
    for pid in server.worker_pids():
        process = Path(f"/proc/{pid}")
        written += int((process / "io").read_text("ascii").split("wchar: ")[1].split()[0])
        for task in (process / "task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                lines = (task / "status").read_text("ascii").splitlines()
                switches += sum(int(line.split()[1]) for line in lines if "voluntary_ctxt_switches" in line)
    return written, switches


def moving(plan: Plan) -> Section:
    """Measure an import, and what it and a compaction cost a worker that began without a file."""
    section = Section(
        "An import, and the first takeover",
        f"A worker begins without a file. `flask sessions import` brings {_IMPORTED:,} sessions of 1 KB, then "
        "`flask sessions compact` rewrites the file. The worker's CPU for its next answer after each.",
        ("", "imported a second", "to learn them, ms", "to take the new file over, ms"),
    )
    given = plan.folder / "given.ndjson"
    with given.open("w", encoding="utf-8") as file:
        for _, session in bodies.stored_sessions(_IMPORTED, 1_000):
            file.write(json.dumps(session.to_record()) + "\n")
    cases = {name: partial(_moved, plan, root, given, [0]) for name, root in _versions(plan).items()}
    rounds = interleave(cases, plan.rounds, "an import")
    return _show(section, rounds, list(cases), {"rate": 0, "learn_ms": 1, "takeover_ms": 1})


def _moved(plan: Plan, root: Path, given: Path, number: list[int]) -> Sample:
    number[0] += 1
    name = f"moving-{root.name}-{number[0]}"
    with plan.server(name, args=(), workers=1, env={"ADMIN_TOKEN": _TOKEN}, root=root) as server:

        def flask(*arguments: str) -> None:
            subprocess.run(  # noqa: S603  a command of our own
                [root / ".venv/bin/python", "-m", "flask", "--app", "wsgi", "sessions", *arguments],
                cwd=root,
                env={**os.environ, "TRACKER_STORAGE_FILE": str(server.storage)},
                capture_output=True,
                check=True,
            )

        def answer_ms() -> float:
            with server.client() as client:
                before = server.workers_cpu_s()
                if client.get("/sessions/stored-0000000", _OWNER).status != 200:
                    raise RuntimeError("an imported session is not found")
                return (server.workers_cpu_s() - before) * 1000

        began = time.perf_counter()
        flask("import", str(given))
        rate = _IMPORTED / (time.perf_counter() - began)
        learned = answer_ms()
        flask("compact")
        return {"rate": rate, "learn_ms": learned, "takeover_ms": answer_ms()}
