"""POST /forget: a shopper withdrew consent, and what is stored of the visit is erased."""

from __future__ import annotations

from typing import Any

from flask import Request
from flask.views import MethodView
from marshmallow import EXCLUDE, Schema, fields

from tracker.sessions.model import ANY_SESSION_ID
from tracker.sessions.store import SessionStore
from tracker.web.bodies import ApiBlueprint, SessionIdField, read_body, read_json


class ForgetSchema(Schema):
    """The session to erase: its id alone as plain text, or JSON."""

    class Meta:
        unknown = EXCLUDE

    session = SessionIdField()


class ForgottenSchema(Schema):
    """Nothing of this session is stored."""

    ok = fields.Boolean(required=True)


def _session_id(request: Request) -> Any:
    raw = read_body(request).strip()
    return read_json(raw) if raw.startswith(b"{") else {"session": raw.decode("utf-8", "replace")}


def forget_blueprint(store: SessionStore) -> ApiBlueprint:
    """Return the blueprint that erases a session of `store`.

    Whoever knows the id of a visit may erase it: the id is 122 random bits that only the shopper's browser and the
    owner see, and it is the one key that a shopper has. The answer is the same whether there was such a session or
    not, so that it tells a stranger nothing.
    """
    blueprint = ApiBlueprint("forget", __name__, description="Withdrawn consent")

    @blueprint.route("/forget")
    class Forget(MethodView):
        @blueprint.doc(
            requestBody={
                "description": "The session id alone, or JSON.",
                "content": {"text/plain": {"schema": {"type": "string", "pattern": f"^{ANY_SESSION_ID}$"}}},
            }
        )
        @blueprint.body(ForgetSchema(), _session_id)
        @blueprint.response(200, ForgottenSchema)
        @blueprint.fails(400, 403, 413, 415, 422, 503)
        def post(self, body: dict[str, str]) -> dict[str, Any]:
            """Erase all that is stored of a session. Send it again when in doubt."""
            store.delete(body["session"])
            return {"ok": True}

    return blueprint
