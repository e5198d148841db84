"""A script served from memory, plain or compressed, with the headers that let browsers cache it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from werkzeug.http import parse_accept_header

FOREVER = "public, max-age=31536000, immutable"
SHORTLY = "public, max-age=300, stale-while-revalidate=86400"
"""For an address without a version: after an update of the service, shops get the new script within minutes."""


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A script in both forms it is served in, made once at the start."""

    version: str
    """Identifies the content: the address with `?v=<version>` may be cached for ever."""
    plain: bytes
    gzipped: bytes
    content_type: str = "text/javascript; charset=utf-8"

    @classmethod
    def of(cls, content: bytes, content_type: str = "text/javascript; charset=utf-8") -> ServedFile:
        """Compress the content, and derive its version."""
        version = hashlib.sha256(content).hexdigest()[:12]
        return cls(version, content, gzip.compress(content, 9, mtime=0), content_type)

    def answer(self, environ: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return (status, headers, body) for a GET."""
        zipped = _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", ""))
        etag = f'"{self.version}{"-gz" if zipped else ""}"'
        headers = [
            ("Content-Type", self.content_type),
            ("ETag", etag),
            ("Vary", "Accept-Encoding"),
            ("Cache-Control", FOREVER if environ.get("QUERY_STRING") == f"v={self.version}" else SHORTLY),
            # Lets shops load it that isolate their pages with Cross-Origin-Embedder-Policy.
            ("Cross-Origin-Resource-Policy", "cross-origin"),
        ]
        if etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            return "304 NOT MODIFIED", headers, b""
        body = self.gzipped if zipped else self.plain
        headers.append(("Content-Length", str(len(body))))
        return "200 OK", headers + ([("Content-Encoding", "gzip")] if zipped else []), body


@lru_cache(maxsize=64)
def _takes_gzip(accept_encoding: str) -> bool:
    return parse_accept_header(accept_encoding)["gzip"] > 0
