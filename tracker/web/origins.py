"""The sites whose pages may call this service, and the CORS headers that let them read its answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_FOR_ALL: Final = ("Access-Control-Allow-Origin", "*")
_EXPOSED: Final = ("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
_PREFLIGHT: Final = (
    ("Access-Control-Allow-Methods", "POST"),
    ("Access-Control-Allow-Headers", "Content-Type, Content-Encoding"),
    ("Access-Control-Max-Age", "86400"),
)
_ONE_LABEL = "[a-z0-9_-]+"
_ESCAPED_STAR = re.escape("*")


class AllowedOrigins:
    """Exact origins, and patterns in which a leading `*.` stands for exactly one label."""

    def __init__(self, origins: Iterable[str]) -> None:
        """Take origins in lower case and without a path, as the setting holds them. None at all allows every site."""
        expressions = ["^" + re.escape(origin).replace(_ESCAPED_STAR, _ONE_LABEL) + r"\Z" for origin in origins]
        self.takes_all = not expressions
        """Whether no origin was listed, so that none is refused."""
        self._allowed = re.compile("|".join(expressions))

    def allow(self, origin: str) -> bool:
        """Return whether pages of this origin may call the service."""
        return self.takes_all or self._allowed.match(origin.lower()) is not None


class Cors:
    """The CORS headers that let pages of the shop read what the routes for them answer. Never with credentials."""

    def __init__(self, origins: AllowedOrigins, paths: Iterable[str]) -> None:
        """`paths`: those of the routes that are declared for pages of the shop."""
        self._origins = origins
        self._paths = frozenset(paths)

    def add_to(self, headers: list[tuple[str, str]], environ: WSGIEnvironment) -> None:
        """Add them to the headers of an answer, whether it succeeded or failed."""
        if environ["PATH_INFO"] not in self._paths:
            return
        if self._origins.takes_all:
            headers += (_FOR_ALL, _EXPOSED)
        elif self._origins.allow(origin := environ.get("HTTP_ORIGIN", "")):
            headers += (("Access-Control-Allow-Origin", origin), _EXPOSED)
        else:
            return
        if environ["REQUEST_METHOD"] == "OPTIONS" and environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD") == "POST":
            headers += _PREFLIGHT
