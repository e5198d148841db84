"""The two shapes of a body, snapshot and envelope, and the one report that the domain takes from either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from tracker.ingest.events import EventLimits, Rejections, is_number, read_events, read_times
from tracker.sessions.legacy import in_milliseconds
from tracker.sessions.model import MAX_INTEGER, Report, is_epoch, is_lot
from tracker.web.bodies import SessionIdField


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a body reports, and what had to be left out of it."""

    report: Report
    rejected: Rejections


class _Count(fields.Integer):
    """A whole number from 0 to 2^53; also 7.0, for JSON has one kind of number. No text, neither true nor false."""

    def __init__(self, **kwargs: Any) -> None:
        # Range is for the API's document; values are checked below.
        super().__init__(validate=validate.Range(0, MAX_INTEGER), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not is_number(value) or value != int(value):
            raise ValidationError("Must be a whole number from 0 to 2^53.")
        return int(value)


class _Time(fields.Float):
    """A moment or a duration: a number from 0 to 2^53."""

    def __init__(self, **kwargs: Any) -> None:
        # Range is for the API's document; values are checked below.
        super().__init__(validate=validate.Range(0, MAX_INTEGER), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if not is_number(value):
            raise ValidationError("Must be a number from 0 to 2^53.")
        return float(value)


class _ByPage(fields.Dict):
    """An object with a key for each page. `tracker.ingest.events` reads its values, and leaves out faulty ones."""

    def __init__(self, max_pages: int, **metadata: Any) -> None:
        def few_enough(pages: Mapping[str, Any]) -> None:
            if len(pages) > max_pages:
                raise ValidationError(f"At most {max_pages} pages.")

        super().__init__(
            load_default=dict,
            allow_none=True,
            validate=few_enough,
            metadata={**metadata, "maxProperties": max_pages},
        )


class _OfBrowser(fields.Raw):
    """Something that a browser says of itself beside its report. A value of another form is ignored, never an error."""

    def __init__(self, holds: Callable[[object], bool], default: Any, description: str) -> None:
        super().__init__(allow_none=True, load_default=default, metadata={"description": description})
        self._holds = holds

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return value if self._holds(value) else self.load_default


def _is_true(value: object) -> bool:
    return value is True


class _ReportSchema(Schema):
    """What both shapes may hold beside the report."""

    class Meta:
        unknown = EXCLUDE

    lot = _OfBrowser(is_lot, None, "The browser's lot, 0 to 999, which it drew once.")
    offered = _OfBrowser(is_epoch, "", "`offered` of the answer that this browser got in an earlier visit.")
    example = _OfBrowser(_is_true, False, "true: a simulated shopper, whom no figure of the shop counts.")


_EVENTS_EXAMPLE = {"/cart": [{"type": "view", "ts": 1712345690000}]}
_EVENTS_HELP = (
    "Lists of events by page. An event has `type` (text) and `ts`, and any further keys, which are kept."
    " A faulty event is left out and counted in `rejected`."
)


def ingest_schemas(limits: EventLimits) -> tuple[type[Schema], type[Schema]]:
    """Make (SnapshotSchema, EnvelopeSchema) for these limits."""

    class SnapshotSchema(_ReportSchema):
        """All that the script knows of the session, or only what is new. Times are milliseconds."""

        session = SessionIdField()
        itemsInCart = _Count(allow_none=True, load_default=None)
        timeOnPage = _ByPage(limits.pages, example={"/cart": 9876})
        events = _ByPage(limits.pages, description=_EVENTS_HELP, example=_EVENTS_EXAMPLE)
        sentAt = _Time(allow_none=True, load_default=None, metadata={"description": "The browser's clock, ms."})

    class EnvelopeStateSchema(Schema):
        """What happened since the last envelope that was answered. Times are milliseconds, ts is seconds."""

        class Meta:
            unknown = EXCLUDE

        itemsInCart = _Count(allow_none=True, load_default=None)
        timeonpage = _ByPage(limits.pages)
        events = _ByPage(limits.pages, description=_EVENTS_HELP)

    class EnvelopeSchema(_ReportSchema):
        """The body of the original browser script."""

        reason = fields.Raw(load_only=True, metadata={"description": "Why the script sends now; not kept."})
        ts = _Time(allow_none=True, load_default=None, metadata={"description": "The browser's clock, seconds."})
        session = SessionIdField()
        state = fields.Nested(EnvelopeStateSchema, required=True)

    return SnapshotSchema, EnvelopeSchema


class IngestSchema(Schema):
    """Either shape; the key `state` marks an envelope."""

    def __init__(self, limits: EventLimits) -> None:
        """Make the schema for these limits."""
        super().__init__()
        self._limits = limits
        self.snapshot, self.envelope = (shape() for shape in ingest_schemas(limits))

    def load(self, data: Any, **kwargs: Any) -> Ingested:
        """Return the body as Ingested. Raises ValidationError with the faults by field."""
        if isinstance(data, dict) and "state" in data:
            body = self.envelope.load(data)
            state, times, clock = body["state"], body["state"]["timeonpage"], body["ts"]
            is_envelope, level = True, 3
        else:
            body = state = self.snapshot.load(data)
            times, clock = body["timeOnPage"], body["sentAt"]
            is_envelope, level = False, 2
        listed = state["events"] or {}
        count = 0
        for page in listed.values():
            count += len(page) if isinstance(page, list) else 0
        if count > self._limits.body_events:
            raise ValidationError({"events": [f"At most {self._limits.body_events} events in one body."]})
        rejected = Rejections()
        events = read_events(listed, self._limits, level, is_envelope, rejected)
        if clock is None:
            clock = max(map(itemgetter("ts"), chain.from_iterable(events.values())), default=0)
        else:
            clock = in_milliseconds(clock) if is_envelope else round(clock)
        report = Report(
            session=body["session"],
            items_in_cart=state["itemsInCart"],
            clock=clock,
            time_on_page=read_times(times or {}, rejected),
            events=events,
            adds_time=is_envelope,
            lot=body["lot"],
            offered=body["offered"] or "",
            example=body["example"] or False,
        )
        return Ingested(report, rejected)
