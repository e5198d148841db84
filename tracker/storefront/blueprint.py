"""GET /storefront.js, /storefront-popup.js and /storefront-pixel.js: what a shop loads from this service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from tracker.web.security import with_defaults
from tracker.web.served_file import ServedFile

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ASSETS = Path(__file__).parent / "assets"


class ScriptFirst:
    """Answers for the script ahead of Flask and of the log, for every page of the shop asks for it."""

    def __init__(self, app: WSGIApplication, script_name: str, script: ServedFile) -> None:
        """Take the application that answers everything else."""
        self._app = app
        self._path = f"/{script_name}"
        self._script = script

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self._path or environ["REQUEST_METHOD"] != "GET":
            return self._app(environ, start_response)
        status, headers, body = self._script.answer(environ)
        start_response(status, with_defaults(headers, is_secure=environ["wsgi.url_scheme"] == "https"))
        return [body]


def storefront_script() -> ServedFile:
    """Read the minified script."""
    return ServedFile.of((ASSETS / "storefront.min.js").read_bytes())


def storefront_blueprint(script_name: str, script: ServedFile) -> Blueprint:
    """Return the blueprint that serves the script under this name.

    The module that draws popups and the pixel stand beside it, as `<name>-popup.js` and `<name>-pixel.js`.
    """
    blueprint = Blueprint("storefront", __name__)
    stem = script_name.removesuffix(".js")
    popup = ServedFile.of((ASSETS / "storefront-popup.min.js").read_bytes())
    pixel = (ASSETS / "pixel.js").read_text("utf-8")

    @blueprint.get(f"/{script_name}")
    def storefront() -> Response:
        return _response(script)  # for what `ScriptFirst` leaves: HEAD

    @blueprint.get(f"/{stem}-popup.js")
    def storefront_popup() -> Response:
        return _response(popup)

    @blueprint.get(f"/{stem}-pixel.js")
    def storefront_pixel() -> Response:
        response = Response(_for_service(pixel, request.url_root), mimetype="text/javascript")
        # Made for whoever asks: the address in it is the one that was asked.
        response.headers["Cache-Control"] = "no-cache"
        return response

    return blueprint


def _response(file: ServedFile) -> Response:
    status, headers, body = file.answer(request.environ)
    return Response(body, status, headers)


def _for_service(pixel: str, url_root: str) -> str:
    # The Host header is the asker's text: nothing but an address gets into the file.
    root = url_root.rstrip("/")
    address = root if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_/-]+", root) else "https://HOST"
    return pixel.replace('"https://HOST"', json.dumps(address), 1)
