"""POST /askai: whether a popup would help this shopper now."""

from __future__ import annotations

from typing import Any

from flask import Request
from flask.views import MethodView
from marshmallow import EXCLUDE, Schema, fields

from tracker.decisions.decision import CATEGORIES
from tracker.decisions.engine import Advisor
from tracker.sessions.model import ANY_SESSION_ID
from tracker.sessions.store import SessionStore
from tracker.web.bodies import ApiBlueprint, SessionIdField, read_body, read_json
from tracker.web.errors import ApiError


class QuestionSchema(Schema):
    """The session that is asked about: as JSON, or its id alone as plain text."""

    class Meta:
        unknown = EXCLUDE

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


class OfferSchema(Schema):
    """An offer of the shop's."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    code = fields.String(metadata={"description": "What the shopper enters at the checkout."})


class AnswerSchema(DecisionSchema):
    """The decision, flat and once more under `decision`, where the original browser script reads it."""

    ok = fields.Boolean(required=True)
    session = fields.String(required=True)
    source = fields.String(required=True, metadata={"description": "Who decided: gate, cache, groq or rules."})
    decision = fields.Nested(DecisionSchema, required=True)
    offer = fields.Nested(OfferSchema, metadata={"description": "The offer that the message makes, if it makes one."})


def _question(request: Request) -> Any:
    """Read a body that may be a bare session id where JSON would stand."""
    raw = read_body(request).strip()
    if not raw:
        raise ApiError(400, "missing_session", "Send the session id as the body.")
    if raw[:1] in b'{["':
        body = read_json(raw)
        return {"session": body} if isinstance(body, str) else body
    return {"session": raw.decode("utf-8", "replace")}


def askai_blueprint(store: SessionStore, advisor: Advisor) -> ApiBlueprint:
    """Make the blueprint that asks `advisor` about sessions of `store`."""
    blueprint = ApiBlueprint("askai", __name__, description="Would a popup help now?")

    @blueprint.route("/askai")
    class AskAi(MethodView):
        @blueprint.doc(
            requestBody={
                "description": "The session id alone, or JSON.",
                "content": {"text/plain": {"schema": {"type": "string", "pattern": f"^{ANY_SESSION_ID}$"}}},
            }
        )
        @blueprint.body(QuestionSchema(), _question)
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
            answer = {"ok": True, "session": session.session, "source": advice.source, **decision, "decision": decision}
            if advice.sentence is not None and advice.sentence.kind == "offer":
                answer["offer"] = advice.sentence.to_offer(advice.decision.message)
            return answer

    return blueprint
