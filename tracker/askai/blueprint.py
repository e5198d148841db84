"""POST /askai: whether a popup would help this shopper now."""

from __future__ import annotations

from typing import Any, get_args

from flask import Blueprint
from marshmallow import Schema, fields

from tracker.decisions.decision import Category, Decision, Shown
from tracker.decisions.engine import Engine
from tracker.sessions.model import ANY_SESSION_ID
from tracker.web.bodies import SessionIdField, parse_json
from tracker.web.errors import STORE_ERRORS, ApiError
from tracker.web.operations import answers, takes_body
from tracker.web.routes import Callers


class QuestionSchema(Schema):
    """The session that the question is about: as JSON, or its id alone as plain text."""

    session = SessionIdField()


class DecisionSchema(Schema):
    """The decision: whether to show a popup, and which."""

    show_popup = fields.Boolean(required=True)
    message = fields.String(required=True, metadata={"description": "Plain text; empty when nothing is shown."})
    reason = fields.String(required=True, metadata={"description": "Why, for the owner."})
    category = fields.String(required=True, metadata={"enum": list(get_args(Category))})
    trigger = fields.String(required=True, metadata={"description": "What in the session decided."})
    confidence = fields.Float(required=True)
    delay_ms = fields.Integer(required=True, metadata={"description": "How long to wait before showing."})


class OfferSchema(Schema):
    """An offer of the shop."""

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


_QUESTION: dict[str, Any] = {
    "description": "The session id alone, or JSON.",
    "required": True,
    "content": {
        "application/json": {"schema": QuestionSchema},
        "text/plain": {"schema": {"type": "string", "pattern": f"^{ANY_SESSION_ID}$"}},
    },
}


def _question(raw: bytes) -> Any:
    """Parse a body that is a bare session id, or JSON."""
    raw = raw.strip()
    if not raw:
        raise ApiError(400, "missing_session", "Send the session id as the body.")
    if raw[:1] in b'{["':
        body = parse_json(raw)
        return {"session": body} if isinstance(body, str) else body
    return {"session": raw.decode("utf-8", "replace")}


def _answer(session_id: str, decision: Decision) -> dict[str, Any]:
    popup = decision.fields()
    answer = {"ok": True, "session": session_id, "source": decision.origin.source, **popup, "decision": popup}
    offer = decision.offer() if isinstance(decision, Shown) else None
    return answer if offer is None else {**answer, "offer": offer}


def askai_blueprint(engine: Engine) -> Blueprint:
    """Return the blueprint whose view asks `engine`."""
    blueprint = Blueprint("askai", __name__)

    @blueprint.post("/askai", callers=Callers.SHOP, body_limit="MAX_BODY_BYTES")
    @takes_body(QuestionSchema(), parse=_question, document=_QUESTION)
    @answers(AnswerSchema, {400: ("missing_session",), 404: ("unknown_session",)}, STORE_ERRORS)
    def askai(question: dict[str, str]) -> dict[str, Any]:
        """Decide whether a popup would help this shopper now, and which.

        The answer comes within 5.5 seconds, whatever the language model does: where it fails, local rules decide.
        """
        return _answer(question["session"], engine.advise(question["session"]))

    return blueprint
