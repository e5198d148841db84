"""The snapshot as pydantic models: its shape alone, and with the rules that the service checks for every event."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tracker.sessions.model import ANY_SESSION_ID, MAX_INTEGER, clean

_Time = Annotated[float, Field(ge=0, le=MAX_INTEGER)]
_Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class Event(BaseModel):
    """An event's type and time; its other keys are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: Annotated[str, Field(min_length=1, max_length=64)]
    ts: _Time


class _Snapshot(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    session: Annotated[str, Field(pattern=f"^{ANY_SESSION_ID}$")]
    itemsInCart: _Count | None = None
    timeOnPage: Annotated[dict[str, _Time], Field(max_length=200)] = {}
    sentAt: _Time | None = None


class ShapeOnly(_Snapshot):
    """Checks types and ranges of the named keys."""

    events: Annotated[dict[str, list[Event]], Field(max_length=200)] = {}


class _RuledEvent(Event):
    @model_validator(mode="before")
    @classmethod
    def hold_the_rules(cls, raw: Any) -> Any:
        """Clean every text, and refuse what exceeds the limits on depth, numbers and size."""
        event = _cleaned(raw, 13)
        if len(orjson.dumps(event)) > 8192:
            raise ValueError("an event has at most 8192 bytes")
        return event


class SameRules(_Snapshot):
    """Checks what the service itself checks."""

    events: Annotated[dict[str, list[_RuledEvent]], Field(max_length=200)] = {}


def _cleaned(value: Any, room: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict | list) and room < 1:
        raise ValueError("it nests too deep")
    if isinstance(value, dict):
        return {clean(key): _cleaned(one, room - 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, room - 1) for one in value]
    if isinstance(value, int | float) and not abs(value) <= MAX_INTEGER:
        raise ValueError("numbers are within 2^53")
    return value
