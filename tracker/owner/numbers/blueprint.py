"""GET /today and /pays: the figures of the shop, and whether popups sell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from tracker.config import Config
from tracker.decisions.shop.live_file import ShopFile
from tracker.insights.port import Insights
from tracker.insights.report import Report, report
from tracker.owner import words
from tracker.owner.charts.bars import Bar, bars
from tracker.owner.charts.shares import share
from tracker.owner.numbers.today import figures, hands, state
from tracker.owner.numbers.verdicts import told, waits
from tracker.owner.shell import Shell, unchanged
from tracker.owner.visits.lines import visit_lines
from tracker.sessions.store import SessionStore
from tracker.web.routes import Callers

PERIODS: Final = {7: "7 days", 28: "4 weeks", 84: "12 weeks"}
_LATEST: Final = 8
_LOOKED_AT: Final = 200
"""The latest visits stand among the newest of so many, unless all of those are of the other kind: example, or not."""
_STEPS: Final = {
    "visits": "Visits",
    "products": "Looked at a product",
    "carts": "Put something into the cart",
    "checkouts": "Went to the checkout",
    "buyers": "Ordered",
    "orders": "Ordered",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the figures come from."""

    insights: Insights
    shop: ShopFile
    store: SessionStore
    config: Config
    clock: Callable[[], int]
    notices: Callable[[], list[str]]
    """Returns what the service has to say beside the figures: faults, and bounds that were reached."""


def numbers_blueprint(shell: Shell, sources: Sources) -> Blueprint:
    """Make the blueprint."""
    blueprint = shell.blueprint("numbers", __name__)

    def answered(template: str, days: int, make: Callable[[Report], dict[str, Any]]) -> AnyResponse:
        """Answer with a page made from the report; nothing is counted if the browser has the page already."""
        example = request.args.get("data") == "example"
        now, today = sources.clock(), _today(sources)
        parts = (
            template,
            sources.insights.version(),
            sources.shop.current().version,
            sources.shop.problem,
            *sources.notices(),
            today,
            days,
        )
        etag, answer = unchanged((*parts, example, now // 3_600_000))
        if answer is not None:
            return answer
        found = report(sources.insights, sources.shop.current(), today, days, example=example)
        more = "?data=example" if example else ""
        text = render_template(template, etag=etag, report=found, query=more, days=days, now=now, **make(found))
        answer = make_response(text)
        answer.set_etag(etag)
        return answer

    @blueprint.get("/today", callers=Callers.OWNERS_BROWSER)
    def today() -> AnyResponse:
        days = request.args.get("days", 28, type=int)
        return answered(
            "owner/figures/today.html", days if days in PERIODS else 28, lambda found: _today_parts(sources, found)
        )

    @blueprint.get("/pays", callers=Callers.OWNERS_BROWSER)
    def pays() -> AnyResponse:
        return answered("owner/figures/pays.html", 28, lambda found: {"told": told(found), "waits": waits(found)})

    return blueprint


def _today(sources: Sources) -> date:
    return words.moment(sources.clock(), sources.insights.zone).date()


def _today_parts(sources: Sources, found: Report) -> dict[str, Any]:
    """Return what Today shows beside the report itself."""
    config, now = sources.config, sources.clock()
    newest = islice(sources.store.iterate(), _LOOKED_AT)
    of_kind = (one for one in newest if one.example == found.is_example)
    latest = list(islice(of_kind, _LATEST)) if found.total.visits or found.before.visits else []
    headline, second = state(found)
    needed = hands(
        sources.shop.current(),
        found.today,
        file_problem=sources.shop.problem,
        last_heard_ms=latest[0].updated_at if latest else 0,
        now_ms=now,
        notices=sources.notices(),
    )
    return {
        "headline": headline,
        "second": second,
        "hands": [] if found.is_example else list(needed),
        "figures": figures(found),
        "visits_chart": bars(
            [Bar(one.day, one.visits, one.carts) for one in found.days], "Visits a day, and those that filled a cart."
        ),
        "orders_chart": bars([Bar(one.day, one.orders) for one in found.days], "Orders a day.", 120),
        "steps": [(_STEPS[one.name], one, share(one.visits, found.total.visits)) for one in found.funnel],
        "told": told(found),
        "visits": visit_lines(latest, now, sources.insights.zone),
        "periods": PERIODS,
        "zone": sources.insights.zone,
        "config": config,
        "budget": share(found.days[-1].model_calls, config.model_daily_calls),
    }
