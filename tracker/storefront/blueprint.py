"""GET /storefront.js, /storefront-popup.js and /storefront-pixel.js: what a shop loads from this service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from tracker.web.callers.hosts import is_trusted_host
from tracker.web.routes import Callers
from tracker.web.security import add_defaults
from tracker.web.served_file import ServedFile

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ASSETS = Path(__file__).parent / "assets"
FOR_ANY_PAGE = ("Access-Control-Allow-Origin", "*")
"""Lets shops load a script with `crossorigin`, `integrity` or as a module."""


class ScriptFirst:
    """WSGI middleware that serves the script before Flask and the log: every page view of the shop asks for it."""

    def __init__(self, app: WSGIApplication, script_name: str, script: ServedFile) -> None:
        """Wrap the application, which answers all other requests."""
        self._app = app
        self._path = f"/{script_name}"
        self._script = script

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self._path or environ["REQUEST_METHOD"] != "GET":
            return self._app(environ, start_response)
        status, headers, body = self._script.answer(environ)
        headers.append(FOR_ANY_PAGE)
        add_defaults(headers, is_secure=environ["wsgi.url_scheme"] == "https")
        start_response(status, headers)
        return [body]


def storefront_script() -> ServedFile:
    """Return the minified script, ready to be served."""
    return ServedFile.of((ASSETS / "storefront.min.js").read_bytes())


def storefront_blueprint(script_name: str, script: ServedFile) -> Blueprint:
    """Make the blueprint that serves the script as `script_name`.

    The module that draws popups and the pixel stand beside it, as `<name>-popup.js` and `<name>-pixel.js`.
    """
    blueprint = Blueprint("storefront", __name__)
    stem = script_name.removesuffix(".js")
    popup = ServedFile.of((ASSETS / "storefront-popup.min.js").read_bytes())
    pixel = (ASSETS / "pixel.js").read_text("utf-8")

    @blueprint.get(f"/{script_name}", callers=Callers.ANY_PAGE)
    def storefront() -> Response:
        return _response(script)  # only HEAD comes here: `ScriptFirst` answers GET

    @blueprint.get(f"/{stem}-popup.js", callers=Callers.ANY_PAGE)
    def storefront_popup() -> Response:
        return _response(popup)

    @blueprint.get(f"/{stem}-pixel.js", callers=Callers.ANYONE)
    def storefront_pixel() -> Response:
        root = request.url_root if is_trusted_host() else ""
        response = Response(_for_service(pixel, root), mimetype="text/javascript")
        # It differs by the Host header: it holds the address it was asked at.
        response.headers["Cache-Control"] = "no-cache"
        return response

    return blueprint


def _response(file: ServedFile) -> Response:
    status, headers, body = file.answer(request.environ)
    return Response(body, status, [*headers, FOR_ANY_PAGE])


def _for_service(pixel: str, url_root: str) -> str:
    # Only a plain address may get into the file; without one its owner writes it there.
    root = url_root.rstrip("/")
    address = root if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_/-]+", root) else "https://HOST"
    return pixel.replace('"https://HOST"', json.dumps(address), 1)
