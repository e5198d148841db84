"""POST /shopify/webhooks: what Shopify tells of orders, refunds and requests for erasure."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request
from marshmallow import INCLUDE, Schema, fields, validate

from tracker.insights.joining import Orders
from tracker.insights.waiting import OrdersCannotWaitError
from tracker.shopify.topics import ANSWERS, READERS, REDACTIONS, take
from tracker.web.errors import STORE_ERRORS, ApiError, Errors
from tracker.web.operations import answers, takes_body
from tracker.web.routes import Callers

MAX_WEBHOOK_BYTES: Final = 1 << 20
"""The largest webhook accepted, whatever the limit of reports is: an order with 500 lines has some 700 KB."""

_WRONG_SHOP: Errors = {401: ("wrong_shop",)}
_NOT_KEPT: Errors = {503: (OrdersCannotWaitError.code,)}
_TOPICS = ", ".join(f"`{topic}`" for topic in [*READERS, *sorted(REDACTIONS)])


class _AsSent(fields.Raw):
    """A value of any kind: a signed body is never refused for one of them, because Shopify would only repeat it."""

    def __init__(self, description: str) -> None:
        super().__init__(allow_none=True, metadata={"description": description})


class WebhookSchema(Schema):
    """The body of a webhook as Shopify sends it. Of an order only these keys are read, and few of them are kept."""

    class Meta:
        unknown = INCLUDE

    id = _AsSent("Its SHA-256 is kept, and not the id.")
    checkout_token = _AsSent("The first 16 digits of its SHA-256 are kept: the key.")
    currency = _AsSent("The shop's own.")
    current_total_price = _AsSent('A text such as "84.90".')
    created_at = _AsSent("ISO 8601.")
    updated_at = _AsSent("ISO 8601. The newest state of an order counts.")
    cancelled_at = _AsSent("A cancelled order does not count.")
    test = _AsSent("true: the webhook is ignored.")


class TakenSchema(Schema):
    """The webhook was taken in, and need not be sent again."""

    ok = fields.Boolean(required=True)
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(list(ANSWERS)),
        metadata={"description": "; ".join(f"{name}: {meaning}" for name, meaning in ANSWERS.items()) + "."},
    )


def shopify_blueprint(orders: Orders, shop_domain: str) -> Blueprint:
    """Make the blueprint that hands Shopify's webhooks to `orders`; an empty `shop_domain` allows every shop."""
    blueprint = Blueprint("shopify", __name__)
    schema = WebhookSchema()

    @blueprint.before_request
    def of_this_shop() -> None:
        if shop_domain and request.headers.get("X-Shopify-Shop-Domain", "").strip().lower() != shop_domain:
            raise ApiError(401, "wrong_shop", "This webhook is of another shop than SHOPIFY_SHOP_DOMAIN.")

    @blueprint.post("/shopify/webhooks", callers=Callers.WEBHOOK, body_limit="MAX_WEBHOOK_BYTES")
    @takes_body(schema, document=_request_body())
    @answers(TakenSchema, STORE_ERRORS, _WRONG_SHOP, _NOT_KEPT)
    def webhook(body: dict[str, Any]) -> dict[str, Any]:
        """Take in what Shopify tells of an order.

        The header `X-Shopify-Topic` says what it is about. The same body may be sent again, and in any order.
        """
        return {"ok": True, "outcome": take(orders, request.headers.get("X-Shopify-Topic", ""), body)}

    return blueprint


def _request_body() -> dict[str, Any]:
    return {
        "description": f"Signed in the header `X-Shopify-Hmac-SHA256`. Topics: {_TOPICS}; others are ignored.",
        "required": True,
        "content": {"application/json": {"schema": WebhookSchema}},
    }
