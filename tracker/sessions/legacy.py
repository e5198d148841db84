"""Reading records that the original system, an export or a hand wrote: lenient where `from_record` trusts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tracker.sessions.model import MAX_INTEGER, Event, MergeState, ShopperSession, canonical, clean, size_of

SECONDS_BELOW = 100_000_000_000
"""A ts below this is in seconds (as ms it would be before March 1973), one from it on in milliseconds."""

UNKNOWN_TYPE = "unknown"
"""The type of an event that names none: the original system kept such, and no event is left out here."""

_DEEPEST = 100
"""The original system set no limit; the writer of our file takes 254."""

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
}


class RecordError(ValueError):
    """Why this cannot be read as a session, in words that follow the place where it stands."""


def in_milliseconds(ts: float) -> int:
    """Read a browser's clock, which the original script gives in seconds."""
    return round(ts * 1000) if ts < SECONDS_BELOW else round(ts)


def read_record(session_id: str, raw: Mapping[str, Any], fallback: int) -> ShopperSession:
    """Make a session of any record that was once written, ours or the original's, without losing an event.

    Texts come out clean, events with a type and a time in ms, in their order. `fallback` (ms) is taken for `updatedAt`
    where the record names no time at all. Raises RecordError where it nests too deep to be written again.
    """
    record = _cleaned(dict(raw), _DEEPEST)
    if _is_ours(record):
        return ShopperSession.from_record({**record, "session": session_id})
    events: dict[str, list[Event]] = {}
    for page, listed in _mapping(record.get("events")).items():
        read = [_event(event) for event in (listed if isinstance(listed, list) else []) if isinstance(event, dict)]
        if read:
            events[page] = sorted(read, key=lambda event: (event["ts"], canonical(event)))
    newest = max((page_events[-1]["ts"] for page_events in events.values()), default=0)
    times = _mapping(record.get("timeOnPage", record.get("timeonpage")))
    return ShopperSession(
        session=session_id,
        items_in_cart=round(_number(record.get("itemsInCart", record.get("itemsoncart")))),
        time_on_page={page: round(_number(time)) for page, time in sorted(times.items())},
        events=dict(sorted(events.items())),
        updated_at=round(_number(record.get("updatedAt"))) or newest or fallback,
        merge=MergeState(
            cart_clock=newest,
            event_bytes=sum(map(size_of, events.values())),
        ),
        further={key: value for key, value in record.items() if key not in _KNOWN},
    )


def _event(raw: Mapping[str, Any]) -> Event:
    kind = raw.get("type")
    event: Event = {**raw, "ts": in_milliseconds(_number(raw.get("ts")))}
    return event if isinstance(kind, str) and kind else {**event, "type": UNKNOWN_TYPE}


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
        # Python writes whole numbers of any length; as JavaScript would read this one.
        return float(value) if abs(value) < 2**1023 else None
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return min(max(value, 0), MAX_INTEGER)


def _is_ours(record: Mapping[str, Any]) -> bool:
    """Tell whether the record is of the types that `ShopperSession.from_record` takes on trust."""
    merge, events, decisions = record.get("merge"), record.get("events"), record.get("decisions", {})
    if not isinstance(merge, dict) or not isinstance(events, dict) or not isinstance(decisions, dict):
        return False
    clock, envelopes, horizon = merge.get("cartClock", 0), merge.get("envelopes", []), merge.get("horizon")
    counts = [
        record.get("itemsInCart"),
        record.get("updatedAt"),
        merge.get("eventBytes"),
        merge.get("droppedEvents", 0),
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
