"""Reading records that the original system, an export or a person wrote: lenient where `from_record` trusts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from tracker.sessions.model import (
    MAX_INTEGER,
    Event,
    MergeState,
    ShopperSession,
    canonical,
    clean,
    is_epoch,
    is_lot,
    size_of,
)

SECONDS_BELOW = 100_000_000_000
"""A ts below this is in seconds (as ms it would be before March 1973), one from it on in milliseconds."""

UNKNOWN_TYPE = "unknown"
"""The type of an event that has none: the original system stored such events, and none of them is left out."""

Unread: TypeAlias = Callable[[str], None]
"""Called with the place of every value that is neither absent nor readable, and is therefore taken as 0 or empty."""

_DEEPEST = 100
"""The original system set no limit on nesting; the JSON writer's own is 254."""

_KNOWN = {
    "session",
    "itemsInCart",
    "itemsoncart",
    "timeOnPage",
    "timeonpage",
    "events",
    "updatedAt",
    "merge",
    "decisions",
    "lot",
    "offered",
    "orders",
    "example",
    "tally",
}

_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?\s*", re.ASCII)


class RecordError(ValueError):
    """The value cannot be read as a session. The message follows the name of the place where it stands."""


def in_milliseconds(ts: float) -> int:
    """Return a time of a browser's clock in milliseconds; the original script sends seconds."""
    return round(ts * 1000) if ts < SECONDS_BELOW else round(ts)


def read_record(
    session_id: str, raw: Mapping[str, Any], fallback: int, unread: Unread = lambda place: None
) -> ShopperSession:
    """Return the session of any record that was ever written, by this system or the original one, with all its events.

    Texts come out clean; events have a type and a time in ms, and are in order. Numbers may be written as text, and
    times as ISO 8601 dates. `fallback` (ms) becomes `updated_at` if the record holds no time at all. `unread` is told
    of every value that cannot be read. Raises RecordError if the record nests too deeply to be written again.
    """
    record = _cleaned(dict(raw), _DEEPEST)
    if _is_ours(record):
        session = ShopperSession.from_record({**record, "session": session_id})
        # The limit on bytes is held by this number without a look at the events: a wrong one would lift it.
        event_bytes = sum(map(size_of, session.events.values()))
        return replace(session, merge=replace(session.merge, event_bytes=event_bytes))
    if "merge" in record:
        unread("merge")
    events: dict[str, list[Event]] = {}
    for page, listed in _mapping(record, "events", unread).items():
        read = _events(listed, f"events.{page}", unread)
        if read:
            events[page] = sorted(read, key=lambda event: (event["ts"], canonical(event)))
    newest = max((page_events[-1]["ts"] for page_events in events.values()), default=0)
    times_key = "timeOnPage" if "timeOnPage" in record else "timeonpage"
    times = _mapping(record, times_key, unread)
    cart_key = "itemsInCart" if "itemsInCart" in record else "itemsoncart"
    return ShopperSession(
        session=session_id,
        items_in_cart=round(_number(record.get(cart_key), cart_key, unread)),
        time_on_page={page: round(_number(times[page], f"{times_key}.{page}", unread)) for page in sorted(times)},
        events=dict(sorted(events.items())),
        updated_at=_moment(record.get("updatedAt"), "updatedAt", unread, round) or newest or fallback,
        merge=MergeState(
            cart_clock=newest,
            event_bytes=sum(map(size_of, events.values())),
        ),
        decisions=_mapping(record, "decisions", unread),
        lot=_known_if(is_lot, record, "lot", unread),
        offered=_known_if(is_epoch, record, "offered", unread) or "",
        orders=_mapping(record, "orders", unread),
        example=record.get("example") is True,
        further={key: value for key, value in record.items() if key not in _KNOWN},
    )


def _events(listed: Any, place: str, unread: Unread) -> list[Event]:
    if not isinstance(listed, list):
        unread(place)
        return []
    events = []
    for number, raw in enumerate(listed):
        if isinstance(raw, dict):
            events.append(_event(raw, f"{place}.{number}", unread))
        else:
            unread(f"{place}.{number}")
    return events


