"""Simulated shoppers: their kinds, and the posts that their browsers would send."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

KINDS: Mapping[str, int] = {"bouncer": 45, "browser": 30, "hesitator": 15, "buyer": 10}
"""Kind of shopper -> how many of a hundred are of that kind."""

_HANDLES = ("tidewater-mug", "stone-teapot", "linen-throw", "arc-lamp", "ash-vase", "beeswax-candle", "oak-tray")
_COLLECTIONS = ("all", "table", "textiles", "light")
_LANDING_PAGES = ("/", "/", "/collections/all", "/products/ash-vase", "/pages/journal")
_LOCALES = ("en-GB", "en-US", "de-DE", "fr-FR", "he-IL")


@dataclass(frozen=True, slots=True)
class Post:
    """One request of a shopper's browser."""

    path: str
    body: str


@dataclass(frozen=True, slots=True)
class Shopper:
    """A simulated shopper, and all posts of the browser in order."""

    session: str
    kind: str
    posts: tuple[Post, ...]


class _Visit:
    """Records a visit as the storefront script would report it: snapshots with the events since the last one."""

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
        """Stay on the page for a time between these bounds, and perhaps scroll."""
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
        self.ask("cart")

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

    def ask(self, why: str) -> None:
        self.posts.append(Post("/askai", json.dumps({"session": self.session, "why": why})))


def _bounce(visit: _Visit) -> None:
    visit.open(visit.chance.choice(_LANDING_PAGES))
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
        visit.ask("idle")
        visit.open(f"/products/{visit.chance.choice(_HANDLES)}")
        visit.read(10, 60)
        visit.act("exit_intent")
        visit.send()
        visit.ask("exit")
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


_BEHAVIOUR: Mapping[str, Callable[[_Visit], None]] = {
    "bouncer": _bounce,
    "browser": _browse,
    "hesitator": _hesitate,
    "buyer": _buy,
}


def shoppers(seed: int, count: int, now_ms: int, span_ms: int) -> Iterator[Shopper]:
    """Yield `count` shoppers whose visits began within `span_ms` before now; the same seed yields the same shoppers."""
    chance = random.Random(seed)
    for number in range(count):
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        # The longest visit takes about 20 minutes, so no event is later than now.
        visit = _Visit(f"sim-{seed:x}-{number:06d}", chance, now_ms - 1_500_000 - chance.randrange(span_ms + 1))
        _BEHAVIOUR[kind](visit)
        visit.send()
        yield Shopper(visit.session, kind, tuple(visit.posts))
