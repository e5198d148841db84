"""GET /sessions, GET and DELETE /sessions/<id>: the owner's API, closed without ADMIN_TOKEN."""

from __future__ import annotations

from itertools import islice
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, post_load, validate

from tracker.sessions.model import ANY_SESSION_ID, Record
from tracker.sessions.store import Position, SessionStore
from tracker.web.bodies import ApiBlueprint
from tracker.web.errors import ApiError
from tracker.web.security import owner_only

_CURSOR = rf"[0-9]{{1,16}}\.{ANY_SESSION_ID}"


class PageSchema(Schema):
    """Which part of the list."""

    limit = fields.Integer(
        load_default=50, validate=validate.Range(1, 200), metadata={"description": "How many sessions at most."}
    )
    before = fields.String(
        load_default=None,
        validate=validate.Regexp(rf"{_CURSOR}\Z", error="Give what `next` held, as it was."),
        metadata={"pattern": f"^{_CURSOR}$", "description": "What `next` of the page before held."},
    )

    @post_load
    def _position(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data["before"] is not None:
            updated_at, _dot, session_id = data["before"].partition(".")
            data["before"] = (int(updated_at), session_id)
        return data


class SessionLineSchema(Schema):
    """A session in a line of the list."""

    session = fields.String(required=True)
    updatedAt = fields.Integer(required=True, metadata={"description": "ms since 1970"})
    itemsInCart = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    events = fields.Integer(required=True)
    timeMs = fields.Integer(required=True, metadata={"description": "Time on all pages together."})


class SessionListSchema(Schema):
    """A page of the list, the session updated last first."""

    ok = fields.Boolean(required=True)
    sessions = fields.List(fields.Nested(SessionLineSchema), required=True)
    next = fields.String(allow_none=True, required=True, metadata={"description": "The next page; null on the last."})


class SessionSchema(Schema):
    """A session as it is stored."""

    session = fields.String(required=True)
    itemsInCart = fields.Integer(required=True)
    timeOnPage = fields.Dict(required=True)
    events = fields.Dict(required=True)
    updatedAt = fields.Integer(required=True)


class DeletedSchema(Schema):
    """The session is gone."""

    ok = fields.Boolean(required=True)
    deleted = fields.String(required=True)


def owner_blueprint(store: SessionStore, admin_token: str) -> ApiBlueprint:
    """Make the blueprint that shows and deletes sessions for whoever holds the token."""
    blueprint = ApiBlueprint("owner", __name__, description="The owner's sessions")
    blueprint.before_request(owner_only(admin_token))
    needs_token: dict[str, Any] = {"security": [{"owner": []}]}

    @blueprint.route("/sessions")
    class Sessions(MethodView):
        @blueprint.doc(**needs_token)
        @blueprint.arguments(PageSchema, location="query")
        @blueprint.response(200, SessionListSchema)
        @blueprint.fails(401, 403, 422, 503)
        def get(self, page: dict[str, Any]) -> dict[str, Any]:
            """List the sessions, the one updated last first."""
            before: Position | None = page["before"]
            found = list(islice(store.iterate(before), page["limit"] + 1))
            shown = found[: page["limit"]]
            more = f"{shown[-1].updated_at}.{shown[-1].session}" if len(found) > len(shown) else None
            return {"ok": True, "sessions": [session.overview() for session in shown], "next": more}

    @blueprint.route("/sessions/<session_id>")
    class Session(MethodView):
        @blueprint.doc(**needs_token)
        @blueprint.response(200, SessionSchema)
        @blueprint.fails(401, 403, 404, 503)
        def get(self, session_id: str) -> Record:
            """Show one session as it is stored."""
            session = store.get(session_id)
            if session is None:
                raise _unknown()
            return session.to_record()

        @blueprint.doc(**needs_token)
        @blueprint.response(200, DeletedSchema)
        @blueprint.fails(401, 403, 404, 503)
        def delete(self, session_id: str) -> dict[str, Any]:
            """Delete one session, so that no trace of it stays in the store."""
            if not store.delete(session_id):
                raise _unknown()
            return {"ok": True, "deleted": session_id}

    return blueprint


def _unknown() -> ApiError:
    return ApiError(404, "unknown_session", "No session of this id is stored.")
