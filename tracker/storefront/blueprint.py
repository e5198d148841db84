"""GET /storefront.js and /storefront-pixel.js: what a shop loads from this service."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, request

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


def storefront_script() -> ServedFile:
    """Read the minified script."""
    return ServedFile.of((ASSETS / "storefront.min.js").read_bytes())


def storefront_blueprint(script_name: str, script: ServedFile) -> Blueprint:
    """Make the blueprint that serves the script under this name, and the pixel under `<name>-pixel.js`."""
    blueprint = Blueprint("storefront", __name__)
    pixel = (ASSETS / "pixel.js").read_text("utf-8")

    @blueprint.get(f"/{script_name}")
    def storefront() -> Response:
        return _served(script)

    @blueprint.get(f"/{script_name.removesuffix('.js')}-pixel.js")
    def storefront_pixel() -> Response:
        response = Response(_for_service(pixel, request.url_root), mimetype="text/javascript")
        # Made for whoever asks: the address in it is the one that was asked.
        response.headers["Cache-Control"] = "no-cache"
        return response

    return blueprint


def _served(file: ServedFile) -> Response:
    zipped = request.accept_encodings["gzip"] > 0
    etag = f'"{file.version}{"-gz" if zipped else ""}"'
    if etag in request.headers.get("If-None-Match", ""):
        response = Response(status=304)
    else:
        response = Response(file.gzipped if zipped else file.plain, mimetype="text/javascript")
        if zipped:
            response.headers["Content-Encoding"] = "gzip"
    headers = response.headers
    headers["ETag"] = etag
    headers["Vary"] = "Accept-Encoding"
    headers["Cache-Control"] = FOREVER if request.args.get("v") == file.version else SHORTLY
    # A shop that isolates its pages (Cross-Origin-Embedder-Policy) may load it all the same.
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _for_service(pixel: str, url_root: str) -> str:
    # The Host header is the asker's text: nothing but an address gets into the file.
    root = url_root.rstrip("/")
    address = root if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_/-]+", root) else "https://HOST"
    return pixel.replace('"https://HOST"', json.dumps(address), 1)
