"""The demo shop at /demo: pages, cart and consent banner as in a Shopify shop, and a panel behind the scenes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from tracker.demo.catalogue import BY_HANDLE, COLLECTIONS, PRODUCTS, Cart, CartError, in_collection, money
from tracker.sessions.model import ShopperSession
from tracker.web.routes import Callers

COOKIE = "demo_cart"
_ASSETS = Path(__file__).parent / "assets"

POLICIES = {
    "shipping-policy": (
        "Shipping",
        "Orders leave us within a day and arrive 2 to 4 working days later.",
        "Shipping costs 4.90 EUR, and nothing from 60 EUR.",
    ),
    "refund-policy": (
        "Returns",
        "You can send anything back within 30 days of its arrival, used or not.",
        "A label for the way back lies in every parcel. The money is with you a week later.",
    ),
}
"""The shop's policies: a title and paragraphs."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""A content security policy as strict as a shop's can be: the storefront script works under it."""

_PAGES = {
    "/",
    "/cart",
    "/checkout",
    "/checkout/thank_you",
    *(f"/collections/{name}" for name in COLLECTIONS),
    *(f"/products/{product.handle}" for product in PRODUCTS),
}
"""Every page of the demo, as the storefront script names it."""


def demo_blueprint(find_session: Callable[[str], ShopperSession | None], script_version: str) -> Blueprint:
    """Return the blueprint of the demo shop.

    `find_session` returns a stored session, for the panel; `script_version` in the script's address makes it cacheable.
    """
    blueprint = Blueprint(
        "demo",
        __name__,
        url_prefix="/demo",
        template_folder="templates",
    )

    @blueprint.context_processor
    def shared() -> dict[str, Any]:
        cart = _cart()
        return {
            "cart": cart.to_answer(_root()),
            "root": _root(),
            "money": money,
            "collections": COLLECTIONS,
            "policies": {name: texts[0] for name, texts in POLICIES.items()},
            "version": script_version,
        }

    @blueprint.after_request
    def page_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        # With no-referrer a beacon would not name its page, which the service checks.
        response.headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        # no-store would exclude the pages from the back/forward cache.
        response.headers.setdefault("Cache-Control", "no-cache")
        return response

    @blueprint.get("/assets/<path:filename>", callers=Callers.ANYONE)
    def static(filename: str) -> Response:
        return send_from_directory(_ASSETS, filename)

    @blueprint.get("", callers=Callers.ANYONE)
    def door() -> AnyResponse:
        return redirect(_root())

    @blueprint.get("/", callers=Callers.ANYONE)
    def home() -> str:
        return render_template("demo/home.html", featured=PRODUCTS[:4], hero=BY_HANDLE["ash-vase"])

    @blueprint.get("/collections/<name>", callers=Callers.ANYONE)
    def collection(name: str) -> str:
        if name not in COLLECTIONS:
            abort(404)
        return render_template("demo/collection.html", name=name, products=in_collection(name))

    @blueprint.get("/products/<handle>", callers=Callers.ANYONE)
    def product(handle: str) -> str:
        found = BY_HANDLE.get(handle) or abort(404)
        others = [other for other in PRODUCTS if other is not found][:3]
        return render_template("demo/product.html", product=found, others=others)

    @blueprint.get("/policies/<name>", callers=Callers.ANYONE)
    def policy(name: str) -> str:
        title, *paragraphs = POLICIES.get(name) or abort(404)
        return render_template("demo/text.html", title=title, paragraphs=paragraphs)

    @blueprint.get("/cart", callers=Callers.ANYONE)
    def cart() -> str:
        return render_template("demo/cart.html")

    @blueprint.get("/checkout", callers=Callers.ANYONE)
    def checkout() -> str:
        return render_template("demo/checkout.html")

    @blueprint.get("/checkout/thank_you", callers=Callers.ANYONE)
    def thank_you() -> Response:
        return _with_cart(Cart(), make_response(render_template("demo/thank_you.html")))

    @blueprint.get("/record/<session_id>", callers=Callers.ANYONE)
    def record(session_id: str) -> Response:
        found = find_session(session_id)
        return jsonify(found.to_record() if found and _is_of_the_demo(found) else None)

    _add_cart_api(blueprint)
    return blueprint


def _add_cart_api(blueprint: Blueprint) -> None:
    """Add Shopify's Ajax cart API: https://shopify.dev/docs/api/ajax/reference/cart."""

    @blueprint.errorhandler(CartError)
    def refused(error: CartError) -> tuple[dict[str, Any], int]:
        return {"status": 422, "message": "Cart Error", "description": str(error)}, 422

    @blueprint.get("/cart.js", callers=Callers.ANYONE)
    def cart_js() -> Response:
        return jsonify(_cart().to_answer(_root()))

    @blueprint.post("/cart/add.js", callers=Callers.ANYONE, body_limit="MAX_BODY_BYTES")
    def add() -> Response:
        body = _body()
        cart = _cart()
        added: list[int] = []
        wanted = body.get("items", [body])
        if not isinstance(wanted, list) or not wanted or not all(isinstance(item, dict) for item in wanted):
            raise CartError("items is a list of objects")
        for item in wanted:
            variant = _number(item.get("id"))
            cart = cart.add(variant, max(1, _number(item.get("quantity", 1))))
            added.append(variant)
        items = [item for item in cart.to_answer(_root())["items"] if item["id"] in added]
        return _with_cart(cart, jsonify({"items": items} if "items" in body else items[-1]))

    @blueprint.post("/cart/change.js", callers=Callers.ANYONE, body_limit="MAX_BODY_BYTES")
    def change() -> Response:
        body, cart = _body(), _cart()
        if "line" in body:
            place = _number(body["line"]) - 1
            if not 0 <= place < len(cart.lines):
                raise CartError("No such line")
            variant = cart.lines[place][0]
        else:
            variant = _number(str(body.get("id")).partition(":")[0])
        if variant not in dict(cart.lines):
            raise CartError("No such line")
        return _cart_answer(cart.set(variant, _number(body.get("quantity", 1))))

    @blueprint.post("/cart/update.js", callers=Callers.ANYONE, body_limit="MAX_BODY_BYTES")
    def update() -> Response:
        updates, cart = _body().get("updates") or {}, _cart()
        if isinstance(updates, list):
            updates = {variant: count for (variant, _), count in zip(cart.lines, updates, strict=False)}
        if not isinstance(updates, dict):
            raise CartError("updates is an object or a list")
        for variant, count in updates.items():
            cart = cart.add(_number(variant), 0).set(_number(variant), _number(count))
        return _cart_answer(cart)

    @blueprint.post("/cart/clear.js", callers=Callers.ANYONE)
    def clear() -> Response:
        return _cart_answer(Cart())


def _is_of_the_demo(session: ShopperSession) -> bool:
    """Return whether a session visited only pages of the demo: the panel shows no records of a shop's visitors."""
    return {*session.events, *session.time_on_page} <= _PAGES


def _root() -> str:
    return url_for("demo.home")


def _cart() -> Cart:
    return Cart.from_cookie(request.cookies.get(COOKIE, ""))


def _body() -> Mapping[str, Any]:
    body = request.get_json(silent=True) if request.is_json else request.form.to_dict()
    if not isinstance(body, dict):
        raise CartError("Send JSON or a form")
    return body


def _number(value: Any) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise CartError(f"Not a number: {text[:20]}")
    return int(text)


def _cart_answer(cart: Cart) -> Response:
    return _with_cart(cart, jsonify(cart.to_answer(_root())))


def _with_cart(cart: Cart, response: Response) -> Response:
    response.set_cookie(COOKIE, cart.to_cookie(), path=_root(), httponly=True, samesite="Lax")
    return response
