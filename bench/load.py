"""Load from outside: wrk against a real Gunicorn."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench.measure import Sample
from tests.support.gunicorn_server import GunicornServer

_SCRIPT = Path(__file__).with_name("post.lua")
_runs = itertools.count(1)


def require_wrk() -> None:
    """End with one line where wrk is missing."""
    if shutil.which("wrk") is None:
        sys.exit("The bench needs wrk: `apt install wrk`, or `brew install wrk`.")


def post(
    server: GunicornServer, path: str, visit: Path, *, seconds: float, connections: int = 16, open_visits: int = 64
) -> Sample:
    """Post visits for some seconds; every run's sessions are new ones.

    Gives rate (answers a second), cpu_us (processor time of the workers, an answer), p50_ms, p99_ms and max_ms. Raises
    RuntimeError where anything but 2xx came back: a refusal is no speed.
    """
    run = f"{next(_runs):04d}-visit"
    return _wrk(server, path, seconds, connections, "-s", str(_SCRIPT), after=(str(visit), run, str(open_visits)))


def get(server: GunicornServer, path: str, *, seconds: float, connections: int = 16) -> Sample:
    """Get the same address for some seconds. Gives what `post` gives."""
    return _wrk(server, path, seconds, connections, "-s", str(_SCRIPT.with_name("get.lua")), after=())


def _wrk(
    server: GunicornServer, path: str, seconds: float, connections: int, *options: str, after: tuple[str, ...]
) -> Sample:
    before = server.workers_cpu_s()
    duration = f"{max(1, round(seconds))}s"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{duration}", *options, f"{server.url}{path}", "--", *after]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = server.workers_cpu_s() - before
    result = json.loads(output.partition("RESULT ")[2])
    if result["refused"] or result["broken"] or not result["requests"]:
        raise RuntimeError(f"{path}: {result}\n{server.log()[-2000:]}")
    return {
        "rate": result["requests"] / result["us"] * 1e6,
        "cpu_us": used / result["requests"] * 1e6,
        "p50_ms": result["p50_us"] / 1000,
        "p99_ms": result["p99_us"] / 1000,
        "max_ms": result["max_us"] / 1000,
    }
