"""The headers of every answer: what browsers must not do with it, and whether it depends on the asking page."""

from __future__ import annotations

from operator import itemgetter

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from tracker.web.routes import Route

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of every answer that is not a page: a browser that shows it loads and runs nothing."""

_DEFAULTS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", API_POLICY),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), browsing-topics=()"),
)
_SECURE_DEFAULTS = (*_DEFAULTS, ("Strict-Transport-Security", "max-age=31536000"))


def with_defaults(headers: list[tuple[str, str]], *, is_secure: bool) -> list[tuple[str, str]]:
    """Return an answer's headers, and each default header that is not among them."""
    present = set(map(str.lower, map(itemgetter(0), headers)))
    complete = list(headers)
    for default in _SECURE_DEFAULTS if is_secure else _DEFAULTS:
        if default[0].lower() not in present:
            complete.append(default)  # noqa: PERF401  a comprehension costs a call a request
    return complete


def register_security_headers(app: Flask) -> None:
    """Add the default headers to every answer that does not set them itself."""

    @app.after_request
    def secure(response: Response) -> Response:
        route = request.url_rule
        # flask-cors leaves Vary out where every site is allowed, and on requests without an origin. A 405 has no
        # matched route, so it gets the header as well.
        may_vary = not isinstance(route, Route) or route.is_for_shop_pages
        if may_vary and "Origin" not in response.headers.get("Vary", ""):
            response.headers.add("Vary", "Origin")
        # Pages of the shop may load what is made for them, pages of other sites nothing.
        response.headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin" if may_vary else "same-origin")
        response.headers = Headers(with_defaults(list(response.headers), is_secure=request.is_secure))
        return response
