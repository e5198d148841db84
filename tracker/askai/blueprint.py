"""POST /askai: whether a popup would help this shopper now."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Blueprint

from tracker.askai.counting import count_decision
from tracker.askai.preview import previewed
from tracker.askai.schemas import AnswerSchema, Question, QuestionSchema
from tracker.askai.sender import admitted
from tracker.decisions.decision import Decision, Shown
from tracker.decisions.eligibility import silence
from tracker.decisions.engine import Engine
from tracker.decisions.shop.live_file import ShopSource
from tracker.decisions.shop.shop import Shop
from tracker.sessions.model import ANY_SESSION_ID
from tracker.web.bodies import parse_id_or_json
from tracker.web.callers.limits import Bound, limits
from tracker.web.callers.machines import machines
from tracker.web.errors import STORE_ERRORS, ApiError
from tracker.web.operations import answers, takes_body
from tracker.web.routes import Callers

_QUESTION: dict[str, Any] = {
    "description": "The session id alone, or JSON.",
    "required": True,
    "content": {
        "application/json": {"schema": QuestionSchema},
        "text/plain": {"schema": {"type": "string", "pattern": f"^{ANY_SESSION_ID}$"}},
    },
}


_FOR_MACHINES = silence("A machine asks: a search engine, a monitor or a driven browser.", "machine")


def _question(raw: bytes) -> Any:
    """Parse a body that is a bare session id, or JSON."""
    if not raw.strip():
        raise ApiError(400, "missing_session", "Send the session id as the body.")
    return parse_id_or_json(raw)


def _answer(session_id: str, decision: Decision, rest_days: int) -> dict[str, Any]:
    popup = decision.fields()
    answer = {"ok": True, "session": session_id, "source": decision.origin.source, **popup, "decision": popup}
    if decision.offered:
        answer["offered"] = decision.offered
    return {**answer, **_further(decision, rest_days)} if isinstance(decision, Shown) else answer


def _further(shown: Shown, rest_days: int) -> dict[str, Any]:
    """Return what an answer holds since 1.1 beside the seven fields, without what the message does not have."""
    message = shown.message
    further = {
        "message_id": message.id,
        "action": shown.action(),
        "words": shown.words(),
        "rest_days": rest_days,
        "once_in_days": message.once_in_days,
        "offer": shown.offer(),
    }
    return {key: value for key, value in further.items() if value is not None}


def _preview(question: Question, shop: Shop) -> dict[str, Any]:
    shown = previewed(shop, question.preview, question.language, datetime.now(UTC).date())
    if shown is None:
        raise ApiError(
            404,
            "unknown_message",
            "The shop's file holds no message of this id that may be shown today; `flask shop check` says which.",
        )
    return _answer(question.session, shown, shop.caps.days_after_dismissal)


def askai_blueprint(engine: Engine, shop: ShopSource, *, needs_page: bool) -> Blueprint:
    """Return the blueprint whose view asks `engine`; `shop` says how long a message that was closed rests.

    `needs_page`: a model is asked for pages of the shop alone.
    """
    blueprint = Blueprint("askai", __name__)
    admit = partial(admitted, needs_page=needs_page)

    @blueprint.post("/askai", callers=Callers.SHOP, body_limit="MAX_BODY_BYTES")
    @takes_body(QuestionSchema(), parse=_question, document=_QUESTION)
    @answers(AnswerSchema, {400: ("missing_session",), 404: ("unknown_session", "unknown_message")}, STORE_ERRORS)
    def askai(question: Question) -> dict[str, Any]:
        """Decide whether a popup would help this shopper now, and which.

        The answer comes within 5.5 seconds, whatever the language model does: where it fails, the owner's rules and a
        learned scorecard decide.
        """
        limits().take(Bound.QUESTIONS)
        if question.preview:
            return _preview(question, shop.current())
        if machines().is_calling():
            decision: Decision = _FOR_MACHINES
        else:
            decision = engine.advise(question.session, question.why, question.memory, admit)
            count_decision(decision)
        return _answer(question.session, decision, shop.current().caps.days_after_dismissal)

    return blueprint
