"""GET /visits, and a visit: its story in the shop's time, its record as JSON, and its deletion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from itertools import islice
from operator import attrgetter
from typing import Final

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from tracker.decisions.review.timeline import Moment, one_line, timeline
from tracker.insights.orders import orders_of
from tracker.owner import words
from tracker.owner.shell import Shell
from tracker.owner.visits.lines import visit_lines
from tracker.sessions.model import ANY_SESSION_ID, ShopperSession
from tracker.sessions.store import Position, SessionStore
from tracker.web.errors import ApiError
from tracker.web.routes import Callers

_PAGE: Final = 40
"""Visits on a page of the list."""


def visits_blueprint(shell: Shell, store: SessionStore, clock: Callable[[], int], zone: tzinfo) -> Blueprint:
    """Make the blueprint. `zone` is the shop's time."""
    blueprint = shell.blueprint("visits", __name__)

    def found(session_id: str) -> ShopperSession:
        session = store.get(session_id)
        if session is None:
            raise ApiError(404, "unknown_session", "This visit is not stored: it was deleted, or it is long ago.")
        return session

    @blueprint.get("/visits", callers=Callers.OWNERS_BROWSER)
    def overview() -> str:
        sessions = list(islice(store.iterate(_before()), _PAGE + 1))
        shown = sessions[:_PAGE]
        more = f"{shown[-1].updated_at}.{shown[-1].session}" if len(sessions) > _PAGE else None
        return render_template(
            "owner/visits/visits.html", visits=visit_lines(shown, clock(), zone), more=more, is_first=_before() is None
        )

    @blueprint.get("/visits/<session_id>", callers=Callers.OWNERS_BROWSER)
    def story(session_id: str) -> str:
        session = found(session_id)
        moments = sorted([*timeline(session), *_confirmed(session)], key=attrgetter("at_ms"))
        began = words.moment(moments[0].at_ms if moments else session.updated_at, zone)
        return render_template(
            "owner/visits/visit.html",
            session=session,
            line=one_line(session, clock()),
            moments=[(f"{words.moment(one.at_ms, zone):%H:%M:%S}", one) for one in moments],
            began=began,
            zone=zone,
        )

    @blueprint.get("/visits/<session_id>/record.json", callers=Callers.OWNERS_BROWSER)
    def record(session_id: str) -> Response:
        response = jsonify(found(session_id).to_record())
        response.headers["Content-Disposition"] = 'attachment; filename="visit.json"'
        return response

    @blueprint.post("/visits/<session_id>/delete", callers=Callers.OWNERS_BROWSER)
    def delete(session_id: str) -> AnyResponse:
        found(session_id)
        store.delete(session_id)
        return redirect(url_for("visits.overview"), 303)

    return blueprint


def _confirmed(session: ShopperSession) -> Iterator[Moment]:
    """Yield what Shopify itself told of this visit's orders."""
    for order in orders_of(session):
        if not order.updated_ms:
            continue  # only a refund of it is known
        worth = words.money(order.net_minor, order.currency) if order.net_minor else "nothing any more"
        text = "Shopify cancelled the order." if order.cancelled else f"Shopify confirmed an order worth {worth}."
        yield Moment(at_ms=order.at_ms, kind="order", text=text)


def _before() -> Position | None:
    """Return the position after which the list goes on."""
    known = re.fullmatch(rf"([0-9]{{1,16}})\.({ANY_SESSION_ID})", request.args.get("before", ""))
    return (int(known[1]), known[2]) if known else None
