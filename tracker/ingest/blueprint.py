"""POST /ingest and POST /events: one view that takes a body in and answers when it is on the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response
from flask.views import MethodView
from marshmallow import Schema, fields

from tracker.ingest.events import EventLimits
from tracker.ingest.schemas import Ingested, IngestSchema
from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.store import SessionStore
from tracker.web.bodies import ApiBlueprint


class RejectionSchema(Schema):
    """One thing that was left out of a body."""

    where = fields.String(required=True)
    reason = fields.String(required=True)


class SavedSchema(Schema):
    """The body was taken in, and is on the disk."""

    ok = fields.Boolean(required=True)
    saved = fields.Boolean(required=True)
    rejected = fields.Integer(metadata={"description": "How many events or times were left out; absent if none."})
    reasons = fields.List(fields.Nested(RejectionSchema), metadata={"description": "Of the first ten."})


_SAVED = b'{"ok":true,"saved":true}\n'
"""Nearly every answer: spelled once, and not by the schema each time."""


def ingest_blueprint(
    store: SessionStore, event_limits: EventLimits, session_limits: SessionLimits, now_ms: Callable[[], int]
) -> ApiBlueprint:
    """Make the blueprint that merges every body into its session in `store`."""
    blueprint = ApiBlueprint("ingest", __name__, description="What shoppers do")
    schema = IngestSchema(event_limits)

    @blueprint.route("/ingest")
    @blueprint.route("/events")
    class Ingest(MethodView):
        @blueprint.doc(requestBody=_documented(schema))
        @blueprint.body(schema)
        @blueprint.response(200, SavedSchema)
        @blueprint.fails(400, 403, 413, 415, 422, 503)
        def post(self, body: Ingested) -> Response | dict[str, Any]:
            """Take in what a browser reports of a session.

            Send the same body again when in doubt: what was taken in before is not counted twice.
            """
            report = body.report.bounded(now_ms(), body.rejected.add)
            store.update(report.session, lambda stored: merge(stored, report, session_limits, now_ms()))
            if not body.rejected.count:
                return Response(_SAVED, mimetype="application/json")
            return {"ok": True, "saved": True, "rejected": body.rejected.count, "reasons": body.rejected.reasons}

    return blueprint


def _documented(schema: IngestSchema) -> dict[str, Any]:
    body = {"schema": {"anyOf": [type(schema.snapshot), type(schema.envelope)]}}
    return {
        "description": "A snapshot, or an envelope of the original browser script. JSON, whatever the type says.",
        "required": True,
        "content": {"application/json": body, "text/plain": body},
    }
