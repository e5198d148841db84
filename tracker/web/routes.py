"""What every route declares where it is defined: the callers it is open to, and the limit of its body.

    @blueprint.post("/ingest", callers=Callers.SHOP, body_limit="MAX_BODY_BYTES")

A route without callers cannot be registered, so no route is open by oversight.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from flask import Flask
from werkzeug.routing import Rule


class Callers(Enum):
    """The callers that a route is open to. `tracker.web.callers.access` refuses all others."""

    ANYONE = "anyone; pages of other sites cannot read the answer"
    ANY_PAGE = "anyone, and pages of all sites may read the answer (CORS): scripts that shops load"
    SHOP = "pages whose origin is allowed, which may read the answer (CORS); and programs, which send no origin"
    SHOP_AND_PIXELS = "as SHOP, and the shop's custom pixels: their frames have no origin, and send `Origin: null`"
    OWNER = "requests with ADMIN_TOKEN"
    WEBHOOK = "posts of Shopify, each with a signature of its body"
    OWNERS_BROWSER = "browsers in which the owner has signed in; what changes something comes from this service's pages"
    OWN_PAGES = "anyone; what changes something comes from this service's pages"


class Route(Rule):
    """A URL rule with its declaration."""

    def __init__(
        self, path: str, *, callers: Callers | None = None, body_limit: str | None = None, **options: Any
    ) -> None:
        """Declare the route.

        `body_limit` is the name of the setting with the most bytes its body may have; without it no body is read.
        Raises TypeError for a route without callers, and for a webhook without a limit: its signature is of the body.
        """
        if callers is None:
            raise TypeError(f"The route {path} does not say who may call it: pass callers=Callers.<...>.")
        if callers is Callers.WEBHOOK and body_limit is None:
            raise TypeError(f"The route {path} of a webhook declares no limit of its body: pass body_limit=...")
        super().__init__(path, **options)
        self.callers = callers
        self.body_limit = body_limit
        self.is_for_shop_pages = callers in {Callers.SHOP, Callers.SHOP_AND_PIXELS}


def paths_for_shop_pages(app: Flask) -> set[str]:
    """Return the paths of the routes that are declared for pages of the shop."""
    return {route.rule for route in app.url_map.iter_rules() if isinstance(route, Route) and route.is_for_shop_pages}


class Service(Flask):
    """A Flask application whose routes all declare themselves."""

    url_rule_class: type[Rule] = Route

    def __init__(self, import_name: str) -> None:
        """Make the application without Flask's own static route, which would declare nothing."""
        super().__init__(import_name, static_folder=None)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function itself: no view or hook is a coroutine, and Flask would look at each anew."""
        return func
