"""GET /health: whether the service can do its work now. GET /healthz: whether it is alive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from tracker import __version__
from tracker.durable.disk import why_it_goes
from tracker.sessions.store import SessionStore
from tracker.web.operations import answers
from tracker.web.routes import Callers

log = logging.getLogger(__name__)


class HealthSchema(Schema):
    """Whether the service can keep sessions now."""

    ok = fields.Boolean(required=True)
    status = fields.String(required=True, metadata={"enum": ["healthy", "failing"]})
    problem = fields.String(metadata={"description": "What is wrong and what to do; only when failing."})
    notices = fields.List(
        fields.String(), metadata={"description": "Faults that need attention, while the service still works."}
    )
    version = fields.String(required=True)


def health_blueprint(store: SessionStore, notices: Iterable[Callable[[], str | None]] = ()) -> Blueprint:
    """Make GET /health, which tries the store, and GET /healthz, which does not.

    A host that starts an instance anew where its check fails asks /healthz: an outage of a database that all instances
    share would end with a new start of one. `notices` return faults that do not stop the service.
    """
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health", callers=Callers.ANYONE)
    @answers(HealthSchema)
    @answers(HealthSchema, status=503, description="The store cannot take a session now.")
    def health() -> tuple[dict[str, Any], int]:
        """Check whether sessions can be kept now."""
        problem = store.problem()
        answer: dict[str, Any] = {"version": __version__}
        if noticed := [told for notice in notices if (told := notice())]:
            answer["notices"] = noticed
        if problem is None:
            return {"ok": True, "status": "healthy", **answer}, 200
        return {"ok": False, "status": "failing", "problem": problem, **answer}, 503

    @blueprint.get("/healthz", callers=Callers.ANYONE)
    @answers(HealthSchema)
    def alive() -> dict[str, Any]:
        """Check whether the service answers at all, whatever the store does."""
        return {"ok": True, "status": "healthy", "version": __version__}

    return blueprint


def notice_of_disk(file: Path) -> Callable[[], str | None]:
    """Return a function that tells whether the session file's disk goes with the next deploy; also in the log, once."""

    @cache
    def notice() -> str | None:
        why = why_it_goes(file.absolute().parent)
        if why is None:
            return None
        told = (
            f"The session file lies on {why}: all sessions are lost then. "
            "Attach a disk that stays, and set TRACKER_STORAGE_FILE to a file on it."
        )
        log.warning(told)
        return told

    return notice
