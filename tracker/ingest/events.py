"""Reading the events and times of a body: one loop, in which a faulty one is left out and does not sink the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import orjson

from tracker.sessions.legacy import in_milliseconds
from tracker.sessions.model import MAX_INTEGER, Event, clean, size_of

MAX_NAME = 1024
"""Characters of a page's name: longer paths than that are no pages of a shop."""

_MAX_TYPE = 64
_AT_ONCE = 32
"""Events that are looked at together: few enough to stay below the limit on a single one."""

_REASONS_TOLD = 10


class _FaultyError(Exception):
    """Why this one is left out, in words for the theme's developer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """How large what one body holds may be."""

    event_bytes: int
    depth: int
    body_events: int
    pages: int


@dataclass(slots=True)
class Rejections:
    """What was left out of one body: how many, and the first reasons."""

    count: int = 0
    reasons: list[dict[str, str]] = field(default_factory=list)

    def add(self, where: str, reason: str) -> None:
        self.count += 1
        if len(self.reasons) < _REASONS_TOLD:
            self.reasons.append({"where": where[:100], "reason": reason})


def read_events(
    raw: Mapping[str, Any], limits: EventLimits, level: int, in_seconds: bool, rejected: Rejections
) -> dict[str, list[Event]]:
    """Give the good events by page, cleaned, their ts in whole milliseconds.

    `raw` is the body's object of lists, which stands at `level` of the body's nesting; `in_seconds` says that the
    script's clock runs in seconds, as the original one's does.
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
        for start in range(0, len(listed), _AT_ONCE):
            some = listed[start : start + _AT_ONCE]
            if room > 0 and not in_seconds and _are_plain(some, limits.event_bytes):
                kept += some
                continue
            for number, event in enumerate(some, start):
                try:
                    kept.append(_event(event, limits.event_bytes, room, in_seconds))
                except _FaultyError as fault:
                    rejected.add(f"events.{page}.{number}", str(fault))
    return events


def read_times(raw: Mapping[str, Any], rejected: Rejections) -> dict[str, int]:
    """Give the time of every page in whole milliseconds; what is no time is left out."""
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
    """Tell whether this is a number from 0 to 2^53, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER


def _are_plain(listed: list[Any], event_bytes: int) -> bool:
    """Tell whether nothing in these events is at fault or to be changed: so nearly all are, and one look tells.

    Most of it is a look at their text, where control characters are escaped (but for DEL), and of what is not ASCII all
    that `clean` takes out is not printable. It takes a fifth of the time that `_event` takes.
    """
    try:
        spelled = orjson.dumps(listed)
    except TypeError:
        return False  # Half of a surrogate pair, or a number beyond 64 bits.
    if len(spelled) > event_bytes or b"\\" in spelled or b"\x7f" in spelled:
        return False
    if not spelled.isascii() and not spelled.decode().isprintable():
        return False
    if spelled.count(b"{") != len(listed) or spelled.count(b"[") != 1:
        return False
    for event in listed:
        if type(event) is not dict:
            return False
        name, ts = event.get("type"), event.get("ts")
        if type(name) is not str or not 0 < len(name) <= _MAX_TYPE or type(ts) is not int or ts < 0:
            return False
        for value in event.values():
            kind = type(value)
            if (kind is int or kind is float) and not -MAX_INTEGER <= value <= MAX_INTEGER:
                return False
    return True


def _event(raw: Any, event_bytes: int, room: int, in_seconds: bool) -> Event:
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
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        if room < 1:
            raise _FaultyError("it nests too deep")
        return {clean(key): _cleaned(one, room - 1) for key, one in value.items()}
    if isinstance(value, list):
        if room < 1:
            raise _FaultyError("it nests too deep")
        return [_cleaned(one, room - 1) for one in value]
    # Fractions too: the parser gives whole numbers from 2^64 on as such. Nothing is within a limit that is no number.
    if isinstance(value, int | float) and not abs(value) <= MAX_INTEGER:
        raise _FaultyError("numbers are within 2^53")
    return value
