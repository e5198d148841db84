"""Simulated shoppers: their kinds, how each kind behaves, and the posts that their browsers would send."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracker.demo.visit import LOCALES, PRICES, Popup, Visit

KINDS: Mapping[str, int] = {"bouncer": 45, "browser": 30, "hesitator": 15, "buyer": 10}
"""Kind of shopper -> how many of a hundred are of that kind."""

_HANDLES = tuple(PRICES)
_COLLECTIONS = ("all", "table", "textiles", "light")
_LANDING_PAGES = ("/", "/", "/collections/all", "/products/ash-vase", "/pages/journal")
_WONDERS = ("", "/policies/shipping-policy", "/policies/refund-policy", "/pages/size-guide", "/pages/contact")
"""Where shoppers look for an answer; the first ones have no question."""


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


@dataclass(slots=True)
class _Outbox:
    """A Door that keeps what is posted, to be sent later; no question of it has an answer yet."""

    posts: list[Post] = field(default_factory=list)

    def report(self, body: dict[str, Any]) -> None:
        self.posts.append(Post("/ingest", json.dumps(body, separators=(",", ":"))))

    def ask(self, session: str, why: str) -> Popup | None:
        self.posts.append(Post("/askai", json.dumps({"session": session, "why": why})))
        return None


def bounce(visit: Visit) -> None:
    """Look at one page."""
    visit.open(visit.chance.choice(_LANDING_PAGES))
    visit.read(1, 14)
    if visit.chance.random() < 0.3:
        visit.act("exit_intent")


def browse(visit: Visit) -> None:
    """Look at some products."""
    bounce(visit)
    for _ in range(visit.chance.randrange(1, 4)):
        visit.open(f"/collections/{visit.chance.choice(_COLLECTIONS)}")
        visit.read(4, 20)
        visit.open(f"/products/{visit.chance.choice(_HANDLES)}")
        visit.read(8, 50)
    visit.act("exit_intent")


def hesitate(visit: Visit) -> None:
    """Put something into the cart, and go back and forth; many wonder about one thing."""
    browse(visit)
    visit.put_in_cart(visit.chance.randrange(1, 4))
    wonder = visit.chance.choice(_WONDERS)
    for _ in range(visit.chance.randrange(1, 4)):
        visit.open("/cart")
        visit.read(20, 90)
        visit.send()
        visit.ask("idle")
        if wonder:
            visit.open(wonder)
            visit.read(8, 40)
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


def want(visit: Visit) -> None:
    """Put something into the cart at once."""
    browse(visit)
    visit.put_in_cart(visit.chance.randrange(1, 3))


def _buy(visit: Visit) -> None:
    want(visit)
    visit.begin_checkout()
    visit.complete_checkout()


_BEHAVIOUR: Mapping[str, Callable[[Visit], None]] = {
    "bouncer": bounce,
    "browser": browse,
    "hesitator": hesitate,
    "buyer": _buy,
}


def shoppers(seed: int, count: int, now_ms: int, span_ms: int) -> Iterator[Shopper]:
    """Yield `count` shoppers whose visits began within `span_ms` before now; the same seed yields the same shoppers."""
    chance = random.Random(seed)
    for number in range(count):
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        # The longest visit takes about 20 minutes, so no event is later than now.
        begun_ms = now_ms - 1_500_000 - chance.randrange(span_ms + 1)
        outbox = _Outbox()
        visit = Visit(f"sim-{seed:x}-{number:06d}", chance, begun_ms, outbox, locale=chance.choice(LOCALES))
        _BEHAVIOUR[kind](visit)
        visit.send()
        yield Shopper(visit.session, kind, tuple(outbox.posts))
