"""Sending simulated shoppers to a running service at a chosen rate, and counting the answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tracker.demo.shoppers import Post, Shopper


@dataclass(slots=True)
class Outcome:
    """The answers that the service gave, counted and timed."""

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    """Number of answers by path and status: `/ingest 200`, or `/ingest failed` if no answer came."""
    popups: int = 0
    ingest_ms: list[float] = field(default_factory=list)
    ask_ms: list[float] = field(default_factory=list)
    seconds: float = 0

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object."""
        posts = len(self.ingest_ms) + len(self.ask_ms)
        return {
            "shoppers": dict(self.kinds),
            "answers": dict(sorted(self.statuses.items())),
            "popups": self.popups,
            "posts_per_s": round(posts / self.seconds, 1) if self.seconds else 0,
            "ingest_ms": _spread(self.ingest_ms),
            "ask_ms": _spread(self.ask_ms),
            "seconds": round(self.seconds, 2),
        }


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    if not ordered:
        return {}
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
        for name, share in (("median", 0.5), ("p99", 0.99), ("worst", 1.0))
    }


class _Pace:
    """Holds all senders together to `rate` posts a second; 0 means no limit."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        if not self._gap:
            return
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._gap
        time.sleep(max(0.0, turn - time.monotonic()))


def run(
    url: str, people: Iterable[Shopper], rate: float, senders: int, on_done: Callable[[], None] = lambda: None
) -> Outcome:
    """Send all posts of the shoppers to the service at `url`: `rate` posts a second over `senders` connections.

    `on_done` is called after each shopper, never by two threads at once. A post that fails is counted, not raised.
    """
    outcome = Outcome()
    pace = _Pace(rate)
    queue = iter(people)
    lock = threading.Lock()

    def send() -> None:
        connection = _connect(url)
        while True:
            with lock:
                shopper = next(queue, None)
            if shopper is None:
                break
            answers = []
            for post in shopper.posts:
                pace.wait()
                answers.append((post.path, *_post(connection, post)))
            with lock:
                _add(outcome, shopper, answers)
                on_done()
        connection.close()

    began = time.monotonic()
    threads = [threading.Thread(target=send, daemon=True) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.seconds = time.monotonic() - began
    return outcome


def _connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "127.0.0.1", parts.port, timeout=30)


def _post(connection: http.client.HTTPConnection, post: Post) -> tuple[str, float, bool]:
    """Return (status or `failed`, milliseconds, whether the answer asks for a popup)."""
    began = time.perf_counter()
    try:
        connection.request("POST", post.path, post.body.encode(), {"Content-Type": "text/plain;charset=UTF-8"})
        answer = connection.getresponse()
        data = answer.read()
        status = str(answer.status)
    except (OSError, http.client.HTTPException):
        connection.close()
        status, data = "failed", b""
    took = (time.perf_counter() - began) * 1000
    return status, took, post.path == "/askai" and b'"show_popup":true' in data.replace(b": ", b":")


def _add(outcome: Outcome, shopper: Shopper, answers: list[tuple[str, str, float, bool]]) -> None:
    outcome.kinds[shopper.kind] += 1
    for path, status, took, popup in answers:
        outcome.statuses[f"{path} {status}"] += 1
        (outcome.ask_ms if path == "/askai" else outcome.ingest_ms).append(took)
        outcome.popups += popup
