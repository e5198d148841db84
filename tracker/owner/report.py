"""GET /report.json: the report that the owner reads every morning, for other programs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from marshmallow import EXCLUDE, Schema, fields, validate

from tracker.insights.reporting import MOST_DAYS, Reporting, as_record
from tracker.web.errors import STORE_ERRORS
from tracker.web.operations import answers, takes_query
from tracker.web.routes import Callers


class ReportQuerySchema(Schema):
    """The report that is wanted."""

    class Meta:
        # Other systems add parameters to links that pass through them.
        unknown = EXCLUDE

    days = fields.Integer(
        load_default=7,
        validate=validate.Range(1, MOST_DAYS),
        metadata={"description": "The days of the report, today included."},
    )
    example = fields.Boolean(
        load_default=False,
        truthy={"true", "1"},
        falsy={"false", "0"},
        metadata={"description": "Of simulated shoppers, who are in no other figure."},
    )


class ReportSchema(Schema):
    """The report. A percentage or an interval is null where it rests on too little; `sentence` says what is known."""

    ok = fields.Boolean(required=True)
    today = fields.Date(required=True)
    currency = fields.String(required=True, metadata={"description": "Of all amounts; empty before the first order."})
    other_currencies = fields.List(fields.String(), required=True)
    is_example = fields.Boolean(required=True)
    days = fields.List(fields.Dict(), required=True, metadata={"description": "Each day, today last."})
    total = fields.Dict(required=True, metadata={"description": "All these days together."})
    before = fields.Dict(required=True, metadata={"description": "As many days before them, together."})
    first_day = fields.Date(
        required=True, allow_none=True, metadata={"description": "The first day with a visit; null before it."}
    )
    funnel = fields.List(fields.Dict(), required=True, metadata={"description": "The way to the till."})
    messages = fields.List(fields.Dict(), required=True, metadata={"description": "What became of each message."})
    lift = fields.Dict(required=True, metadata={"description": "Whether popups sell, and what that rests on."})
    unmatched = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Orders that no visit is known of, as those by telephone; null: not known now."},
    )


def report_blueprint(reporting: Reporting) -> Blueprint:
    """Make the blueprint that answers with the report of now."""
    blueprint = Blueprint("report", __name__)

    @blueprint.get("/report.json", callers=Callers.OWNER)
    @takes_query(ReportQuerySchema())
    @answers(ReportSchema, STORE_ERRORS)
    def show_report(query: dict[str, Any]) -> dict[str, Any]:
        """Report the last days: visits, orders, messages, and whether popups sell."""
        return {"ok": True, **as_record(reporting.of(query["days"], example=query["example"]))}

    return blueprint
