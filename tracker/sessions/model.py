"""The shopper's session as the domain sees it, what a browser reports of it, and its record on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

Event: TypeAlias = dict[str, Any]
"""One browsing event: `type` (text), `ts` (whole milliseconds since 1970), and whatever else the script sent."""

Record: TypeAlias = dict[str, Any]
"""The JSON object that stands for a session in files and answers."""

Horizon: TypeAlias = tuple[int, str, str]
"""(ts, page, canonical event): a place in the order of a session's events."""

MAX_INTEGER = 2**53
"""The largest whole number that JavaScript, and so every reader of the file, holds exactly."""

ANY_SESSION_ID = r"[A-Za-z0-9._-]{8,64}"
"""What a session id may be: a UUID, or the time-and-random text that older browsers make."""


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")


def clean(text: str) -> str:
    """Give the text without control characters and halves of surrogate pairs; a run of them becomes one space."""
    return text if text.isprintable() else _UNPRINTABLE.sub(" ", text)


def canonical(event: Event) -> str:
    """Give the one spelling of an event: two events are the same when this is."""
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS).decode()


def size_of(events: Sequence[Event]) -> int:
    """Tell how many bytes the spellings of these events have together, without making each."""
    brackets_and_commas = len(events) + 1
    return len(orjson.dumps(events)) - brackets_and_commas if events else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one body says of a session, cleaned and in milliseconds.

    A *snapshot* (`adds_time` false) repeats what the script knows so far; an *envelope* (`adds_time` true) holds only
    what happened since the last one that was answered.
    """

    session: str
    items_in_cart: int | None = None
    clock: int = 0
    """The browser's clock when the body was made, 0 where it says nothing: the newest clock knows the cart best."""
    time_on_page: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, list[Event]] = field(default_factory=dict)
    adds_time: bool = False

    def digest(self) -> str:
        """Name this body's content, so that the same one is known when it comes again."""
        content = [self.clock, self.items_in_cart, self.time_on_page, self.events]
        return hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeState:
    """What a session remembers of past reports, so that the next one can be merged whatever its order."""

    cart_clock: int = -1
    """The clock of the report that `items_in_cart` came from; -1 before the first."""
    added_time: Mapping[str, int] = field(default_factory=dict)
    """The part of `time_on_page` that envelopes added."""
    envelopes: tuple[tuple[int, str], ...] = ()
    """(clock, digest) of the newest envelopes, ascending."""
    event_bytes: int = 0
    dropped_events: int = 0
    """How many stored events had to make room for newer ones."""
    horizon: Horizon | None = None
    """(ts, page, canonical event) of the newest event dropped: nothing up to it comes back."""

    def to_record(self) -> Record:
        record: Record = {"cartClock": self.cart_clock, "eventBytes": self.event_bytes}
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
            cart_clock=record.get("cartClock", -1),
            added_time=record.get("addedTime", {}),
            envelopes=tuple((clock, digest) for clock, digest in record.get("envelopes", ())),
            event_bytes=record.get("eventBytes", 0),
            dropped_events=record.get("droppedEvents", 0),
            horizon=None if horizon is None else (horizon[0], horizon[1], horizon[2]),
        )


_OWN_KEYS = frozenset({"session", "itemsInCart", "timeOnPage", "events", "updatedAt", "merge", "decisions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopperSession:
    """One shopper's visit. Times are milliseconds; the events of a page stand in order of (ts, canonical)."""

    session: str
    items_in_cart: int = 0
    time_on_page: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, list[Event]] = field(default_factory=dict)
    updated_at: int = 0
    """The service's clock at the last report that changed something."""
    merge: MergeState = field(default_factory=MergeState)
    decisions: Mapping[str, Any] = field(default_factory=dict)
    """What was decided for this session so far, as `tracker.decisions.log` keeps it."""
    further: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the record that this version does not know: kept as they are."""

    def all_events(self) -> Iterable[tuple[str, Event]]:
        """Give (page, event) of every event, page by page."""
        return ((page, event) for page, events in self.events.items() for event in events)

    def event_count(self) -> int:
        return sum(map(len, self.events.values()))

    def overview(self) -> Record:
        """Sum the session up in a line: {session, updatedAt, itemsInCart, pages, events, timeMs}."""
        return {
            "session": self.session,
            "updatedAt": self.updated_at,
            "itemsInCart": self.items_in_cart,
            "pages": len(self.events.keys() | self.time_on_page.keys()),
            "events": self.event_count(),
            "timeMs": sum(self.time_on_page.values()),
        }

    def to_record(self) -> Record:
        """Give the record as the file and the owner's API hold it; `text.own_lines` counts on what comes first."""
        return {
            "session": self.session,
            "updatedAt": self.updated_at,
            "itemsInCart": self.items_in_cart,
            "timeOnPage": self.time_on_page,
            "events": self.events,
            "merge": self.merge.to_record(),
            **({"decisions": self.decisions} if self.decisions else {}),
            **self.further,
        }

    @classmethod
    def from_record(cls, record: Record) -> ShopperSession:
        """Read a record that `to_record` made. Raises KeyError or TypeError on anything else."""
        return cls(
            session=record["session"],
            items_in_cart=record["itemsInCart"],
            time_on_page=record["timeOnPage"],
            events=record["events"],
            updated_at=record["updatedAt"],
            merge=MergeState.from_record(record["merge"]),
            decisions=record.get("decisions", {}),
            further={key: value for key, value in record.items() if key not in _OWN_KEYS},
        )
