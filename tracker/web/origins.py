"""Which sites' pages may speak to this service, and the CORS headers that tell their browsers so."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from flask import Flask, Response, request
from flask_cors import CORS

from tracker.web.errors import ApiError

log = logging.getLogger(__name__)

_ONE_LABEL = "[a-z0-9_-]+"
_ESCAPED_STAR = re.escape("*")


class AllowedOrigins:
    """Exact origins, and patterns in which a leading `*.` stands for exactly one label."""

    def __init__(self, origins: Iterable[str]) -> None:
        """Take origins in lower case, without a path, as the setting gives them. None at all: every site may."""
        self.expressions = ["^" + re.escape(origin).replace(_ESCAPED_STAR, _ONE_LABEL) + r"\Z" for origin in origins]
        """The same as regular expressions that match a whole origin, for flask-cors."""
        self._allowed = [re.compile(expression) for expression in self.expressions]

    @property
    def takes_all(self) -> bool:
        """Whether no origin was named, so that none is refused."""
        return not self._allowed

    def allow(self, origin: str) -> bool:
        """Tell whether a page of this origin may speak to the service."""
        return self.takes_all or any(allowed.match(origin.lower()) for allowed in self._allowed)


def register_origins(
    app: Flask, origins: AllowedOrigins, paths: frozenset[str], for_pixels: frozenset[str] = frozenset()
) -> None:
    """Let pages of the allowed origins, and of the service itself, use these paths; refuse all others.

    `for_pixels` are those of the paths that take posts of pages without an origin too: a shop's custom pixel runs in
    such a frame, and browsers send `Origin: null` from there.

    Without credentials always. CORS alone only hides the answer from a foreign page; the refusal keeps it from writing
    sessions and from spending the owner's model calls.
    """
    CORS(
        app,
        resources={re.escape(path): {"origins": "*" if origins.takes_all else origins.expressions} for path in paths},
        methods=["POST"],
        allow_headers=["Content-Type", "Content-Encoding"],
        expose_headers=["Retry-After", "X-Request-Id"],
        supports_credentials=False,
        send_wildcard=True,
        max_age=86400,
    )

    warned = not origins.takes_all

    @app.before_request
    def refuse_foreign_pages() -> None:
        # Said when the first request comes, so that commands at a terminal do not say it.
        nonlocal warned
        if not warned:
            warned = True
            log.warning("ALLOWED_ORIGINS is not set: pages of any site may post to this service")
        origin = request.headers.get("Origin")
        if request.path not in paths or request.method == "OPTIONS" or origin is None:
            return
        if origin == "null" and request.path in for_pixels:
            return
        if not origins.allow(origin) and origin != request.host_url.rstrip("/"):
            raise ApiError(
                403, "origin_not_allowed", "Pages of this site may not use this service: see ALLOWED_ORIGINS."
            )

    @app.after_request
    def vary_by_origin(response: Response) -> Response:
        if request.path in paths and "Origin" not in response.headers.get("Vary", ""):
            response.headers.add("Vary", "Origin")
        return response
