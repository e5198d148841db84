"""GET /metrics: what the service counts about itself, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response

from tracker.metrics import workers
from tracker.metrics.counts import Counter, Histogram
from tracker.sessions.store import StoreCheck
from tracker.web.exchange import Exchange
from tracker.web.routes import Callers

_REQUESTS: Final = Counter("tracker_requests", "Requests that were answered.", "method", "route", "status")
_REQUEST_SECONDS: Final = Histogram(
    "tracker_request_seconds", "From a request to the beginning of its answer.", "route"
)


def count_request(exchange: Exchange) -> None:
    """Count what was answered: by the rule of the route, and not by its path, which can hold a session id."""
    # Without a route the method can be any word that a client writes.
    method = "-" if exchange.route is None else exchange.method
    _REQUESTS.add(method, exchange.rule, str(exchange.status))
    _REQUEST_SECONDS.observe(exchange.seconds, exchange.rule)


def metrics_blueprint(check_store: Callable[[], StoreCheck]) -> Blueprint:
    """Make the blueprint. `check_store` returns how the store is now.

    Only with the owner's token: a request from this machine could be anybody's, whom a proxy passes on.
    """
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics", callers=Callers.OWNER)
    def metrics() -> Response:
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4  # noqa: PLC0415  100 ms, only where somebody reads them

        from tracker.metrics.exposition import exposition  # noqa: PLC0415

        store = check_store()
        gauges = {
            "tracker_store_ok": ("Whether the store can take a session now.", float(store.problem is None)),
            "tracker_store_sessions": ("Sessions that are stored.", float(store.sessions)),
            "tracker_store_bytes": ("What they take of the disk.", float(store.size_bytes)),
        }
        if store.problem is not None:
            gauges = {"tracker_store_ok": gauges["tracker_store_ok"]}
        return Response(exposition(workers.add_up(), gauges), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return blueprint
