"""POST /askai: whether a popup would help this shopper now."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Request
from flask.views import MethodView
from marshmallow import Schema, fields

from tracker.askai.advisor import Advisor
from tracker.askai.decision import CATEGORIES
from tracker.sessions.model import ANY_SESSION_ID
from tracker.sessions.store import SessionStore
from tracker.web.bodies import ApiBlueprint, BodyParser, SessionIdField, read_body, read_json
from tracker.web.errors import ApiError


class QuestionSchema(Schema):
    """The session that is asked about: as JSON, or its id alone as plain text."""

    session = SessionIdField()


class DecisionSchema(Schema):
    """What to do now."""

    show_popup = fields.Boolean(required=True)
    message = fields.String(required=True, metadata={"description": "Plain text; empty when nothing is shown."})
    reason = fields.String(required=True, metadata={"description": "Why, for the owner."})
    category = fields.String(required=True, metadata={"enum": list(CATEGORIES)})
    trigger = fields.String(required=True, metadata={"description": "What in the session decided."})
    confidence = fields.Float(required=True)
    delay_ms = fields.Integer(required=True, metadata={"description": "How long to wait before showing."})


class AnswerSchema(DecisionSchema):
    """The decision, flat and once more under `decision`, where the original browser script reads it."""

    ok = fields.Boolean(required=True)
    session = fields.String(required=True)
    source = fields.String(required=True, metadata={"description": "Who decided: groq or rules."})
    decision = fields.Nested(DecisionSchema, required=True)


class _QuestionParser(BodyParser):
    """Takes a bare session id where JSON would stand."""

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        raw = read_body(req).strip()
        if not raw:
            raise ApiError(400, "missing_session", "Send the session id as the body.")
        if raw[:1] in b'{["':
            body = read_json(raw)
            return {"session": body} if isinstance(body, str) else body
        return {"session": raw.decode("utf-8", "replace")}


class _AskBlueprint(ApiBlueprint):
    ARGUMENTS_PARSER = _QuestionParser()


def askai_blueprint(store: SessionStore, advisor: Advisor) -> ApiBlueprint:
    """Make the blueprint that asks `advisor` about sessions of `store`."""
    blueprint = _AskBlueprint("askai", __name__, description="Would a popup help now?")

    @blueprint.route("/askai")
    class AskAi(MethodView):
        @blueprint.doc(
            requestBody={
                "description": "The session id alone, or JSON.",
                "content": {"text/plain": {"schema": {"type": "string", "pattern": f"^{ANY_SESSION_ID}$"}}},
            }
        )
        @blueprint.arguments(QuestionSchema)
        @blueprint.response(200, AnswerSchema)
        @blueprint.fails(400, 403, 404, 413, 415, 422, 503)
        def post(self, question: dict[str, str]) -> dict[str, Any]:
            """Say whether a popup would help this shopper now, and which.

            The answer comes within 5.5 seconds, whatever the language model does: where it fails, local rules decide.
            """
            session = store.get(question["session"])
            if session is None:
                raise ApiError(
                    404, "unknown_session", "Nothing was reported of this session yet; post to /ingest first."
                )
            advice = advisor.advise(session)
            decision = advice.decision.to_answer()
            return {"ok": True, "session": session.session, "source": advice.source, **decision, "decision": decision}

    return blueprint
