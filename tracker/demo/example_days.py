"""Days of an example shop: simulated shoppers, decided about by the real engine, in two groups with a known effect.

Each visit goes the way of a real one: reports are merged as /ingest merges them, questions are answered by the engine
with the owner's file, and an order is read as a webhook's body is. Only the clock is moved by hand.
"""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from tracker.decisions.decision import Shown
from tracker.decisions.engine import Engine
from tracker.decisions.holdout.epoch import EXAMPLE, lot_of
from tracker.decisions.holdout.epochs import FixedEpoch
from tracker.decisions.holdout.offer import Offer
from tracker.decisions.rehearsal.player import HandClock
from tracker.decisions.rehearsal.stage import FixedShop
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.signals import Why
from tracker.demo.shoppers import bounce, browse, hesitate, want
from tracker.demo.visit import LOCALES, Popup, Visit
from tracker.insights.orders import read_order, with_order
from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import LOTS, Report, ShopperSession
from tracker.sessions.store import Change, SessionStore

DAY_MS: Final = 86_400_000
PREFIX: Final = "example-"
"""How the ids of these sessions begin."""

_KINDS: Final = {"bouncer": 36, "browser": 24, "hesitator": 30, "buyer": 10}
"""More shoppers hesitate than in a usual shop, so that few days show what popups do."""
_BEHAVIOUR: Final[Mapping[str, Callable[[Visit], None]]] = {
    "bouncer": bounce,
    "browser": browse,
    "hesitator": hesitate,
    "buyer": want,
}
_BUYING: Final = {"bouncer": 0.0, "browser": 0.0, "hesitator": 0.3, "buyer": 0.8}
"""The probability of an order, without a popup."""
_LEAVING: Final = 0.1
"""The probability of a checkout that is begun and left; no effect reaches it."""
_MOST_BUYING: Final = 1 - _LEAVING
_RETURNING: Final = 0.22
_MOST_VISITS: Final = 4
_CANCELLED: Final = 0.03
_REFUNDED: Final = 0.05
_HOURS: Final = (1, 1, 1, 1, 1, 1, 2, 4, 6, 7, 8, 8, 9, 9, 8, 8, 8, 9, 11, 14, 16, 14, 8, 3)
"""How busy each hour of the day is."""
_LONGEST_MS: Final = 45 * 60_000
"""No visit takes longer."""
_LIMITS: Final = SessionLimits(events=5_000, pages=200, event_bytes=2 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the days shall hold."""

    days: int
    a_day: int
    """New browsers a day, on average."""
    effect: float
    """How much more often a browser orders that was offered a popup and is not held back: 0.2 for 20 % more."""
    seed: int


@dataclass(slots=True)
class _Browser:
    """What one browser remembers, and what its shopper is like."""

    number: int
    kind: str
    lot: int
    locale: str
    visits: int = 0
    buys: int = 0
    offered: str = ""
    is_shown: bool = False


class _Desk:
    """The place of the visit that is played just now: all of a SessionStore that its reports and questions use.

    Sessions are frozen, so none is copied: with each written as text, the days would take a quarter longer.
    """

    def __init__(self) -> None:
        self._visit: ShopperSession | None = None

    def get(self, session_id: str) -> ShopperSession | None:
        return self._visit if self._visit is not None and self._visit.session == session_id else None

    def update(self, session_id: str, change: Change) -> ShopperSession:
        self._visit = change(self.get(session_id))
        return self._visit


class _Service:
    """A Door to the real merge and the real engine, whose clock is moved by hand."""

    def __init__(self, shop: Shop) -> None:
        self.desk = _Desk()
        self._clock = HandClock(0)
        self._engine = Engine(
            cast(SessionStore, self.desk), FixedShop(shop), clock=self._clock, epochs=FixedEpoch(EXAMPLE)
        )

    def report(self, body: dict[str, Any]) -> None:
        self._clock.now_ms = body["sentAt"]
        report = Report(
            session=body["session"],
            items_in_cart=body["itemsInCart"],
            clock=body["sentAt"],
            time_on_page=body["timeOnPage"],
            events=body["events"],
            lot=body.get("lot"),
            offered=body.get("offered", ""),
            example=body["example"],
        )
        self.desk.update(report.session, lambda stored: merge(stored, report, _LIMITS, self._clock.now_ms))

    def ask(self, session: str, why: str) -> Popup | None:
        decision = self._engine.advise(session, cast(Why, why))
        if not isinstance(decision, Shown):
            return None
        action = decision.action() or {}
        opens = "apply" if "apply" in action else action.get("opens", "")
        return Popup(
            message_id=decision.message.id,
            category=decision.category,
            trigger=decision.trigger,
            opens=opens if opens in {"", "apply", "cart"} else "page",
            delay_ms=decision.delay_ms,
        )


def play_days(plan: Plan, shop: Shop, now_ms: int) -> Iterator[ShopperSession]:
    """Yield the finished visits of the days before `now_ms`, decided about by the shop's file, without a model.

    The same seed, file and moment yield the same visits.
    """
    chance = random.Random(plan.seed)
    door = _Service(shop)
    locales = [locale for locale in LOCALES if shop.speaks_to(locale)] or list(LOCALES)
    due: list[tuple[int, _Browser]] = []
    number = 0
    for day in range(plan.days, 0, -1):
        begun_ms = now_ms - day * DAY_MS
        for _ in range(round(plan.a_day * chance.uniform(0.8, 1.2) * (1.25 if _is_weekend(begun_ms) else 0.9))):
            kind = chance.choices(list(_KINDS), list(_KINDS.values()))[0]
            lot, locale = chance.randrange(LOTS), chance.choice(locales)
            due.append((_moment(begun_ms, chance), _Browser(number=number, kind=kind, lot=lot, locale=locale)))
            number += 1
        due.sort(key=_in_time)
        while due and due[0][0] < begun_ms + DAY_MS:
            at_ms, browser = due.pop(0)
            if at_ms > now_ms - _LONGEST_MS:
                continue
            browser.visits += 1
            # What comes of a visit changes no other one: with another effect the same shoppers come.
            own = random.Random(f"{plan.seed}.{browser.number}.{browser.visits}")
            again, next_ms = own.random(), _moment(at_ms + own.randrange(1, 6) * DAY_MS, own)
            yield _visit(at_ms, browser, plan, door, own)
            if browser.visits < _MOST_VISITS and again < _RETURNING:
                insort(due, (next_ms, browser), key=_in_time)


def _in_time(one: tuple[int, _Browser]) -> tuple[int, int]:
    return one[0], one[1].number


def _visit(at_ms: int, browser: _Browser, plan: Plan, door: _Service, chance: random.Random) -> ShopperSession:
    session_id = f"{PREFIX}{plan.seed:x}-{browser.number:05d}-{browser.visits}"
    wish = chance.random()
    visit = Visit(
        session_id,
        chance,
        at_ms,
        door,
        locale=browser.locale,
        number=browser.visits,
        buys=browser.buys,
        lot=browser.lot,
        offered=browser.offered,
    )
    _BEHAVIOUR[browser.kind](visit)
    visit.send()
    session = door.desk.get(session_id)
    assert session is not None
    offer = Offer.of(session.decisions)
    if offer is not None and offer.epoch == EXAMPLE.id:
        browser.offered = EXAMPLE.id
        browser.is_shown = not EXAMPLE.holds(lot_of(session))
    buying = _BUYING[browser.kind] * (1 + plan.effect if browser.is_shown else 1)
    if visit.items and wish < min(buying, _MOST_BUYING):
        session = _buy(visit, door, chance)
        browser.buys += 1
    elif visit.items and wish > 1 - _LEAVING:
        session = _leave_at_the_till(visit, door)
    return session


def _leave_at_the_till(visit: Visit, door: _Service) -> ShopperSession:
    visit.begin_checkout(f"{visit.chance.getrandbits(128):032x}")
    session = door.desk.get(visit.session)
    assert session is not None
    return session


def _buy(visit: Visit, door: _Service, chance: random.Random) -> ShopperSession:
    """Let the pixel report a purchase, and Shopify tell of its order and of what becomes of it."""
    total, token = visit.total, f"{chance.getrandbits(128):032x}"
    visit.begin_checkout(token)
    visit.complete_checkout(token)
    placed = _iso(visit.clock)
    body = {
        "id": chance.getrandbits(42),
        "checkout_token": token,
        "currency": "EUR",
        "current_total_price": f"{total}.00",
        "created_at": placed,
        "updated_at": placed,
    }
    fate = chance.random()
    if fate < _CANCELLED + _REFUNDED:
        later = _iso(visit.clock + chance.randrange(60_000, 600_000))
        changed = {"cancelled_at": later} if fate < _CANCELLED else {"current_total_price": f"{total // 2}.00"}
        body |= {"updated_at": later, **changed}
    order = read_order(body)

    def ordered(stored: ShopperSession | None) -> ShopperSession:
        assert stored is not None
        return with_order(stored, order)

    return door.desk.update(visit.session, ordered)


def _moment(day_ms: int, chance: random.Random) -> int:
    """Return a moment of the 24 hours from `day_ms` on, in an hour as busy as it is."""
    start = datetime.fromtimestamp(day_ms / 1000, UTC).hour
    hour = chance.choices(range(24), [_HOURS[(start + hour) % 24] for hour in range(24)])[0]
    return day_ms + hour * 3_600_000 + chance.randrange(3_600_000)


def _is_weekend(at_ms: int) -> bool:
    return datetime.fromtimestamp(at_ms / 1000, UTC).weekday() >= 5


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
