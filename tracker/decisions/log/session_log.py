"""The decision log of a session: its entries and counts, read once, and the session with the log's next state.

Its record stands under `decisions`: {entries, shown?, lastShown?, lastAsked?, asked?, askingUntil?, offer?}; an entry's
record is in `entry`, that of the offer in `holdout.offer`. Moments are ms since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tracker.decisions.holdout.offer import Offer
from tracker.decisions.log.entry import LogEntry
from tracker.decisions.visit.event_types import NOT_BY_SHOPPER
from tracker.sessions.model import ShopperSession

KEPT: Final = 20
"""How many entries a session keeps: the newest. Popups are counted beside them, so every rule finds what it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLog:
    """A session's decision log. Moments are ms since 1970, 0 for never.

    Entries are read when they are needed, which takes some 10 µs each: most decisions look at the newest one or two.
    An entry that cannot be read, because it is damaged or of another version, is passed over and stays as it is.
    """

    records: tuple[object, ...] = ()
    """The entries as they are stored, oldest first."""
    shown: int = 0
    """The popups that were ever decided for, including those whose entries were dropped."""
    last_shown_ms: int = 0
    last_asked_ms: int = 0
    """When the model was last asked."""
    asked: int = 0
    """How often the model was asked in this visit."""
    asking_until_ms: int = 0
    """Until when a worker may be asking the model about this session."""
    offer: Offer | None = None
    """The first would-show moment of the visit."""

    @classmethod
    def of(cls, session: ShopperSession) -> DecisionLog:
        record = session.decisions
        if not record:
            return _EMPTY
        return cls(
            records=tuple(_entry_records(record)),
            shown=_number(record, "shown"),
            last_shown_ms=_number(record, "lastShown"),
            last_asked_ms=_number(record, "lastAsked"),
            asked=_number(record, "asked"),
            asking_until_ms=_number(record, "askingUntil"),
            offer=Offer.of(record),
        )

    def newest_first(self) -> Iterator[LogEntry]:
        """Yield the entries that can be read, the newest one first."""
        for record in reversed(self.records):
            try:
                yield LogEntry.from_record(record)
            except ValueError:
                continue

    def numbered(self) -> Iterator[tuple[int, LogEntry]]:
        """Yield (place among the records, entry) of the entries that can be read, the oldest one first."""
        for number, record in enumerate(self.records):
            try:
                yield number, LogEntry.from_record(record)
            except ValueError:
                continue

    @property
    def entries(self) -> list[LogEntry]:
        """All entries that can be read, oldest first."""
        return list(self.newest_first())[::-1]

    @property
    def last(self) -> LogEntry | None:
        """The newest entry."""
        return next(self.newest_first(), None)


_EMPTY: Final = DecisionLog()


def _entry_records(record: Mapping[str, Any]) -> list[Any]:
    entries = record.get("entries")
    return entries if isinstance(entries, list) else []


def _number(record: Mapping[str, Any], key: str) -> int:
    value = record.get(key)
    return value if type(value) is int else 0


def with_entry(
    session: ShopperSession, entry: LogEntry, offer: Offer | None = None, *, ends_asking: bool = False
) -> ShopperSession:
    """Return the session with an entry added, and with the visit's offer if it has none yet.

    `ends_asking`: the entry is the outcome of the call to the model that `with_claim` announced.
    """
    record: dict[str, Any] = {
        **session.decisions,
        "entries": [*_entry_records(session.decisions), entry.to_record()][-KEPT:],
    }
    if ends_asking:
        record.pop("askingUntil", None)
    if entry.popup is not None:
        record |= {"shown": _number(session.decisions, "shown") + 1, "lastShown": entry.at}
    if offer is not None and Offer.of(session.decisions) is None:
        record["offer"] = offer.to_record()
    return replace(session, decisions=record)


def log_before(session: ShopperSession, number: int) -> dict[str, Any]:
    """Return the log's record as it was before its entry at this place was added, as far as that can be known."""
    log = DecisionLog.of(session)
    earlier, later = replace(log, records=log.records[:number]), replace(log, records=log.records[number:])
    shown = [entry.at for entry in earlier.newest_first() if entry.popup is not None]
    asked = [entry.at for entry in earlier.newest_first() if entry.call is not None]
    return {
        "entries": list(earlier.records),
        "shown": log.shown - sum(entry.popup is not None for entry in later.entries),
        "lastShown": max(shown, default=0),
        "lastAsked": max(asked, default=0),
        "asked": max(0, log.asked - sum(entry.call is not None for entry in later.entries)),
    }


def with_claim(session: ShopperSession, now_ms: int, until_ms: int) -> ShopperSession:
    """Return the session with the note that the model is being asked about it, which ends by itself at `until_ms`."""
    asked = _number(session.decisions, "asked") + 1
    claim = {"askingUntil": until_ms, "lastAsked": now_ms, "asked": asked}
    return replace(session, decisions={**session.decisions, **claim})


def fingerprint(session: ShopperSession) -> str:
    """Return a text that changes with everything the shopper does; that a popup was shown or dropped does not."""
    acts, last = session.merge.dropped_events, 0
    for events in session.events.values():
        for event in events:
            if event["type"] not in NOT_BY_SHOPPER:
                acts += 1
                last = max(last, event["ts"])
    return f"{acts}.{last}.{session.items_in_cart}"
