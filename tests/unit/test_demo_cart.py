"""The demo shop: its cart follows Shopify's Ajax API, and its pages are served with a strict policy."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tracker.demo.blueprint import PAGE_POLICY, demo_blueprint
from tracker.demo.catalogue import MOST_OF_ONE, PRODUCTS, Cart
from tracker.sessions.model import ShopperSession
from tracker.storefront.blueprint import storefront_blueprint, storefront_script
from tracker.web.routes import Service

MUG, LAMP = 4101, 4401


@pytest.fixture
def client() -> FlaskClient:
    app = Service(__name__)
    known = ShopperSession(session="known-session", items_in_cart=3)
    app.register_blueprint(storefront_blueprint("storefront.js", storefront_script()))
    app.register_blueprint(demo_blueprint({"known-session": known}.get, storefront_script().version))
    return app.test_client()


def counts(cart: dict[str, Any]) -> dict[int, int]:
    return {item["id"]: item["quantity"] for item in cart["items"]}


def test_a_new_cart_is_empty(client: FlaskClient) -> None:
    cart = client.get("/demo/cart.js").get_json()

    assert (cart["item_count"], cart["items"], cart["total_price"]) == (0, [], 0)


def test_add_in_json_and_as_a_form(client: FlaskClient) -> None:
    added = client.post("/demo/cart/add.js", json={"items": [{"id": MUG, "quantity": 2}, {"id": str(LAMP)}]}).get_json()
    assert [item["id"] for item in added["items"]] == [MUG, LAMP]
    line = client.post("/demo/cart/add.js", data={"id": MUG, "quantity": "1"}).get_json()
    assert (line["id"], line["quantity"], line["line_price"]) == (MUG, 3, 7200)
    cart = client.get("/demo/cart.js").get_json()

    assert counts(cart) == {MUG: 3, LAMP: 1}
    assert cart["item_count"] == 4
    assert cart["total_price"] == 3 * 2400 + 12900


def test_change_by_line_by_id_and_by_key(client: FlaskClient) -> None:
    client.post("/demo/cart/add.js", json={"items": [{"id": MUG}, {"id": LAMP}]})

    assert counts(client.post("/demo/cart/change.js", json={"line": 1, "quantity": 4}).get_json()) == {MUG: 4, LAMP: 1}
    assert counts(client.post("/demo/cart/change.js", json={"id": LAMP, "quantity": 0}).get_json()) == {MUG: 4}
    assert counts(client.post("/demo/cart/change.js", json={"id": f"{MUG}:demo", "quantity": 1}).get_json()) == {MUG: 1}


def test_update_and_clear(client: FlaskClient) -> None:
    client.post("/demo/cart/add.js", json={"id": MUG})
    updates = {"updates": {str(MUG): 0, str(LAMP): 2}}

    assert counts(client.post("/demo/cart/update.js", json=updates).get_json()) == {LAMP: 2}
    assert counts(client.post("/demo/cart/update.js", json={"updates": [5]}).get_json()) == {LAMP: 5}
    assert counts(client.post("/demo/cart/clear.js").get_json()) == {}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("add", {"id": 999999}),
        ("add", {"id": "x"}),
        ("add", {"id": None}),
        ("add", {}),
        ("add", {"items": []}),
        ("add", {"items": "x"}),
        ("add", {"items": [5]}),
        ("add", {"id": MUG, "quantity": MOST_OF_ONE + 1}),
        ("add", {"id": MUG, "quantity": -1}),
        ("add", {"id": MUG, "quantity": "1e3"}),
        ("add", [1]),
        ("change", {"line": 1, "quantity": 1}),
        ("change", {"line": 0}),
        ("change", {"id": LAMP, "quantity": 1}),
        ("update", {"updates": "x"}),
        ("update", {"updates": {"x": 1}}),
        ("update", {"updates": {str(LAMP): None}}),
    ],
)
def test_an_invalid_request_is_refused_in_the_form_of_shopify(client: FlaskClient, path: str, body: Any) -> None:
    answer = client.post(f"/demo/cart/{path}.js", json=body)

    assert answer.status_code == 422
    assert answer.get_json()["status"] == 422
    assert client.get("/demo/cart.js").get_json()["item_count"] == 0


@pytest.mark.parametrize(
    "cookie", ["x", "4101", "4101.", "9.1", "4101.99-", "-4101.1", "4101.1--4401.1", "٤.1", "4101.1\n", "a" * 5000]
)
def test_any_cookie_is_read_as_a_cart(client: FlaskClient, cookie: str) -> None:
    assert Cart.from_cookie(cookie).count() <= MOST_OF_ONE


def test_a_cart_read_from_its_cookie_is_equal_to_the_original() -> None:
    cart = Cart().add(MUG, 2).add(LAMP, 1)

    assert Cart.from_cookie(cart.to_cookie()) == cart


def test_every_page_is_served_with_its_policy_and_without_inline_code(client: FlaskClient) -> None:
    paths = ["", "collections/all", "cart", "checkout", "checkout/thank_you"]
    for path in [*paths, *(f"products/{product.handle}" for product in PRODUCTS)]:
        answer = client.get(f"/demo/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["Content-Security-Policy"] == PAGE_POLICY
        assert b"<script>" not in answer.data
        assert b"style=" not in answer.data
    assert client.get("/demo").headers["Location"] == "/demo/"


def test_an_unknown_path_is_answered_with_404(client: FlaskClient) -> None:
    for path in ("products/nothing", "collections/nothing", "assets/../../blueprint.py", "nothing"):
        assert client.get(f"/demo/{path}").status_code == 404


def test_the_panel_reads_a_session_by_its_id(client: FlaskClient) -> None:
    assert client.get("/demo/record/known-session").get_json()["itemsInCart"] == 3
    assert client.get("/demo/record/unknown-session").get_json() is None
