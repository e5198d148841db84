"""Made-up shoppers: who they are, what they do, and the sender that posts it to a running service at a chosen rate."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

KINDS: Mapping[str, int] = {"bouncer": 45, "browser": 30, "hesitator": 15, "buyer": 10}
"""Of a hundred shoppers, about so many of each kind."""

_HANDLES = ("tidewater-mug", "stone-teapot", "linen-throw", "arc-lamp", "ash-vase", "beeswax-candle", "oak-tray")
_COLLECTIONS = ("all", "table", "textiles", "light")
_DOORS = ("/", "/", "/collections/all", "/products/ash-vase", "/pages/journal")
_LOCALES = ("en-GB", "en-US", "de-DE", "fr-FR", "he-IL")


@dataclass(frozen=True, slots=True)
class Post:
    """One request of a shopper's browser."""

    path: str
    body: str


@dataclass(frozen=True, slots=True)
class Shopper:
    """A made-up shopper and all that the browser sends, in order."""

    session: str
    kind: str
    posts: tuple[Post, ...]


class _Visit:
    """Writes down a visit as the storefront script would: snapshots with the events that are new."""

    def __init__(self, session: str, chance: random.Random, begun_ms: int) -> None:
        self.session = session
        self.chance = chance
        self.clock = begun_ms
        self.page = "/"
        self.items = 0
        self.times: dict[str, int] = {}
        self.fresh: dict[str, list[dict[str, Any]]] = {}
        self.posts: list[Post] = []
        self.locale = chance.choice(_LOCALES)
        self._numbers = itertools.count(chance.randrange(1_000_000) * 1000)

    def act(self, kind: str, **more: Any) -> None:
        event = {"type": kind, "ts": self.clock, "n": next(self._numbers), **more}
        self.fresh.setdefault(self.page, []).append(event)

    def stay(self, least_s: float, most_s: float) -> None:
        spent = round(self.chance.uniform(least_s, most_s) * 1000)
        self.clock += spent
        self.times[self.page] = self.times.get(self.page, 0) + spent

    def open(self, page: str) -> None:
        if self.fresh:
            if page != self.page:
                self.act("click", target="a.card" if "/products/" in page else "a", href=page)
            self.send()
        self.page = page
        self.clock += self.chance.randrange(120, 900)
        self.act("view", visit=1, locale=self.locale)

    def read(self, least_s: float, most_s: float) -> None:
        """Look at the page for so long, and perhaps scroll."""
        self.stay(least_s / 2, most_s / 2)
        for depth in (25, 50, 75, 100)[: self.chance.randrange(5)]:
            self.clock += self.chance.randrange(300, 2000)
            self.act("scroll", depth=depth)
        self.stay(least_s / 2, most_s / 2)

    def put_in_cart(self, count: int = 1) -> None:
        self.act("click", target="#add-to-cart")
        self.clock += self.chance.randrange(150, 600)
        self.act("add_to_cart", items=self.items + count, was=self.items)
        self.items += count
        self.send()
        self.ask()

    def take_out(self) -> None:
        self.act("remove_from_cart", items=0, was=self.items)
        self.items = 0

    def send(self) -> None:
        body = {
            "session": self.session,
            "itemsInCart": self.items,
            "timeOnPage": self.times,
            "events": self.fresh,
            "sentAt": self.clock,
        }
        self.posts.append(Post("/ingest", json.dumps(body, separators=(",", ":"))))
        self.fresh = {}

    def ask(self) -> None:
        self.posts.append(Post("/askai", self.session))


def _bounce(visit: _Visit) -> None:
    visit.open(visit.chance.choice(_DOORS))
    visit.read(1, 14)
    if visit.chance.random() < 0.3:
        visit.act("exit_intent")


def _browse(visit: _Visit) -> None:
    _bounce(visit)
    for _ in range(visit.chance.randrange(1, 4)):
        visit.open(f"/collections/{visit.chance.choice(_COLLECTIONS)}")
        visit.read(4, 20)
        visit.open(f"/products/{visit.chance.choice(_HANDLES)}")
        visit.read(8, 50)
    visit.act("exit_intent")


def _hesitate(visit: _Visit) -> None:
    _browse(visit)
    visit.put_in_cart(visit.chance.randrange(1, 4))
    for _ in range(visit.chance.randrange(1, 4)):
        visit.open("/cart")
        visit.read(20, 90)
        visit.send()
        visit.ask()
        visit.open(f"/products/{visit.chance.choice(_HANDLES)}")
        visit.read(10, 60)
    if visit.chance.random() < 0.2:
        visit.open("/cart")
        visit.take_out()


def _buy(visit: _Visit) -> None:
    _browse(visit)
    visit.put_in_cart(visit.chance.randrange(1, 3))
    visit.open("/cart")
    visit.read(5, 30)
    visit.act("click", target="#checkout")
    visit.act("checkout_started")
    visit.send()
    visit.page = "/checkout"
    visit.clock += visit.chance.randrange(40_000, 200_000)
    total = visit.items * visit.chance.choice((19, 24, 42, 68))
    visit.act("checkout_completed", items=visit.items, total=total, currency="EUR")
    visit.items = 0


_LIVES: Mapping[str, Callable[[_Visit], None]] = {
    "bouncer": _bounce,
    "browser": _browse,
    "hesitator": _hesitate,
    "buyer": _buy,
}


def shoppers(seed: int, count: int, now_ms: int, span_ms: int) -> Iterator[Shopper]:
    """Make so many shoppers, whose visits began within `span_ms` before now; the same seed gives the same ones."""
    chance = random.Random(seed)
    for number in range(count):
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        # The longest visit is about twenty minutes: nobody's clock runs ahead of the service's.
        visit = _Visit(f"sim-{seed:x}-{number:06d}", chance, now_ms - 1_500_000 - chance.randrange(span_ms + 1))
        _LIVES[kind](visit)
        visit.send()
        yield Shopper(visit.session, kind, tuple(visit.posts))


@dataclass(slots=True)
class Outcome:
    """What became of it all."""

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    """Answers by path and status: `/ingest 200`; `/ingest failed` where none came."""
    popups: int = 0
    ingest_ms: list[float] = field(default_factory=list)
    ask_ms: list[float] = field(default_factory=list)
    seconds: float = 0

    def to_json(self) -> dict[str, Any]:
        """Give the figures for machines."""
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
    """Lets posts go at so many a second, whoever sends them; 0 is as fast as it goes."""

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
    """Post what the shoppers do to the service at `url`: so many posts a second, over so many connections.

    `on_done` is called after each shopper, one call at a time. A post that fails is counted, never raised.
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
    """Give (status or `failed`, milliseconds, whether a popup was advised)."""
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
