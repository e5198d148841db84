"""The sites whose pages may call this service, and the CORS headers that let them read its answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flask_cors.core import DEFAULT_OPTIONS, get_cors_headers, serialize_options
from werkzeug.datastructures import EnvironHeaders

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_THEIR_KEYS: Final = (
    "HTTP_ORIGIN",
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
    "HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK",
)
"""The headers of a request that its CORS headers depend on."""
_KNOWN: Final = 256
"""So many answers of the library are remembered: a shop has few origins, and asking for one takes 11 to 19 µs."""
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


class Cors:
    """The CORS headers that let pages of the shop read what the routes for them answer. Never with credentials."""

    def __init__(self, origins: AllowedOrigins, paths: Iterable[str]) -> None:
        """`paths`: those of the routes that are declared for pages of the shop."""
        self._paths = frozenset(paths)
        self._options = serialize_options(
            {
                **DEFAULT_OPTIONS,
                "origins": "*" if origins.takes_all else origins.expressions,
                "methods": ["POST"],
                "allow_headers": ["Content-Type", "Content-Encoding"],
                "expose_headers": ["Retry-After", "X-Request-Id"],
                "send_wildcard": True,
                "vary_header": False,  # it is among the headers of every answer, see `security.add_dependence`
                "max_age": 86400,
            }
        )
        self._headers_for = lru_cache(_KNOWN)(self._ask_the_library)

    def add_to(self, headers: list[tuple[str, str]], environ: WSGIEnvironment) -> None:
        """Add them to the headers of an answer, whether it succeeded or failed."""
        if environ["PATH_INFO"] in self._paths:
            headers += self._headers_for(environ["REQUEST_METHOD"], *(environ.get(key) for key in _THEIR_KEYS))

    def _ask_the_library(self, method: str, *values: str | None) -> list[tuple[str, str]]:
        sent = EnvironHeaders({key: value for key, value in zip(_THEIR_KEYS, values, strict=True) if value is not None})
        return [(name, str(value)) for name, value in get_cors_headers(self._options, sent, method).items(multi=True)]
