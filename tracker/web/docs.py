"""GET /docs and /openapi.json: the API's description as a page and for programs, without a file of another site."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import flask_swagger_ui
from flask import Blueprint, Flask, Response, send_from_directory

from tracker.web.openapi import describe
from tracker.web.routes import Callers

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_OWN_FILES = Path(__file__).parent / "static"
_SWAGGER_FILES = Path(flask_swagger_ui.__file__).parent / "dist"


def docs_blueprint(app: Flask) -> Blueprint:
    """Make the blueprint that describes the routes of `app`."""
    blueprint = Blueprint("docs", __name__)

    @cache
    def document() -> dict[str, Any]:
        return describe(app)

    @blueprint.get("/openapi.json", callers=Callers.ANYONE)
    def openapi() -> dict[str, Any]:
        return document()

    @blueprint.get("/docs", callers=Callers.ANYONE)
    def page() -> Response:
        response = send_from_directory(_OWN_FILES, "docs.html")
        response.headers["Content-Security-Policy"] = _PAGE_POLICY
        return response

    @blueprint.get("/docs/page.js", callers=Callers.ANYONE)
    def script() -> Response:
        return send_from_directory(_OWN_FILES, "docs.js")

    @blueprint.get("/docs/assets/<path:name>", callers=Callers.ANYONE)
    def asset(name: str) -> Response:
        return send_from_directory(_SWAGGER_FILES, name, max_age=86400)

    return blueprint
