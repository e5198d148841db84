"""GET /storefront.js and /storefront-pixel.js: what a shop loads from this service."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request
from werkzeug.http import parse_accept_header

from tracker.web.security import with_defaults

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ASSETS = Path(__file__).parent / "assets"

FOREVER = "public, max-age=31536000, immutable"
SHORTLY = "public, max-age=300, stale-while-revalidate=86400"
"""Without a version in its address: an owner who updates the service wants the new script in shops within minutes."""


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file in the forms it is served in, made once at the start."""

    version: str
    """Names the content: the address with `?v=` this may be cached for ever."""
    plain: bytes
    gzipped: bytes

    @classmethod
    def of(cls, content: bytes) -> ServedFile:
        """Prepare a file's content."""
        return cls(hashlib.sha256(content).hexdigest()[:12], content, gzip.compress(content, 9, mtime=0))

    def answer(self, environ: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Give (status, headers, body) for a GET."""
        zipped = _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", ""))
        etag = f'"{self.version}{"-gz" if zipped else ""}"'
        headers = [
            ("Content-Type", "text/javascript; charset=utf-8"),
            ("ETag", etag),
            ("Vary", "Accept-Encoding"),
            ("Cache-Control", FOREVER if environ.get("QUERY_STRING") == f"v={self.version}" else SHORTLY),
            # A shop that isolates its pages (Cross-Origin-Embedder-Policy) may load it all the same.
            ("Cross-Origin-Resource-Policy", "cross-origin"),
        ]
        if etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            return "304 NOT MODIFIED", headers, b""
        body = self.gzipped if zipped else self.plain
        headers.append(("Content-Length", str(len(body))))
        return "200 OK", headers + ([("Content-Encoding", "gzip")] if zipped else []), body


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


@lru_cache(maxsize=64)
def _takes_gzip(accept_encoding: str) -> bool:
    return parse_accept_header(accept_encoding)["gzip"] > 0


def storefront_script() -> ServedFile:
    """Read the minified script."""
    return ServedFile.of((ASSETS / "storefront.min.js").read_bytes())


def storefront_blueprint(script_name: str, script: ServedFile) -> Blueprint:
    """Make the blueprint that serves the script under this name, and the pixel under `<name>-pixel.js`."""
    blueprint = Blueprint("storefront", __name__)
    pixel = (ASSETS / "pixel.js").read_text("utf-8")

    @blueprint.get(f"/{script_name}")
    def storefront() -> Response:
        # For what `ScriptFirst` leaves: HEAD.
        status, headers, body = script.answer(request.environ)
        return Response(body, status, headers)

    @blueprint.get(f"/{script_name.removesuffix('.js')}-pixel.js")
    def storefront_pixel() -> Response:
        response = Response(_for_service(pixel, request.url_root), mimetype="text/javascript")
        # Made for whoever asks: the address in it is the one that was asked.
        response.headers["Cache-Control"] = "no-cache"
        return response

    return blueprint


def _for_service(pixel: str, url_root: str) -> str:
    # The Host header is the asker's text: nothing but an address gets into the file.
    root = url_root.rstrip("/")
    address = root if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_/-]+", root) else "https://HOST"
    return pixel.replace('"https://HOST"', json.dumps(address), 1)
