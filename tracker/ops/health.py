"""GET /health: whether the service can do its work now, said truthfully."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from tracker import __version__
from tracker.sessions.store import SessionStore
from tracker.web.bodies import ApiBlueprint


class HealthSchema(Schema):
    """Whether the service can keep sessions now."""

    ok = fields.Boolean(required=True)
    status = fields.String(required=True, metadata={"enum": ["healthy", "failing"]})
    problem = fields.String(metadata={"description": "What is wrong and what to do; only when failing."})
    notices = fields.List(
        fields.String(), metadata={"description": "What does not keep the service from working, but wants a hand."}
    )
    version = fields.String(required=True)


def health_blueprint(store: SessionStore, notices: Callable[[], list[str]] = list) -> ApiBlueprint:
    """Make GET /health and /healthz, which try the store out at every call and pass the notices on."""
    blueprint = ApiBlueprint("health", __name__, description="Is the service well?")

    @blueprint.route("/health")
    @blueprint.route("/healthz")
    class Health(MethodView):
        @blueprint.response(200, HealthSchema)
        @blueprint.alt_response(503, schema=HealthSchema, description="The store cannot take a session now.")
        def get(self) -> tuple[dict[str, Any], int]:
            """Tell whether sessions can be kept now."""
            problem = store.problem()
            about: dict[str, Any] = {"version": __version__}
            if noticed := notices():
                about["notices"] = noticed
            if problem is None:
                return {"ok": True, "status": "healthy", **about}, 200
            return {"ok": False, "status": "failing", "problem": problem, **about}, 503

    return blueprint
