"""POST /ingest and POST /events: merge a report into its session, and answer when that is on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Blueprint, Response
from marshmallow import Schema, fields

from tracker.ingest.events import EventLimits
from tracker.ingest.intake import take_in
from tracker.ingest.schemas import Ingested, IngestSchema
from tracker.insights.orders import checkout_keys
from tracker.metrics.counts import Counter
from tracker.sessions.merge import SessionLimits
from tracker.sessions.store import SessionStore
from tracker.web.callers.limits import limits
from tracker.web.callers.machines import machines
from tracker.web.errors import STORE_ERRORS
from tracker.web.operations import answers, takes_body
from tracker.web.routes import Callers


class RejectionSchema(Schema):
    """One event, time or page that was left out."""

    where = fields.String(required=True)
    reason = fields.String(required=True)


class SavedSchema(Schema):
    """The report is saved on the disk, or left out because a machine sent it."""

    ok = fields.Boolean(required=True)
    saved = fields.Boolean(
        required=True, metadata={"description": "False where the User-Agent is a machine's; do not send it again."}
    )
    rejected = fields.Integer(metadata={"description": "How many events or times were left out; absent if none."})
    reasons = fields.List(fields.Nested(RejectionSchema), metadata={"description": "The reasons of the first ten."})


_REJECTED: Final = Counter("tracker_rejected", "Faulty events and times that were left out of reports.")

_SAVED = b'{"ok":true,"saved":true}\n'
"""Nearly every answer, so it is not serialized anew for each."""

_LEFT_OUT = {
    "ok": True,
    "saved": False,
    "reasons": [{"where": "User-Agent", "reason": "a machine's, whose visits are stored only where STORE_BOTS is on"}],
}


def ingest_blueprint(
    store: SessionStore,
    event_limits: EventLimits,
    session_limits: SessionLimits,
    now_ms: Callable[[], int],
    checkout_seen: Callable[[str, Iterable[str]], None],
) -> Blueprint:
    """Make the blueprint that merges every report into its session in `store`.

    `checkout_seen` is called with (session, keys) after a report with the keys of checkouts was stored.
    """
    blueprint = Blueprint("ingest", __name__)
    schema = IngestSchema(event_limits)

    @blueprint.post("/ingest", callers=Callers.SHOP_AND_PIXELS, body_limit="MAX_BODY_BYTES")
    @blueprint.post("/events", callers=Callers.SHOP, body_limit="MAX_BODY_BYTES")
    @takes_body(schema, document=_request_body(schema))
    @answers(SavedSchema, STORE_ERRORS)
    def ingest(body: Ingested) -> Response | dict[str, Any]:
        """Take in what a browser reports of a session.

        Send the same body again when in doubt: a body that was taken in before changes nothing.
        """
        if machines().leave_out():
            return _LEFT_OUT
        report, rejected = body.report.bounded(now_ms(), body.rejected.add), body.rejected
        take_in(store, report, session_limits, now_ms, limits())
        if keys := checkout_keys(report.events):
            checkout_seen(report.session, keys)
        if not rejected.count:
            return Response(_SAVED, mimetype="application/json")
        _REJECTED.add(amount=rejected.count)
        return {"ok": True, "saved": True, "rejected": rejected.count, "reasons": rejected.reasons}

    return blueprint


def _request_body(schema: IngestSchema) -> dict[str, Any]:
    shapes = {"schema": {"anyOf": [type(schema.snapshot), type(schema.envelope)]}}
    return {
        "description": "A snapshot, or an envelope of the original browser script. JSON, whatever the Content-Type.",
        "required": True,
        "content": {"application/json": shapes, "text/plain": shapes},
    }
