"""The API's documents: /openapi.json (made by flask-smorest from the blueprints) and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Flask, Response, redirect, send_from_directory, url_for
from flask_smorest import Api
from werkzeug.wrappers import Response as BaseResponse

from tracker import __version__
from tracker.web.errors import ErrorSchema

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_OWN_FILES = Path(__file__).parent / "static"
_SWAGGER_FILES = Path(flask_swagger_ui.__file__).parent / "dist"


class TrackerApi(Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's collection of blueprints, with this service's error shape in the documents."""

    ERROR_SCHEMA = ErrorSchema


def register_api(app: Flask) -> TrackerApi:
    """Serve /openapi.json and /docs; blueprints registered on the answer appear there."""
    app.config.update(
        API_TITLE="Shopify Tracker",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = TrackerApi(app)
    api.spec.components.security_scheme("owner", {"type": "http", "scheme": "bearer"})
    app.register_blueprint(_docs_blueprint())
    return api


def _docs_blueprint() -> Blueprint:
    blueprint = Blueprint("docs", __name__)

    @blueprint.get("/")
    def home() -> BaseResponse:
        # Whoever opens the bare address wants to see that the service is there, and what it can do.
        return redirect(url_for("docs.page"))

    @blueprint.get("/docs")
    def page() -> Response:
        response = send_from_directory(_OWN_FILES, "docs.html")
        response.headers["Content-Security-Policy"] = _PAGE_POLICY
        return response

    @blueprint.get("/docs/page.js")
    def script() -> Response:
        return send_from_directory(_OWN_FILES, "docs.js")

    @blueprint.get("/docs/assets/<path:name>")
    def asset(name: str) -> Response:
        return send_from_directory(_SWAGGER_FILES, name, max_age=86400)

    return blueprint
