"""GET /setup: the line for the theme, and each step with what was seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from tracker.config import Config
from tracker.decisions.shop.live_file import ShopFile
from tracker.insights.port import Insights
from tracker.insights.report import report
from tracker.owner import words
from tracker.owner.numbers.verdicts import waits
from tracker.owner.setup.sightings import Seen, Sightings
from tracker.owner.shell import Shell, unchanged
from tracker.web.callers.access import is_this_machine
from tracker.web.routes import Callers

_DAYS: Final = 28
"""The traffic of so many days says how long an answer takes."""


def setup_blueprint(
    shell: Shell, config: Config, shop: ShopFile, insights: Insights, sightings: Sightings, clock: Callable[[], int]
) -> Blueprint:
    """Make the blueprint."""
    blueprint = shell.blueprint("setup", __name__)

    @blueprint.get("/setup", callers=Callers.OWNERS_BROWSER)
    def page() -> AnyResponse:
        seen, current, now = sightings.all(), shop.current(), clock()
        minute = now // 60_000  # "2 minutes ago" grows old
        etag, answer = unchanged((seen, current.version, insights.version(), request.url_root, minute))
        if answer is not None:
            return answer
        found = report(insights, current, words.moment(now, insights.zone).date(), _DAYS)
        text = render_template(
            "owner/service/setup.html",
            etag=etag,
            now=now,
            seen=seen,
            wanted=_wanted(seen),
            address=request.url_root.rstrip("/"),
            is_local=is_this_machine(request.host),
            script=config.storefront_script,
            pixel=f"{config.storefront_script.removesuffix('.js')}-pixel.js",
            allowed=config.allowed_origins,
            with_refused=",".join([*config.allowed_origins, *(origin for origin, _one in seen.of("refused"))]),
            report=found,
            waits=waits(found),
            takes_webhooks=bool(config.shopify_webhook_secret),
            messages=[] if current.version == "none" else current.messages,
        )
        answer = make_response(text)
        answer.set_etag(etag)
        return answer

    return blueprint


def _wanted(seen: Seen) -> str:
    """Return the origins that a shop's owner would allow, judged by who reported."""
    return ",".join(origin for origin, _one in seen.of("heard"))
