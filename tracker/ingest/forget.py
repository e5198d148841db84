"""POST /forget: erase what is stored of a visit whose shopper withdrew consent."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from marshmallow import EXCLUDE, Schema, fields

from tracker.sessions.model import ANY_SESSION_ID
from tracker.sessions.store import SessionStore
from tracker.web.bodies import SessionIdField, parse_json
from tracker.web.errors import STORE_ERRORS
from tracker.web.operations import answers, takes_body
from tracker.web.routes import Callers


class ForgetSchema(Schema):
    """The session to erase: its id alone as plain text, or JSON."""

    class Meta:
        unknown = EXCLUDE

    session = SessionIdField()


class ForgottenSchema(Schema):
    """Nothing of this session is stored."""

    ok = fields.Boolean(required=True)


_REQUEST_BODY: dict[str, Any] = {
    "description": "The session id alone, or JSON.",
    "required": True,
    "content": {
        "application/json": {"schema": ForgetSchema},
        "text/plain": {"schema": {"type": "string", "pattern": f"^{ANY_SESSION_ID}$"}},
    },
}


def _session_id(raw: bytes) -> Any:
    """Parse a body that is a bare session id, or JSON."""
    raw = raw.strip()
    return parse_json(raw) if raw.startswith(b"{") else {"session": raw.decode("utf-8", "replace")}


def forget_blueprint(store: SessionStore) -> Blueprint:
    """Return the blueprint that erases a session of `store`.

    Whoever knows the id of a visit may erase it: the id is 122 random bits that only the shopper's browser and the
    owner see, and it is the one key that a shopper has. The answer is the same whether there was such a session or
    not, so that it tells a stranger nothing.
    """
    blueprint = Blueprint("forget", __name__)

    @blueprint.post("/forget", callers=Callers.SHOP, body_limit="MAX_BODY_BYTES")
    @takes_body(ForgetSchema(), parse=_session_id, document=_REQUEST_BODY)
    @answers(ForgottenSchema, STORE_ERRORS)
    def forget(body: dict[str, str]) -> dict[str, Any]:
        """Erase all that is stored of a session. Send it again when in doubt."""
        store.delete(body["session"])
        return {"ok": True}

    return blueprint
