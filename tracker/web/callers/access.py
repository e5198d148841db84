"""The one check of every request: the caller must be one of those that the matched route declares."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, request

from tracker.metrics.counts import Counter
from tracker.web.bodies import raw_body
from tracker.web.callers.hosts import is_trusted_host
from tracker.web.callers.limits import LIMIT_ERRORS, Bound, limits
from tracker.web.callers.origins import AllowedOrigins
from tracker.web.callers.signatures import is_signed
from tracker.web.errors import ApiError, Errors
from tracker.web.exchange import note_route
from tracker.web.routes import Callers, Route

log = logging.getLogger(__name__)

REFUSALS: Mapping[Callers, Errors] = {
    Callers.ANYONE: {},
    Callers.ANY_PAGE: {},
    Callers.SHOP: {403: ("origin_not_allowed",)},
    Callers.SHOP_AND_PIXELS: {403: ("origin_not_allowed",)},
    Callers.OWNER: {401: ("wrong_token",), 403: ("owner_access_closed",), **LIMIT_ERRORS},
    Callers.WEBHOOK: {401: ("wrong_signature",), 403: ("webhooks_closed",)},
    Callers.OWNERS_BROWSER: {401: ("signed_out",), 403: ("foreign_page",)},
    Callers.OWN_PAGES: {403: ("foreign_page",)},
}
"""The errors that a route answers to all other callers."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names of this machine for itself."""

_REFUSED: Final = Counter("tracker_refused_origins", "Requests of pages whose site is not in ALLOWED_ORIGINS.")

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""


def register_access(
    app: Flask,
    origins: AllowedOrigins,
    admin_token: Callable[[], str],
    is_signed_in: Callable[[], bool],
    webhook_secrets: Sequence[str] = (),
) -> None:
    """Check every request before its view runs, and hold its body to the limit that the route declares.

    An empty `admin_token` closes the owner's routes to everybody, and no `webhook_secrets` those of webhooks. Of
    several secrets each one is right: while one takes the place of another, both are in use. `is_signed_in`: whether
    the owner has signed in at the browser that sent the present request.
    """
    # A route that declares no limit reads no body.
    app.config["MAX_CONTENT_LENGTH"] = 0
    is_warning_due = origins.takes_all

    @app.before_request
    def admit() -> None:
        nonlocal is_warning_due
        if is_warning_due:
            # At the first request and not at the start, so that commands at a terminal do not show it.
            is_warning_due = False
            log.warning("ALLOWED_ORIGINS is not set: pages of any site may post to this service")
        route = request.url_rule
        if route is None:
            return  # The answer is 404 or 405.
        if not isinstance(route, Route):
            raise TypeError(f"The route {route.rule} declares nothing.")
        note_route(route)
        if route.body_limit is not None:
            limits().check(Bound.BYTES)
            # One byte more, because Werkzeug refuses a chunked body of exactly this size; raw_body is exact.
            request.max_content_length = app.config[route.body_limit] + 1
        if route.callers is Callers.OWNER:
            _require_token(admin_token().encode())
        elif route.callers is Callers.WEBHOOK:
            _require_signature(webhook_secrets)
        elif route.callers in {Callers.OWNERS_BROWSER, Callers.OWN_PAGES}:
            if request.method not in _SAFE:
                _require_own_page()
            if route.callers is Callers.OWNERS_BROWSER and not is_signed_in():
                raise ApiError(401, "signed_out", "Sign in first: open /login in a browser.")
        elif route.is_for_shop_pages and "Origin" in request.headers and request.method != "OPTIONS":
            _require_allowed_origin(origins, takes_null=route.callers is Callers.SHOP_AND_PIXELS)


def is_this_machine(host: str) -> bool:
    """Return whether a host, with a port or without, is a name of this machine for itself."""
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False


def _require_allowed_origin(origins: AllowedOrigins, *, takes_null: bool) -> None:
    """Refuse pages of other sites. CORS alone would only hide the answer from them.

    Without this, any page could write sessions and spend the owner's model calls. Pages of the service itself pass.
    """
    origin = request.headers["Origin"]
    if origin == "null" and takes_null:
        return
    is_own = origin == request.host_url.rstrip("/") and is_trusted_host()
    if not is_own and not origins.allow(origin):
        _REFUSED.add()
        raise ApiError(403, "origin_not_allowed", "Pages of this site may not use this service: see ALLOWED_ORIGINS.")


def _require_token(expected: bytes) -> None:
    if not expected:
        raise ApiError(
            403, "owner_access_closed", "Set ADMIN_TOKEN to a long random text, then send it as a Bearer token."
        )
    limits().check(Bound.WRONG_TOKENS)
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    # Bytes, because compare_digest refuses text that is not ASCII. WSGI decodes the header's bytes as Latin-1.
    token = sent.strip().encode("latin-1", "replace")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token, expected):
        limits().add(Bound.WRONG_TOKENS)
        raise ApiError(
            401,
            "wrong_token",
            "Send the value of ADMIN_TOKEN in the header `Authorization: Bearer ...`.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _require_signature(secrets: Sequence[str]) -> None:
    if not secrets:
        raise ApiError(
            403,
            "webhooks_closed",
            "Set SHOPIFY_WEBHOOK_SECRET to the key that Shopify shows under Settings > Notifications > Webhooks.",
        )
    if not is_signed(secrets, raw_body(), request.headers.get("X-Shopify-Hmac-SHA256", "")):
        raise ApiError(
            401,
            "wrong_signature",
            "X-Shopify-Hmac-SHA256 is not the signature of this body by SHOPIFY_WEBHOOK_SECRET; see docs/webhooks.md.",
        )


def _require_own_page() -> None:
    """Refuse what another site's page makes a browser send, with the owner's cookie perhaps.

    Every browser sends the origin with a post. Where it trusts the connection it also says whose page it was, in a
    header that no page can set.
    """
    site = request.headers.get("Sec-Fetch-Site")
    is_told = request.is_secure or is_this_machine(request.host)
    is_own_site = site == "same-origin" or (site is None and not is_told)
    if not is_own_site or request.headers.get("Origin") != f"{request.scheme}://{request.host}":
        raise ApiError(403, "foreign_page", "Send it from a page of this service itself: open / in a browser.")
