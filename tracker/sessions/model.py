"""A shopper's session, the reports that browsers send of it, and the record that a session is stored as."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, TypeAlias, TypeGuard

import orjson

Event: TypeAlias = dict[str, Any]
"""A browsing event: `type` (text), `ts` (whole milliseconds since 1970), and all further keys that the script sent."""

Record: TypeAlias = dict[str, Any]
"""A session as a JSON object, as files and answers hold it."""

Horizon: TypeAlias = tuple[int, str, str]
"""(ts, page, canonical event): a position in the order of a session's events."""

MAX_INTEGER = 2**53
"""The largest whole number up to which JavaScript, and so every reader of the record, is exact."""

MAX_AHEAD_MS = 86_400_000
"""How far a browser's clock may be ahead of the service's: one day, which a wrong time zone never exceeds."""

ANY_SESSION_ID = r"[A-Za-z0-9._-]{8,64}"
"""The pattern of a session id: a UUID, or the text of time and random digits that older browsers make."""

LOTS = 1000
"""A browser draws one of so many lots once; many browsers share each, so a lot names nobody."""

_EPOCH = re.compile(r"[A-Za-z0-9-]{1,32}")

_ts = itemgetter("ts")

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")


def is_session_id(value: object) -> bool:
    """Return whether every part of the service accepts this value as the id of a session."""
    return isinstance(value, str) and re.fullmatch(ANY_SESSION_ID, value) is not None


def is_lot(value: object) -> TypeGuard[int]:
    """Return whether the value is a lot: a whole number from 0 to 999."""
    return type(value) is int and 0 <= value < LOTS


def is_epoch(value: object) -> TypeGuard[str]:
    """Return whether the value can be the name of an epoch: a short text of letters, digits and hyphens."""
    return isinstance(value, str) and _EPOCH.fullmatch(value) is not None


def clean(text: str) -> str:
    """Return the text with every run of control characters and halves of surrogate pairs replaced by one space."""
    return text if text.isprintable() else _UNPRINTABLE.sub(" ", text)


def canonical(event: Event) -> str:
    """Return the event as JSON with sorted keys: two events are the same if these texts are equal."""
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS).decode()


def size_of(events: Sequence[Event]) -> int:
    """Return the sum of the canonical lengths of these events in bytes, without serialising each one alone."""
    brackets_and_commas = len(events) + 1
    return len(orjson.dumps(events)) - brackets_and_commas if events else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The content of one body about a session, cleaned, all times in milliseconds.

    A *snapshot* (`adds_time` false) repeats all that the script knows so far; an *envelope* (`adds_time` true) holds
    only what happened since the last envelope that was answered.
    """

    session: str
    items_in_cart: int | None = None
    clock: int = 0
    """The browser's clock when it made the body, 0 if unknown. The cart comes from the report with the newest clock."""
    time_on_page: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, list[Event]] = field(default_factory=dict)
    adds_time: bool = False
    whole_digest: str = ""
    """The digest of the body as it arrived, if `bounded` left a part of it out; otherwise empty."""
    lot: int | None = None
    """The browser's lot, if it has drawn one."""
    offered: str = ""
    """The epoch in which this browser was offered a popup in an earlier visit; empty: in none."""
    example: bool = False
    """Whether a simulated shopper sends it."""

    def bounded(self, now: int, left_out: Callable[[str, str], None] = lambda where, reason: None) -> Report:
        """Return the report without anything later than the service's clock (`now`, ms) plus a day.

        Without this bound, anyone who knows a session's id could fill it with events of the far future, which are kept
        as the newest, or stop its cart from ever changing. `left_out` is called with (place, reason) for every event
        that is left out. A clock beyond the bound counts as a body without one: the newest event takes its place.
        Nothing is moved to the bound, because a body that arrives twice would then hold two different times.
        """
        latest = now + MAX_AHEAD_MS
        newest = max((max(map(_ts, events)) for events in self.events.values() if events), default=0)
        if self.clock <= latest and newest <= latest:
            return self
        events: dict[str, list[Event]] = {}
        for page, listed in self.events.items():
            events[page] = [event for event in listed if event["ts"] <= latest]
            for _ in range(len(listed) - len(events[page])):
                left_out(f"events.{page}", "ts is more than a day ahead of the service's clock")
        if self.clock <= latest:
            clock = self.clock
        else:
            clock = max((event["ts"] for kept in events.values() for event in kept), default=0)
        return replace(self, clock=clock, events=events, whole_digest=self.digest())

    def digest(self) -> str:
        """Return a hash of the body's content, by which the same body is recognised when it arrives again."""
        if self.whole_digest:
            return self.whole_digest
        content = [self.clock, self.items_in_cart, self.time_on_page, self.events]
        return hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeState:
    """The part of a session that makes merging independent of the order in which reports arrive."""

    began_at: int = 0
    """The service's clock at the first report; 0 for a session of a version that did not keep it."""
    cart_clock: int = -1
    """The clock of the report that `items_in_cart` came from; -1 before the first one."""
    added_time: Mapping[str, int] = field(default_factory=dict)
    """The part of `time_on_page` that envelopes added."""
    envelopes: tuple[tuple[int, str], ...] = ()
    """(clock, digest) of the newest envelopes, ascending."""
    event_bytes: int = 0
    dropped_events: int = 0
    """The number of stored events that were dropped for newer ones."""
    horizon: Horizon | None = None
    """The position of the newest event that was dropped: no event at or before it is taken in again."""

    def to_record(self) -> Record:
        record: Record = {"cartClock": self.cart_clock, "eventBytes": self.event_bytes}
        if self.began_at:
            record["beganAt"] = self.began_at
        if self.envelopes:
            record["addedTime"] = self.added_time
            record["envelopes"] = self.envelopes
        if self.horizon is not None:
            record["droppedEvents"] = self.dropped_events
            record["horizon"] = self.horizon
        return record

    @classmethod
    def from_record(cls, record: Record) -> MergeState:
        horizon = record.get("horizon")
        return cls(
            began_at=record.get("beganAt", 0),
            cart_clock=record.get("cartClock", -1),
            added_time=record.get("addedTime", {}),
            envelopes=tuple((clock, digest) for clock, digest in record.get("envelopes", ())),
            event_bytes=record.get("eventBytes", 0),
            dropped_events=record.get("droppedEvents", 0),
            horizon=None if horizon is None else (horizon[0], horizon[1], horizon[2]),
        )


