"""Around every request: its id, the headers of its answer, and whoever watches what was answered.

WSGI middleware and no hooks of Flask's: an answer is completed once, as the list of headers that the server sends.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flask import has_request_context, request

from tracker.web.callers.origins import Cors
from tracker.web.routes import Route
from tracker.web.security import add_defaults, add_dependence

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_KEY: Final = "tracker.exchange"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Exchange:
    """One request, and its answer as soon as that begins."""

    __slots__ = ("began", "environ", "request_id", "route", "seconds", "status")

    def __init__(self, environ: WSGIEnvironment) -> None:
        sent: str = environ.get("HTTP_X_REQUEST_ID", "")
        # Random enough to tell requests apart, without a system call for each.
        self.request_id = sent if _REQUEST_ID.fullmatch(sent) else f"{random.getrandbits(128):032x}"
        self.environ = environ
        self.began = time.perf_counter()
        self.route: Route | None = None
        """The route that the request matched, if any."""
        self.status = 0
        self.seconds = 0.0
        """How long it took until the answer began."""

    @property
    def method(self) -> str:
        method: str = self.environ["REQUEST_METHOD"]
        return method

    @property
    def rule(self) -> str:
        """The rule of the route and not the path, which can hold a session id."""
        return "-" if self.route is None else self.route.rule


Watcher: TypeAlias = Callable[[Exchange], object]
"""Called when an answer begins, in the thread of its request."""


class Exchanges:
    """WSGI middleware around the application."""

    def __init__(self, app: WSGIApplication, cors: Cors, watchers: Iterable[Watcher]) -> None:
        self._app = app
        self._cors = cors
        self._watchers = tuple(watchers)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = environ[_KEY] = Exchange(environ)

        def begin_answer(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., object]:
            exchange.status = int(status[:3])
            exchange.seconds = time.perf_counter() - exchange.began
            self._cors.add_to(headers, environ)
            add_dependence(headers, exchange.route)
            add_defaults(headers, is_secure=environ["wsgi.url_scheme"] == "https")
            headers.append(("X-Request-Id", exchange.request_id))
            for watch in self._watchers:
                try:
                    watch(exchange)
                except Exception:
                    log.exception("a watcher of the answers failed")  # the answer itself is sound
            return start_response(status, headers, exc_info)

        return self._app(environ, begin_answer)


def note_route(route: Route) -> None:
    """Note which route the present request matched."""
    exchange: Exchange | None = request.environ.get(_KEY)
    if exchange is not None:
        exchange.route = route


def request_id() -> str | None:
    """Return the id of the present request; None outside of one."""
    exchange: Exchange | None = request.environ.get(_KEY) if has_request_context() else None
    return None if exchange is None else exchange.request_id
