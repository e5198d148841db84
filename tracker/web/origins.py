"""The sites whose pages may call this service, and the CORS headers that let them read its answers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import Flask
from flask_cors import CORS

from tracker.web.routes import Route

_ONE_LABEL = "[a-z0-9_-]+"
_ESCAPED_STAR = re.escape("*")


class AllowedOrigins:
    """Exact origins, and patterns in which a leading `*.` stands for exactly one label."""

    def __init__(self, origins: Iterable[str]) -> None:
        """Take origins in lower case and without a path, as the setting holds them. None at all allows every site."""
        self.expressions = ["^" + re.escape(origin).replace(_ESCAPED_STAR, _ONE_LABEL) + r"\Z" for origin in origins]
        """A regular expression for each, which matches a whole origin."""
        self.takes_all = not self.expressions
        """Whether no origin was listed, so that none is refused."""
        self._allowed = re.compile("|".join(self.expressions))

    def allow(self, origin: str) -> bool:
        """Return whether pages of this origin may call the service."""
        return self.takes_all or self._allowed.match(origin.lower()) is not None


def register_cors(app: Flask, origins: AllowedOrigins) -> None:
    """Send CORS headers on the routes that are declared for pages of the shop. Call it after the last route is there.

    Never with credentials.
    """
    paths = [route.rule for route in app.url_map.iter_rules() if isinstance(route, Route) and route.is_for_shop_pages]
    CORS(
        app,
        resources={re.compile(re.escape(path) + r"\Z"): {} for path in paths},
        origins="*" if origins.takes_all else origins.expressions,
        methods=["POST"],
        allow_headers=["Content-Type", "Content-Encoding"],
        expose_headers=["Retry-After", "X-Request-Id"],
        supports_credentials=False,
        send_wildcard=True,
        max_age=86400,
    )
