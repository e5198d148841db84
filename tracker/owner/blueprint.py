"""GET /sessions, GET and DELETE /sessions/<id>: the owner lists, reads and deletes sessions."""

from __future__ import annotations

from itertools import islice
from typing import Any

from flask import Blueprint
from marshmallow import EXCLUDE, Schema, fields, post_load, validate

from tracker.sessions.model import ANY_SESSION_ID
from tracker.sessions.store import SessionStore
from tracker.web.errors import STORE_ERRORS, ApiError, Errors
from tracker.web.operations import answers, takes_query
from tracker.web.routes import Callers

_UNKNOWN: Errors = {404: ("unknown_session",)}
_CURSOR = rf"[0-9]{{1,16}}\.{ANY_SESSION_ID}"


class PageSchema(Schema):
    """The part of the list that is wanted."""

    class Meta:
        # Other systems add parameters to links that pass through them.
        unknown = EXCLUDE

    limit = fields.Integer(
        load_default=50, validate=validate.Range(1, 200), metadata={"description": "The most sessions to list."}
    )
    before = fields.String(
        load_default=None,
        validate=validate.Regexp(rf"{_CURSOR}\Z", error="Send the value of `next` unchanged."),
        metadata={"pattern": f"^{_CURSOR}$", "description": "The value of `next` in the page before."},
    )

    @post_load
    def _position(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data["before"] is not None:
            updated_at, _dot, session_id = data["before"].partition(".")
            data["before"] = (int(updated_at), session_id)
        return data


class SessionLineSchema(Schema):
    """A session in the list."""

    session = fields.String(required=True)
    updatedAt = fields.Integer(required=True, metadata={"description": "ms since 1970"})
    itemsInCart = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    events = fields.Integer(required=True)
    timeMs = fields.Integer(required=True, metadata={"description": "The time on all pages together."})


class SessionListSchema(Schema):
    """A page of the list; the session updated last comes first."""

    ok = fields.Boolean(required=True)
    sessions = fields.List(fields.Nested(SessionLineSchema), required=True)
    next = fields.String(allow_none=True, required=True, metadata={"description": "The next page; null on the last."})


class SessionSchema(Schema):
    """A stored session."""

    session = fields.String(required=True)
    itemsInCart = fields.Integer(required=True)
    timeOnPage = fields.Dict(required=True)
    events = fields.Dict(required=True)
    updatedAt = fields.Integer(required=True)


class DeletedSchema(Schema):
    """The session was deleted."""

    ok = fields.Boolean(required=True)
    deleted = fields.String(required=True)


def owner_blueprint(store: SessionStore) -> Blueprint:
    """Make the blueprint that lists, shows and deletes the sessions of `store`."""
    blueprint = Blueprint("owner", __name__)

    @blueprint.get("/sessions", callers=Callers.OWNER)
    @takes_query(PageSchema())
    @answers(SessionListSchema, STORE_ERRORS)
    def list_sessions(page: dict[str, Any]) -> dict[str, Any]:
        """List the sessions; the one updated last comes first."""
        found = list(islice(store.iterate(page["before"]), page["limit"] + 1))
        shown = found[: page["limit"]]
        more = f"{shown[-1].updated_at}.{shown[-1].session}" if len(found) > len(shown) else None
        return {"ok": True, "sessions": [session.overview() for session in shown], "next": more}

    @blueprint.get("/sessions/<session_id>", callers=Callers.OWNER)
    @answers(SessionSchema, _UNKNOWN, STORE_ERRORS)
    def show_session(session_id: str) -> Any:
        """Show one session as it is stored."""
        session = store.get(session_id)
        if session is None:
            raise _unknown()
        return SessionSchema().dump(session.to_record())

    @blueprint.delete("/sessions/<session_id>", callers=Callers.OWNER)
    @answers(DeletedSchema, _UNKNOWN, STORE_ERRORS)
    def delete_session(session_id: str) -> dict[str, Any]:
        """Delete one session, so that no trace of it stays in the store."""
        if not store.delete(session_id):
            raise _unknown()
        return {"ok": True, "deleted": session_id}

    return blueprint


def _unknown() -> ApiError:
    return ApiError(404, "unknown_session", "No session of this id is stored.")
