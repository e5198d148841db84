"""The headers of every answer: what browsers must not do with it, and whether it depends on the asking page."""

from __future__ import annotations

from tracker.web.routes import Route

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of every answer that is not a page: a browser that shows it loads and runs nothing."""

_DEFAULTS = (
    ("x-content-type-options", ("X-Content-Type-Options", "nosniff")),
    ("referrer-policy", ("Referrer-Policy", "no-referrer")),
    ("content-security-policy", ("Content-Security-Policy", API_POLICY)),
    ("x-frame-options", ("X-Frame-Options", "DENY")),
    ("cache-control", ("Cache-Control", "no-store")),
    ("cross-origin-opener-policy", ("Cross-Origin-Opener-Policy", "same-origin")),
    (
        "permissions-policy",
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), browsing-topics=()"),
    ),
)
_SECURE_DEFAULTS = (
    *_DEFAULTS,
    ("strict-transport-security", ("Strict-Transport-Security", "max-age=31536000")),
)


def add_defaults(headers: list[tuple[str, str]], *, is_secure: bool) -> None:
    """Add each default header that is not among an answer's headers."""
    present = {name.lower() for name, _value in headers}
    for name, default in _SECURE_DEFAULTS if is_secure else _DEFAULTS:
        if name not in present:
            headers.append(default)


def add_dependence(headers: list[tuple[str, str]], route: Route | None) -> None:
    """Add whether an answer depends on the page that asks, and which pages may load it.

    Without a route (404, 405) an answer counts as one for pages of the shop.
    """
    present = {name.lower(): value for name, value in headers}
    is_for_shop_pages = route is None or route.is_for_shop_pages
    if is_for_shop_pages and "Origin" not in present.get("vary", ""):
        headers.append(("Vary", "Origin"))
    if "cross-origin-resource-policy" not in present:
        # Pages of the shop may load what is made for them, pages of other sites nothing.
        headers.append(("Cross-Origin-Resource-Policy", "cross-origin" if is_for_shop_pages else "same-origin"))
