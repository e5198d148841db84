"""The service as a client sees it: behind Gunicorn, beside what Gunicorn alone allows and beside the naive way."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import bodies
from bench.load import Load
from bench.measure import Promise, Rounds, Sample, Section, interleave
from testing.fake_groq import FakeGroq
from testing.gunicorn_server import GunicornServer, wait_until

_ASKED = 100_000
SERVICE = ("bench.peers.apps:service()",)
NAIVE = ("-k", "asgi", "bench.peers.naive:app")
HANGING = 16


@dataclass(frozen=True)
class Plan:
    """How many rounds are measured under which load, and the folder for the files."""

    folder: Path
    rounds: int
    load: Load
    sizes: tuple[int, ...]
    beside: Path | None = None
    """The folder of an earlier version, with a .venv of its own, to be measured in the same rounds."""

    def new_folder(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir()
        return made

    def visit(self, name: str, *, count: int, of: int, repeats: int = 0) -> Path:
        """Write a visit of `of` bodies with `count` new events each; return its path."""
        path = self.folder / f"visit-{name}"
        if not path.exists():
            bodies.write_visit(path, bodies=of, count=count, repeats=repeats)
        return path

    def server(self, name: str, *, stored: int = 0, args: tuple[str, ...] = SERVICE, **more: object) -> GunicornServer:
        """Return a server whose file holds this number of sessions when it starts."""
        folder = self.new_folder(name)
        made = GunicornServer(folder, args=args, **more)  # type: ignore[arg-type]
        if stored:
            bodies.write_file(made.storage, stored)
        return made


def _row(section: Section, rounds: Rounds, name: str, limit: str | None = None) -> None:
    rate, cpu, p50, p99 = (rounds.spread(name, figure) for figure in ("rate", "cpu_us", "p50_ms", "p99_ms"))
    share = [] if limit is None else [rounds.ratio(name, limit, "rate").show(2) if limit else ""]
    section.add(name, rate.show(), cpu.show(), p50.show(1), p99.show(1), *share, rate=rate, cpu_us=cpu, p99_ms=p99)


_SERVED = ("", "answers a second", "CPU of the workers, µs an answer", "p50 ms", "p99 ms")


def ingest(plan: Plan) -> Section:
    """Compare ingest with an empty view and a bare WSGI callable, by size of body and of file."""
    section = Section(
        "Ingest beside the limit",
        f"wrk, {plan.load.connections} connections, 2 workers. A visit of 5 events a body has 10 bodies (9 go to a "
        "session that is known), one of 150 events has 4; each body brings new events, unless said otherwise.",
        (*_SERVED, "share of the empty view"),
    )
    five, hundred = plan.visit("5", count=5, of=10), plan.visit("150", count=150, of=4)
    fresh = plan.visit("new", count=5, of=1)
    repeating = plan.visit("repeating", count=5, of=10, repeats=145)
    post = plan.load.visits
    with ExitStack() as stack:
        bare = stack.enter_context(plan.server("bare", args=("bench.peers.apps:bare",)))
        servers = {
            size: stack.enter_context(plan.server(f"ingest-{size}", stored=size)) for size in sorted({0, *plan.sizes})
        }
        empty = servers[0]
        cases = {
            "bare WSGI callable": lambda: post(bare, "/", five),
            "empty view, 5 events": lambda: post(empty, "/empty", five),
            "empty view, 150 events": lambda: post(empty, "/empty", hundred),
            "150 events, 145 of them known": lambda: post(servers[0], "/ingest", repeating),
        }
        for size, server in servers.items():
            cases |= {
                f"5 events, known sessions, {size:,} stored": partial(post, server, "/ingest", five),
                f"5 events, new sessions, {size:,} stored": partial(post, server, "/ingest", fresh),
                f"150 events, {size:,} stored": partial(post, server, "/ingest", hundred),
            }
        rounds = interleave(cases, plan.rounds, "ingest")
    for name in cases:
        limit = "" if name.startswith(("bare", "empty")) else f"empty view, {'150' if '150' in name else '5'} events"
        _row(section, rounds, name, limit)
    # Four fifths of what they took in 1.0.0. As shares of the empty view's rate they got worse by all that is saved in
    # what both of them do.
    for known, limit, asked in (
        ("5 events, known sessions, 0 stored", "empty view, 5 events", 560),
        ("150 events, 0 stored", "empty view, 150 events", 1_540),
    ):
        above = rounds.difference(known, limit, "cpu_us")
        section.promises.append(Promise(f"{known}: CPU above the empty view's", asked, above, "µs", at_most=True))
    return section


def one_worker(plan: Plan) -> Section:
    """Compare ingest with an empty view where one worker takes every request, as on the smallest machine."""
    section = Section(
        "The same with one worker",
        f"As before, but WEB_CONCURRENCY=1, {plan.load.connections} connections.",
        (*_SERVED, "share of the empty view"),
    )
    five, hundred = plan.visit("5", count=5, of=10), plan.visit("150", count=150, of=4)
    with plan.server("one-worker", workers=1) as server:
        cases = {
            "empty view, 5 events": lambda: plan.load.visits(server, "/empty", five),
            "5 events, known sessions": lambda: plan.load.visits(server, "/ingest", five),
            "empty view, 150 events": lambda: plan.load.visits(server, "/empty", hundred),
            "150 events": lambda: plan.load.visits(server, "/ingest", hundred),
        }
        rounds = interleave(cases, plan.rounds, "one worker")
    for name in cases:
        _row(section, rounds, name, f"empty view, {'150' if '150' in name else '5'} events")
    return section


def size_of_file(plan: Plan, large: bool) -> Section:
    """Compare the same ingest at different numbers of stored sessions, with more rounds than any other part."""
    many = [size for size in plan.sizes if size >= 10_000][-1:] + ([1_000_000] if large else [])
    section = Section("The size of the file", "5 events, known sessions, as before, with twice the rounds.", _SERVED)
    five = plan.visit("5", count=5, of=10)
    with ExitStack() as stack:
        servers = {size: stack.enter_context(plan.server(f"size-{size}", stored=size)) for size in (10, *many)}
        cases = {
            f"{size:,} stored": partial(plan.load.visits, server, "/ingest", five) for size, server in servers.items()
        }
        rounds = interleave(cases, plan.rounds * 2, "size of the file")
    for name in cases:
        _row(section, rounds, name)
    for size in many:
        what = f"rate at {size:,} stored sessions, as a share of that at 10"
        asked = 0.9 if size >= 1_000_000 else 0.95
        section.promises.append(Promise(what, asked, rounds.ratio(f"{size:,} stored", "10 stored", "rate")))
    return section


NAIVE_SIZES = {0: 4, 1_000: 500, 10_000: 3_000}
"""How many times the rate of the naive way the service promises, by the number of stored sessions."""


def naive(plan: Plan, sizes: Iterable[int] = NAIVE_SIZES) -> Section:
    """Compare ingest with the naive way: loading and rewriting the whole file, as the original system did."""
    section = Section(
        "The naive way",
        "4 connections, 5 events, known sessions; the stored ones have 1 KB. The naive way runs as one process (two "
        "would overwrite each other), under Gunicorn's ASGI worker, indents its file, and syncs nothing.",
        _SERVED,
    )
    load = Load(plan.load.seconds, connections=4)
    five = plan.visit("5", count=5, of=10)
    for size in sizes:
        # At 10,000 sessions one answer takes seconds.
        patient = Load(12 if size >= 10_000 else plan.load.seconds, connections=4)
        with ExitStack() as stack:
            old = stack.enter_context(plan.server(f"naive-{size}", args=NAIVE, workers=1))
            new = stack.enter_context(plan.server(f"beside-naive-{size}", stored=size))
            filled = plan.folder / f"filled-{size}.json"
            if size:
                bodies.write_file(filled, size)
            else:
                filled.write_bytes(b"{}")
            names = (f"naive, {size:,} stored", f"the service, {size:,} stored")
            cases = {
                names[0]: partial(_post_to_a_fresh_file, old, filled, patient, five),
                names[1]: partial(load.visits, new, "/ingest", five),
            }
            rounds = interleave(cases, plan.rounds, "the naive way")
        for name in names:
            _row(section, rounds, name)
        what = f"times the naive way's rate at {size:,} sessions"
        section.promises.append(Promise(what, NAIVE_SIZES[size], rounds.ratio(*names[::-1], "rate")))
    return section


def _post_to_a_fresh_file(server: GunicornServer, filled: Path, load: Load, visit: Path) -> Sample:
    """Put the file back as it was, and post: under load the file grows, which costs the naive way ever more."""
    with server.client(timeout=120) as client:
        client.get("/")  # it answers one after the other: what wrk left behind is done then
    shutil.copy(filled, server.storage)
    return load.visits(server, "/ingest", visit)


def ask(plan: Plan) -> Section:
    """Compare the ways to a decision, and ingest with and without questions that hang."""
    section = Section(
        "Asking",
        f"wrk, {plan.load.connections} connections, 2 workers; Groq is a fake on this machine that takes 1 s. "
        f"Beside {HANGING} hanging questions: one worker, 4 connections, 5 events.",
        _SERVED,
    )
    place = itertools.count()

    def first_time(server: GunicornServer) -> Sample:
        return plan.load.questions(server, next(place) * 8_000 % _ASKED, 8_000)

    with FakeGroq("obedient", delay_s=1) as groq, ExitStack() as stack:
        # Each worker may have 16 calls at a time; the breaker and the budget are not what is measured.
        budget = {"MODEL_DAILY_CALLS": "1000000", "MODEL_DAILY_TOKENS": "1000000000"}
        key = {"GROQ_API_KEY": "made-up", "GROQ_BASE_URL": groq.base_url, **budget}
        rules = stack.enter_context(plan.server("ask-rules", stored=_ASKED))
        model = stack.enter_context(plan.server("ask-groq", stored=_ASKED, env=key))
        again = stack.enter_context(plan.server("ask-again", stored=100))
        cases = {
            "by the rules": lambda: first_time(rules),
            "about 100 unchanged sessions again": lambda: plan.load.questions(again, 0, 100),
            "by Groq, 1 s": lambda: first_time(model),
        }
        rounds = interleave(cases, plan.rounds, "asking")
    for name in cases:
        _row(section, rounds, name)

    load = Load(plan.load.seconds, connections=4)
    five = plan.visit("5", count=5, of=10)
    count = itertools.count()

    def beside(hanging: bool) -> Sample:
        with _server_with_questions(plan, f"hanging-{next(count)}", hanging) as server:
            return load.visits(server, "/ingest", five)

    names = ("ingest without questions", f"ingest beside {HANGING} hanging questions")
    rounds = interleave({names[0]: lambda: beside(False), names[1]: lambda: beside(True)}, plan.rounds, "hanging")
    for name in names:
        _row(section, rounds, name)
    what = f"p99 of ingest beside {HANGING} hanging questions, as a multiple of that without"
    section.promises.append(Promise(what, 1.5, rounds.ratio(*names[::-1], "p99_ms"), at_most=True))
    return section


@contextmanager
def _server_with_questions(plan: Plan, name: str, hanging: bool) -> Iterator[GunicornServer]:
    """Serve with one worker that holds hanging questions, each until its deadline."""
    with FakeGroq("hang") as groq:
        env = {"GROQ_API_KEY": "made-up", "GROQ_BASE_URL": groq.base_url}
        with plan.server(name, stored=100, workers=1, env=env) as server:

            def question(number: int) -> None:
                with contextlib.suppress(OSError), server.client() as client:
                    client.post("/askai", f"stored-{number:07d}")

            asking = [threading.Thread(target=question, args=(number,)) for number in range(HANGING if hanging else 0)]
            for thread in asking:
                thread.start()
            wait_until(lambda: groq.calls == len(asking), "all questions hang")
            yield server
            for thread in asking:
                thread.join()


def script(plan: Plan) -> Section:
    """Compare the storefront script as the service sends it with Flask's own static view of the same file."""
    section = Section("The storefront script", f"wrk, {plan.load.connections} connections, 2 workers.", _SERVED)
    with plan.server("script") as server:
        names = ("/storefront.js", "Flask's static view of the same file")
        cases = {
            names[0]: lambda: plan.load.get(server, "/storefront.js"),
            names[1]: lambda: plan.load.get(server, "/static/storefront.min.js"),
        }
        rounds = interleave(cases, plan.rounds, "the script")
    for name in names:
        _row(section, rounds, name)
    section.promises.append(Promise("times Flask's static view", 2, rounds.ratio(*names, "rate")))
    return section
