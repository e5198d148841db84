"""Reading the events and times of a report. A faulty one is left out and counted; the others are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import orjson

from tracker.sessions.legacy import in_milliseconds
from tracker.sessions.model import MAX_INTEGER, Event, clean, size_of

MAX_NAME = 1024
"""Characters of a page's name. No page of a shop has a longer path."""

_MAX_TYPE = 64
_BATCH = 32
"""Events that are checked together: few enough that a usual batch is smaller than the limit of a single event."""

_MAX_REASONS = 10


class _FaultyError(Exception):
    """An event cannot be kept. The message is for the developer of the theme."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """The limits of what one body holds."""

    event_bytes: int
    depth: int
    body_events: int
    pages: int


@dataclass(slots=True)
class Rejections:
    """What was left out of one body: how many items, and the first reasons."""

    count: int = 0
    reasons: list[dict[str, str]] = field(default_factory=list)

    def add(self, where: str, reason: str) -> None:
        self.count += 1
        if len(self.reasons) < _MAX_REASONS:
            self.reasons.append({"where": where[:100], "reason": reason})


def read_events(
    raw: Mapping[str, Any], limits: EventLimits, level: int, in_seconds: bool, rejected: Rejections
) -> dict[str, list[Event]]:
    """Return the valid events by page, cleaned, each `ts` in whole milliseconds.

    `raw` is the body's object with a list of events for each page, and `level` its own depth in the body. `in_seconds`
    is true for the original script, whose clock counts seconds.
    """
    events: dict[str, list[Event]] = {}
    room = limits.depth - level - 1
    for name, listed in raw.items():
        page = clean(name)
        if not isinstance(listed, list):
            rejected.add(f"events.{page}", "a page holds a list of events")
            continue
        if len(page) > MAX_NAME:
            rejected.add(f"events.{page}", f"the name of a page has at most {MAX_NAME} characters")
            continue
        kept = events.setdefault(page, [])
        for start in range(0, len(listed), _BATCH):
            batch = listed[start : start + _BATCH]
            if room > 0 and not in_seconds and _need_no_cleaning(batch, limits.event_bytes):
                kept += batch
                continue
            for number, event in enumerate(batch, start):
                try:
                    kept.append(_event(event, limits.event_bytes, room, in_seconds))
                except _FaultyError as fault:
                    rejected.add(f"events.{page}.{number}", str(fault))
    return events


def read_times(raw: Mapping[str, Any], rejected: Rejections) -> dict[str, int]:
    """Return the time of every page in whole milliseconds, without the values that are not times."""
    times: dict[str, int] = {}
    for name, time in raw.items():
        page = clean(name)
        if len(page) > MAX_NAME:
            rejected.add(f"timeOnPage.{page}", f"the name of a page has at most {MAX_NAME} characters")
        elif not is_number(time):
            rejected.add(f"timeOnPage.{page}", "a time is a number of milliseconds, 0 or more")
        else:
            times[page] = max(times.get(page, 0), round(time))
    return times


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether the value is a number from 0 to 2^53; true and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER


def _need_no_cleaning(batch: list[Any], event_bytes: int) -> bool:
    """Fast path: True if every event is valid and needs no cleaning. Nearly all batches are, and False costs only time.

    Most of the check is on the batch's JSON text: control characters are escaped there (except DEL), and all other
    characters that `clean` removes are not ASCII and not printable. A fifth of the time of `_event` for each.
    """
    try:
        text = orjson.dumps(batch)
    except TypeError:
        return False  # Half a surrogate pair, or a number beyond 64 bits.
    if len(text) > event_bytes or b"\\" in text or b"\x7f" in text:
        return False
    if not text.isascii() and not text.decode().isprintable():
        return False
    if text.count(b"{") != len(batch) or text.count(b"[") != 1:
        return False
    for event in batch:
        if type(event) is not dict:
            return False
        kind, ts = event.get("type"), event.get("ts")
        if type(kind) is not str or not 0 < len(kind) <= _MAX_TYPE or type(ts) is not int or ts < 0:
            return False
        for value in event.values():
            of = type(value)
            if (of is int or of is float) and not -MAX_INTEGER <= value <= MAX_INTEGER:
                return False
    return True


def _event(raw: Any, event_bytes: int, room: int, in_seconds: bool) -> Event:
    """Return one event, checked and cleaned. Raises _FaultyError."""
    if not isinstance(raw, dict):
        raise _FaultyError("an event is an object")
    event: Event = _cleaned(raw, room)
    kind, ts = event.get("type"), event.get("ts")
    if not isinstance(kind, str) or not 0 < len(kind) <= _MAX_TYPE:
        raise _FaultyError(f"type is a text of 1 to {_MAX_TYPE} characters")
    if not is_number(ts):
        raise _FaultyError("ts is a time: a number from 0 to 2^53")
    event["ts"] = in_milliseconds(ts) if in_seconds else round(ts)
    if size_of([event]) > event_bytes:
        raise _FaultyError(f"an event has at most {event_bytes} bytes")
    return event


def _cleaned(value: Any, room: int) -> Any:
    """Return the value with every text in it cleaned. Raises _FaultyError below `room` levels."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict | list) and room < 1:
        raise _FaultyError("it nests too deep")
    if isinstance(value, dict):
        return {clean(key): _cleaned(one, room - 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, room - 1) for one in value]
    # Floats too: the parser returns whole numbers from 2^64 on as floats. `not <=` is also true for NaN.
    if isinstance(value, int | float) and not abs(value) <= MAX_INTEGER:
        raise _FaultyError("numbers are within 2^53")
    return value
