"""The applications that the service is compared with, each behind the same Gunicorn settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, send_from_directory

from tracker.app import create_app
from tracker.web.routes import Callers

_ANSWER = b'{"ok":true,"saved":true}\n'


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the service answers a saved report, without any framework: the limit that Gunicorn sets."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(_ANSWER)))])
    return [_ANSWER]


def service() -> Flask:
    """Return the service with two more views: an empty one, and Flask's own static view of the storefront script."""
    app = create_app()
    scripts = Path(__file__).parents[2] / "tracker" / "storefront" / "assets"

    @app.post("/empty", callers=Callers.SHOP_AND_PIXELS)
    def empty() -> Response:
        return jsonify({"ok": True, "saved": True})

    @app.get("/static/<name>", callers=Callers.ANY_PAGE)
    def static_script(name: str) -> Response:
        return send_from_directory(scripts, name, max_age=300)

    return app
