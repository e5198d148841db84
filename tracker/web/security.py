"""What every answer tells browsers not to do, and who may see what is the owner's."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from flask import Flask, Response, request

from tracker.web.errors import ApiError

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of every answer that is no page: a browser that shows it loads and runs nothing."""

_DEFAULTS = [
    (name.lower(), name, value)
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": API_POLICY,
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }.items()
]


def register_security_headers(app: Flask) -> None:
    """Put the headers on every answer that has not set its own."""

    @app.after_request
    def secure(response: Response) -> Response:
        headers = response.headers
        own = {name.lower() for name, _ in headers}
        headers.extend((name, value) for key, name, value in _DEFAULTS if key not in own)
        if request.is_secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
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
