"""Reading records that the original system, an export or a hand wrote: lenient where `from_record` is strict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tracker.sessions.model import MAX_INTEGER, Event, MergeState, ShopperSession, canonical

SECONDS_BELOW = 100_000_000_000
"""A ts below this is in seconds (as ms it would be before March 1973), one from it on in milliseconds."""

_KNOWN = {"session", "itemsInCart", "itemsoncart", "timeOnPage", "timeonpage", "events", "updatedAt", "merge"}


def in_milliseconds(ts: float) -> int:
    """Read a browser's clock, which the original script gives in seconds."""
    return round(ts * 1000) if ts < SECONDS_BELOW else round(ts)


def read_record(session_id: str, raw: Mapping[str, Any], fallback: int) -> ShopperSession:
    """Make a session of any record that was once written, ours or the original's, without losing an event.

    `fallback` (ms) is taken for `updatedAt` where the record names no time at all.
    """
    if "merge" in raw:
        try:
            return ShopperSession.from_record({**raw, "session": session_id})
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # Edited by hand: read what can be read, below.
    events: dict[str, list[Event]] = {}
    for page, listed in _mapping(raw.get("events")).items():
        read = [
            {**event, "ts": in_milliseconds(_number(event.get("ts")))}
            for event in (listed if isinstance(listed, list) else [])
            if isinstance(event, dict)
        ]
        if read:
            events[page] = sorted(read, key=lambda event: (event["ts"], canonical(event)))
    newest = max((page_events[-1]["ts"] for page_events in events.values()), default=0)
    times = _mapping(raw.get("timeOnPage", raw.get("timeonpage")))
    return ShopperSession(
        session=session_id,
        items_in_cart=round(_number(raw.get("itemsInCart", raw.get("itemsoncart")))),
        time_on_page={page: round(_number(time)) for page, time in sorted(times.items())},
        events=dict(sorted(events.items())),
        updated_at=round(_number(raw.get("updatedAt"))) or newest or fallback,
        merge=MergeState(
            cart_clock=newest,
            event_bytes=sum(len(canonical(event)) for page_events in events.values() for event in page_events),
        ),
        further={key: value for key, value in raw.items() if key not in _KNOWN},
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return min(max(value, 0), MAX_INTEGER)
