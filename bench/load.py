"""Load from outside: wrk sends requests to a real Gunicorn."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.measure import Sample
from testing.gunicorn_server import GunicornServer

_SCRIPT = Path(__file__).with_name("load.lua")
_runs = itertools.count(1)


def require_wrk() -> None:
    """End the program with one line where wrk is missing."""
    if shutil.which("wrk") is None:
        sys.exit("The bench needs wrk: `apt install wrk`, or `brew install wrk`.")


@dataclass(frozen=True)
class Load:
    """How long wrk sends, and over how many connections; it uses one thread."""

    seconds: int = 2
    connections: int = 16

    def visits(self, server: GunicornServer, path: str, visit: Path, *, open_visits: int = 64) -> Sample:
        """Post visits, `open_visits` of them at a time; each run has new sessions. Returns what `get` returns."""
        return self._run(server, path, "visit", str(visit), f"run-{next(_runs):06d}", str(open_visits))

    def questions(self, server: GunicornServer, first: int, count: int) -> Sample:
        """Ask about `count` stored sessions in turn, from number `first` on. Returns what `get` returns."""
        return self._run(server, "/askai", "ask", str(first), str(count))

    def get(self, server: GunicornServer, path: str) -> Sample:
        """Request the same address again and again.

        Returns rate (answers a second), cpu_us (processor time of the workers, an answer), p50_ms, p99_ms and max_ms.
        Raises RuntimeError where anything but 2xx came back: a refusal is no speed.
        """
        return self._run(server, path)

    def _run(self, server: GunicornServer, path: str, *arguments: str) -> Sample:
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{self.seconds}s", "--timeout", "60s"]
        before = _cpu_s(server)
        output = subprocess.run(  # noqa: S603  a command of our own
            [*command, "-s", str(_SCRIPT), f"{server.url}{path}", "--", *arguments],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        used = _cpu_s(server) - before
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


def _cpu_s(server: GunicornServer) -> float:
    """Return the processor time of the workers, including threads that have ended, such as that of a compaction."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in server.worker_pids())