_OWN_KEYS = frozenset(
    {
        *("session", "itemsInCart", "timeOnPage", "events", "updatedAt", "merge", "decisions"),
        *("lot", "offered", "orders", "example", "tally"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopperSession:
    """One shopper's visit. Times are milliseconds; the events of a page are ordered by (ts, canonical)."""

    session: str
    items_in_cart: int = 0
    time_on_page: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, list[Event]] = field(default_factory=dict)
    updated_at: int = 0
    """The service's clock at the last report that changed something."""
    merge: MergeState = field(default_factory=MergeState)
    decisions: Mapping[str, Any] = field(default_factory=dict)
    """The decisions made for this session so far. Their form is none of the core's business: they are kept as given."""
    lot: int | None = None
    """The lot of the shopper's browser, 0 to 999: the first one that was reported."""
    offered: str = ""
    """The epoch of the offer that the browser brought with it from an earlier visit: the first one reported."""
    orders: Mapping[str, Any] = field(default_factory=dict)
    """The orders of this visit by the key of their checkout. Their form is none of the core's business either."""
    example: bool = False
    """Whether a simulated shopper made it: no figure of the shop counts it."""
    tally: Sequence[Any] = ()
    """What the session comes down to in sums; empty: nobody counted it yet. Its form is not the core's business."""
    further: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the record that this version does not know; they are kept unchanged."""

    def bounded(self, now: int) -> ShopperSession:
        """Return the session with no clock beyond the service's (`now`, ms) plus a day; itself if there is none.

        The service's own clock, or a browser's, may have been far ahead when the session was stored. Such an
        `updated_at` becomes the time of the newest event within the bound, or `now` if there is none; a cart clock
        becomes 0, so that the next report sets the cart.
        """
        latest = now + MAX_AHEAD_MS
        if self.updated_at <= latest and self.merge.cart_clock <= latest:
            return self
        updated_at = self.updated_at
        if updated_at > latest:
            updated_at = max((event["ts"] for _page, event in self.all_events() if event["ts"] <= latest), default=now)
        cart_clock = self.merge.cart_clock if self.merge.cart_clock <= latest else 0
        return replace(self, updated_at=updated_at, merge=replace(self.merge, cart_clock=cart_clock))

    def all_events(self) -> Iterable[tuple[str, Event]]:
        """Return (page, event) for every event, page by page."""
        return ((page, event) for page, events in self.events.items() for event in events)

    def event_count(self) -> int:
        return sum(map(len, self.events.values()))

    def overview(self) -> Record:
        """Return the session's totals: {session, updatedAt, itemsInCart, pages, events, timeMs}."""
        return {
            "session": self.session,
            "updatedAt": self.updated_at,
            "itemsInCart": self.items_in_cart,
            "pages": len(self.events.keys() | self.time_on_page.keys()),
            "events": self.event_count(),
            "timeMs": min(sum(self.time_on_page.values()), MAX_INTEGER),
        }

    def to_record(self) -> Record:
        """Return the record.

        `session`, `updatedAt` and `tally` come first: stores find them there without parsing the rest.
        """
        return {
            "session": self.session,
            "updatedAt": self.updated_at,
            **({"tally": self.tally} if self.tally else {}),
            "itemsInCart": self.items_in_cart,
            "timeOnPage": self.time_on_page,
            "events": self.events,
            "merge": self.merge.to_record(),
            **({"decisions": self.decisions} if self.decisions else {}),
            **({"lot": self.lot} if self.lot is not None else {}),
            **({"offered": self.offered} if self.offered else {}),
            **({"orders": self.orders} if self.orders else {}),
            **({"example": True} if self.example else {}),
            **self.further,
        }

    @classmethod
    def from_record(cls, record: Record) -> ShopperSession:
        """Return the session of a record that `to_record` made. Raises KeyError or TypeError on any other."""
        return cls(
            session=record["session"],
            items_in_cart=record["itemsInCart"],
            time_on_page=record["timeOnPage"],
            events=record["events"],
            updated_at=record["updatedAt"],
            merge=MergeState.from_record(record["merge"]),
            decisions=record.get("decisions", {}),
            lot=record.get("lot"),
            offered=record.get("offered", ""),
            orders=record.get("orders", {}),
            example=record.get("example", False),
            tally=record.get("tally", ()),
            further={key: value for key, value in record.items() if key not in _OWN_KEYS},
        )