def _event(raw: Mapping[str, Any], place: str, unread: Unread) -> Event:
    kind = raw.get("type")
    event: Event = {**raw, "ts": _moment(raw.get("ts"), f"{place}.ts", unread, in_milliseconds)}
    return event if isinstance(kind, str) and kind else {**event, "type": UNKNOWN_TYPE}


def _moment(value: Any, place: str, unread: Unread, in_ms: Callable[[float], int]) -> int:
    """Return a time in ms: that of a date in ISO 8601 (UTC if it names no zone), or `in_ms` of a number."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        try:
            date = datetime.fromisoformat(value.strip())
        except ValueError:
            unread(place)
            return 0
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0, round((date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000))
    return min(in_ms(_number(value, place, unread)), MAX_INTEGER)


def _number(value: Any, place: str, unread: Unread) -> float:
    """Return a number from 0 to 2^53, which may be written as text; 0 if there is none."""
    if value is None:
        return 0
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 0:
        unread(place)
        return 0
    return min(value, MAX_INTEGER)


def _mapping(record: Mapping[str, Any], key: str, unread: Unread) -> Mapping[str, Any]:
    value = record.get(key)
    if isinstance(value, dict):
        return value
    if value is not None:
        unread(key)
    return {}


def _known_if(holds: Callable[[object], bool], record: Mapping[str, Any], key: str, unread: Unread) -> Any:
    value = record.get(key)
    if value is not None and not holds(value):
        unread(key)
        return None
    return value


def _cleaned(value: Any, room: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict | list) and not room:
        raise RecordError("it nests too deep")
    if isinstance(value, dict):
        return {clean(key): _cleaned(one, room - 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, room - 1) for one in value]
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        # Python reads integers of any length; JavaScript would read this one as a fraction.
        return float(value) if abs(value) < 2**1023 else None
    return value


def _is_ours(record: Mapping[str, Any]) -> bool:
    """Return whether the record has the types on which `ShopperSession.from_record` relies."""
    merge, events, decisions = record.get("merge"), record.get("events"), record.get("decisions", {})
    if not isinstance(merge, dict) or not isinstance(events, dict) or not isinstance(decisions, dict):
        return False
    clock, envelopes, horizon = merge.get("cartClock", 0), merge.get("envelopes", []), merge.get("horizon")
    lot, offered = record.get("lot"), record.get("offered", "")
    counts = [
        record.get("itemsInCart"),
        record.get("updatedAt"),
        merge.get("eventBytes"),
        merge.get("droppedEvents", 0),
        merge.get("beganAt", 0),
    ]
    return (
        _are_numbers(counts)
        and (clock == -1 or _are_numbers([clock]))
        and _are_times(record.get("timeOnPage"))
        and _are_times(merge.get("addedTime", {}))
        and all(map(_are_events, events.values()))
        and isinstance(envelopes, list)
        and all(_has_types(envelope, int, str) for envelope in envelopes)
        and (horizon is None or _has_types(horizon, int, str, str))
        and (lot is None or is_lot(lot))
        and (offered == "" or is_epoch(offered))
        and isinstance(record.get("orders", {}), dict)
        and isinstance(record.get("example", False), bool)
        and isinstance(record.get("tally", []), list)
    )


def _are_events(listed: Any) -> bool:
    return (
        isinstance(listed, list)
        and len(listed) > 0
        and all(
            isinstance(event, dict) and isinstance(event.get("type"), str) and _are_numbers([event.get("ts")])
            for event in listed
        )
        and [event["ts"] for event in listed] == sorted(event["ts"] for event in listed)
    )


def _are_times(times: Any) -> bool:
    return isinstance(times, dict) and _are_numbers(list(times.values()))


def _are_numbers(values: list[Any]) -> bool:
    return all(type(value) is int and 0 <= value <= MAX_INTEGER for value in values)


def _has_types(values: Any, *types: type) -> bool:
    return isinstance(values, list) and tuple(map(type, values)) == types
