"""The cost of each part of a request by itself, in one thread and without a socket."""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from bench import bodies
from bench.measure import Promise, Rounds, Sample, Section, Spread, interleave, say
from bench.peers.pydantic_shapes import SameRules, ShapeOnly
from bench.serving import Plan
from tracker.app import create_app
from tracker.config import Config
from tracker.ingest.events import EventLimits
from tracker.ingest.schemas import IngestSchema

_LIMITS = EventLimits(event_bytes=8192, depth=16, body_events=5000, pages=200)


def validation(plan: Plan) -> Section:
    """Compare the validation of the service with that of pydantic models."""
    section = Section(
        "Validation beside pydantic",
        "From the parsed JSON to what the domain takes, one thread. Pydantic v2 in two ways: by the shape alone (types "
        "and ranges of the named keys), and with the rules that the service holds for every event (texts cleaned, "
        "depth, numbers, size).",
        ("", "µs a body"),
    )
    rounds: dict[int, Rounds] = {}
    for count in (5, 150):
        body = orjson.loads(orjson.dumps(bodies.body("af4bac4d-077a-4756-91d0-fa2570fd206f", 0, count)))
        schema = IngestSchema(_LIMITS)
        cases = {
            f"the service, {count} events": lambda: _timed(lambda: schema.load(body)),
            f"pydantic, the same rules, {count} events": lambda: _timed(lambda: SameRules.model_validate(body)),
            f"pydantic, the shape alone, {count} events": lambda: _timed(lambda: ShapeOnly.model_validate(body)),
        }
        rounds[count] = interleave(cases, max(plan.rounds, 9), "validation")
        for name in cases:
            spread = rounds[count].spread(name, "us")
            section.add(name, spread.show(1), us=spread)
    for peer in ("the same rules", "the shape alone"):
        ratio = rounds[150].ratio("the service, 150 events", f"pydantic, {peer}, 150 events", "us")
        section.promises.append(
            Promise(f"validation of 150 events, times pydantic's ({peer})", 0.5, ratio, at_most=True)
        )
    return section


def _timed(work: Callable[[], object]) -> Sample:
    count = 200
    began = time.perf_counter()
    for _ in range(count):
        work()
    return {"us": (time.perf_counter() - began) / count * 1e6}


_PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "read and parse the body": (("bodies.py", "read_body"), ("bodies.py", "parse_json")),
    "validate": (("schemas.py", "load"),),
    "lock": (("lock.py", "_take"), ("writes.py", "enter"), ("writes.py", "batch"), ("writes.py", "hand_over")),
    "know the file as it is": (("known.py", "look"), ("shared.py", "_settle")),
    "read the session": (("store.py", "_stored"),),
    "merge": (("merge.py", "merge"),),
    "sum up the visit": (("tally.py", "tally"),),
    "write": (("file.py", "append"),),
    "sync": (("store.py", "_flush"),),
    "headers, log and metrics": (("exchange.py", "begin_answer"),),
}


def parts(plan: Plan) -> Section:
    """Measure each part of a request."""
    section = Section(
        "The parts of a request",
        "POST /ingest with 5 and with 150 events, known sessions, called as WSGI in one thread, durable. A profiler's "
        "shares, laid over what the requests take without it; the answer and Flask are the rest.",
        ("", "5 events, µs", "150 events, µs"),
    )
    split = {count: _split(plan, count, requests) for count, requests in ((5, 1500), (150, 400))}
    for part in split[5]:
        section.add(part, *(f"{split[count][part]:,.0f}" for count in split), us=Spread.of([split[5][part]]))
    return section


def _split(plan: Plan, count: int, requests: int) -> dict[str, float]:
    say(f"the parts of a request with {count} events")
    folder = plan.new_folder(f"parts-{count}")
    per_visit = 10 if count == 5 else 4

    def send(run: int) -> float:
        made = [
            orjson.dumps(bodies.body(f"run-{run}-{number // per_visit:06d}", number % per_visit * count, count))
            for number in range(requests)
        ]
        began = time.perf_counter()
        for body in made:
            _call(app, body)
        return (time.perf_counter() - began) / requests * 1e6

    # The log goes where nobody reads it, but it is written.
    shown, sys.stderr = sys.stderr, Path(os.devnull).open("w")  # noqa: SIM115
    try:
        app = create_app(Config(storage_file=folder / "sessions.json", holdout_percent=0.0, rate_limits=False))
        send(0)
        whole = Spread.of([send(1), send(2), send(3)]).median
        profile = cProfile.Profile()
        profile.enable()
        send(4)
        profile.disable()
    finally:
        sys.stderr.close()
        sys.stderr = shown
    stats = pstats.Stats(profile)
    found = stats.stats.items()  # type: ignore[attr-defined]
    taken = {(Path(file).name, name): cumulative for (file, _, name), (_, _, _, cumulative, _) in found}
    total = taken["app.py", "__call__"]
    split = {
        part: sum(taken.get(function, 0.0) for function in functions) / total * whole
        for part, functions in _PARTS.items()
    }
    split["answer, Flask and the rest"] = whole - sum(split.values())
    return {**split, "all of it": whole}


def _call(app: Any, body: bytes) -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/ingest",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_ORIGIN": "https://shop.example",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    status: list[str] = []
    answer = app(environ, lambda line, headers, error=None: status.append(line))
    content = b"".join(answer)
    answer.close()
    if not status[0].startswith("200"):
        raise RuntimeError(f"{status[0]}: {content!r}")
