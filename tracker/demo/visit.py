"""A simulated visit: what the storefront script would report and ask, and how its shopper takes to a popup."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tracker.demo.catalogue import PRODUCTS
from tracker.insights.orders import checkout_key

LOCALES: Final = ("en-GB", "en-US", "de-DE", "fr-FR", "he-IL")

PRICES: Final = {product.handle: product.price // 100 for product in PRODUCTS}
"""Handle of a product -> its price in euros."""

_CLICKED: Final = 0.16
_CLOSED: Final = 0.5
_QUIET_MS: Final = 120_000
"""For so long after a popup the script asks nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Popup:
    """An answer that asks for a popup."""

    message_id: str
    category: str
    trigger: str
    opens: str
    """What its button does, as the script reports it: cart, page, apply; "" without one."""
    delay_ms: int


class Door(Protocol):
    """The service, as the script in a page sees it."""

    def report(self, body: dict[str, Any]) -> None:
        """Take in what the script posts to /ingest."""

    def ask(self, session: str, why: str) -> Popup | None:
        """Answer what the script posts to /askai; None: show nothing."""


class Visit:
    """One visit, as its shopper acts. Times are ms; the visit's clock moves with each act."""

    def __init__(
        self,
        session: str,
        chance: random.Random,
        begun_ms: int,
        door: Door,
        *,
        locale: str,
        number: int = 1,
        buys: int = 0,
        lot: int | None = None,
        offered: str = "",
    ) -> None:
        """`number` and `buys`: the browser's visits and orders so far; `lot` and `offered`: what it remembers."""
        self.session = session
        self.chance = chance
        self.clock = begun_ms
        self.page = "/"
        self.items = 0
        self.total = 0
        """What the cart is worth, in euros."""
        self._door = door
        self._arrival = {"visit": number, "buys": buys, "locale": locale}
        self._browser = {"lot": lot, "offered": offered or None, "example": True}
        self._quiet_until = 0
        self._times: dict[str, int] = {}
        self._fresh: dict[str, list[dict[str, Any]]] = {}
        self._numbers = itertools.count(chance.randrange(1_000_000) * 1000)

    def act(self, kind: str, **more: Any) -> None:
        """Record an event on this page."""
        event = {"type": kind, "ts": self.clock, "n": next(self._numbers), **more}
        self._fresh.setdefault(self.page, []).append(event)

    def stay(self, least_s: float, most_s: float) -> None:
        """Let time pass on this page."""
        spent = round(self.chance.uniform(least_s, most_s) * 1000)
        self.clock += spent
        self._times[self.page] = self._times.get(self.page, 0) + spent

    def open(self, page: str) -> None:
        """Go to a page."""
        if self._fresh:
            if page != self.page:
                self.act("click", target="a.card" if "/products/" in page else "a", href=page)
            self.send()
        self.page = page
        self.clock += self.chance.randrange(120, 900)
        self.act("view", **self._arrival)

    def read(self, least_s: float, most_s: float) -> None:
        """Stay on the page for a time between these bounds, and perhaps scroll."""
        self.stay(least_s / 2, most_s / 2)
        for depth in (25, 50, 75, 100)[: self.chance.randrange(5)]:
            self.clock += self.chance.randrange(300, 2000)
            self.act("scroll", depth=depth)
        self.stay(least_s / 2, most_s / 2)

    def put_in_cart(self, count: int = 1) -> None:
        """Put so many of the product on this page into the cart."""
        handle = self.page.rpartition("/")[2]
        self.act("click", target="#add-to-cart")
        self.clock += self.chance.randrange(150, 600)
        self.total += count * PRICES[handle]
        self.act("add_to_cart", items=self.items + count, was=self.items, total=self.total * 100, currency="EUR")
        self.items += count
        self.send()
        self.ask("cart")

    def take_out(self) -> None:
        """Empty the cart."""
        self.act("remove_from_cart", items=0, was=self.items)
        self.items = self.total = 0

    def send(self) -> None:
        """Report what is new."""
        self._door.report(
            {
                "session": self.session,
                "itemsInCart": self.items,
                "timeOnPage": dict(self._times),
                "events": self._fresh,
                "sentAt": self.clock,
                **{name: value for name, value in self._browser.items() if value is not None},
            }
        )
        self._fresh = {}

    def ask(self, why: str) -> None:
        """Ask whether a popup would help, and take to it as shoppers do: most close it or leave it."""
        if self.clock < self._quiet_until:
            return
        popup = self._door.ask(self.session, why)
        if popup is None:
            return
        self.clock += popup.delay_ms + self.chance.randrange(100, 400)
        of_it = {"category": popup.category, "trigger": popup.trigger, "message_id": popup.message_id}
        self.act("popup_shown", **of_it)
        self._quiet_until = self.clock + _QUIET_MS
        self.clock += self.chance.randrange(1500, 9000)
        mood = self.chance.random()
        if mood < _CLICKED and popup.opens:
            self.act("popup_clicked", **of_it, action=popup.opens)
        elif mood < _CLICKED + _CLOSED:
            self.act("popup_dismissed", **of_it)
        self.send()

    def begin_checkout(self, token: str = "") -> None:
        """Leave for the checkout, where the pixel reports and not the script."""
        self.open("/cart")
        self.read(5, 30)
        self.act("click", target="#checkout")
        self.send()
        self.page = "/checkout"
        self.act("checkout_started", **_with_key(token), items=self.items, total=self.total, currency="EUR")
        self.send()

    def complete_checkout(self, token: str = "") -> None:
        """Pay; the pixel reports it."""
        self.clock += self.chance.randrange(40_000, 200_000)
        self.act("checkout_completed", **_with_key(token), items=self.items, total=self.total, currency="EUR")
        self.items = 0
        self.send()


def _with_key(token: str) -> dict[str, str]:
    return {"key": checkout_key(token)} if token else {}
