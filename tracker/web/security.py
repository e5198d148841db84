"""What every answer tells browsers not to do, and who may see what is the owner's."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from tracker.web.errors import ApiError

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of every answer that is no page: a browser that shows it loads and runs nothing."""

_DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": API_POLICY,
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_WHERE_SECURE = {"Strict-Transport-Security": "max-age=31536000"}


def with_defaults(headers: list[tuple[str, str]], *, is_secure: bool) -> list[tuple[str, str]]:
    """Give an answer's headers with those that it has not set itself."""
    own = {name.lower() for name, _ in headers}
    every = _DEFAULTS | _WHERE_SECURE if is_secure else _DEFAULTS
    return headers + [(name, value) for name, value in every.items() if name.lower() not in own]


def register_security_headers(app: Flask) -> None:
    """Put the headers on every answer that has not set its own."""

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers = Headers(with_defaults(list(response.headers), is_secure=request.is_secure))
        return response


def owner_only(admin_token: str) -> Callable[[], None]:
    """Make the check that a blueprint of the owner's runs before every request."""
    expected = admin_token.encode()

    def check() -> None:
        if not expected:
            raise ApiError(
                403, "owner_access_closed", "Set ADMIN_TOKEN to a long random text, then send it as a Bearer token."
            )
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Bytes, because compare_digest refuses text that is not ASCII; WSGI hands the header's over as Latin-1.
        sent = given.strip().encode("latin-1", "replace")
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent, expected):
            raise ApiError(
                401,
                "wrong_token",
                "Send the value of ADMIN_TOKEN in the header `Authorization: Bearer ...`.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check
