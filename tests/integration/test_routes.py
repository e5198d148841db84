"""Every route declares its callers and its body limit, and answers as it declares."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.integration.conftest import ADMIN_TOKEN, FROM_OWN_PAGE, MakeApp, signed_in
from tracker.web.callers.signatures import signature
from tracker.web.operations import operation_of
from tracker.web.routes import Callers, Route, Service

OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
ALLOWED = "https://shop.example"
FOREIGN = "https://evil.example"
SECRET = "an-invented-signing-secret-0001"
BODY_LIMIT = 300
VALUES = {
    "session_id": "af4bac4d-077a-4756-91d0-fa2570fd206f",
    "name": "swagger-ui.css",
    "handle": "ash-vase",
    "filename": "shop.css",
    "message_id": "help",
    "number": "1",
}
"""A value for each name in a route's path."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The application with everything switched on."""
    return make_app(
        allowed_origins=(ALLOWED,), demo_shop=True, max_body_bytes=BODY_LIMIT, shopify_webhook_secret=(SECRET,)
    )


def calls(app: Flask, *callers: Callers) -> Iterator[tuple[Route, str, str]]:
    """Yield (route, method, path) for every method of every route that is open to these callers."""
    for route in app.url_map.iter_rules():
        assert isinstance(route, Route), f"{route} declares nothing"
        if route.callers in callers:
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda name: VALUES[name[1]], route.rule)
            yield from ((route, method, path) for method in sorted((route.methods or set()) - {"OPTIONS"}))


def code(reply: TestResponse) -> Any:
    return (reply.get_json(silent=True) or {}).get("error", {}).get("code")


def cors_headers(reply: TestResponse) -> list[str]:
    return [name for name, _ in reply.headers if name.startswith("Access-Control-")]


def test_every_kind_of_caller_has_a_route(app: Flask) -> None:
    assert all(list(calls(app, kind)) for kind in Callers)
    assert len(list(calls(app, *Callers))) > 30


def test_a_route_that_does_not_declare_its_callers_cannot_be_registered() -> None:
    blueprint = Blueprint("open", __name__)
    blueprint.add_url_rule("/open", view_func=str)

    with pytest.raises(TypeError, match="/open does not say who may call it"):
        Service(__name__).register_blueprint(blueprint)


def test_a_route_that_got_past_the_declaration_answers_nobody(app: Flask) -> None:
    app.url_map.add(Rule("/open", endpoint="open"))
    app.view_functions["open"] = lambda: "the view ran"

    reply = app.test_client().get("/open")

    assert (reply.status_code, code(reply)) == (500, "internal_error")


def test_a_route_for_the_shop_answers_allowed_pages_with_cors_and_refuses_foreign_ones(app: Flask) -> None:
    client = app.test_client()
    for _route, method, path in calls(app, Callers.SHOP, Callers.SHOP_AND_PIXELS):
        allowed = client.open(path, method=method, headers={"Origin": ALLOWED})
        assert code(allowed) not in {"origin_not_allowed", "wrong_token"}, (method, path)
        assert allowed.headers["Access-Control-Allow-Origin"] == ALLOWED, (method, path)
        foreign = client.open(path, method=method, headers={"Origin": FOREIGN})
        assert (foreign.status_code, code(foreign)) == (403, "origin_not_allowed"), (method, path)

        preflight = {"Access-Control-Request-Method": method}
        allowed = client.options(path, headers={"Origin": ALLOWED, **preflight})
        assert allowed.headers["Access-Control-Allow-Origin"] == ALLOWED, (method, path)
        foreign = client.options(path, headers={"Origin": FOREIGN, **preflight})
        assert "Access-Control-Allow-Origin" not in foreign.headers, (method, path)


def test_only_a_route_for_pixels_takes_posts_from_a_frame_without_origin(app: Flask) -> None:
    client = app.test_client()
    for route, method, path in calls(app, Callers.SHOP, Callers.SHOP_AND_PIXELS):
        refused = code(client.open(path, method=method, headers={"Origin": "null"})) == "origin_not_allowed"
        assert refused == (route.callers is Callers.SHOP), (method, path)


def test_a_route_of_the_owner_is_closed_without_the_token_and_to_other_sites(app: Flask, make_app: MakeApp) -> None:
    client, tokenless = app.test_client(), make_app(admin_token="").test_client()
    for _route, method, path in calls(app, Callers.OWNER):
        for wrong in ({}, {"Authorization": "Bearer of another one"}):
            assert client.open(path, method=method, headers=wrong).status_code == 401, (method, path)
        assert tokenless.open(path, method=method, headers=OWNER).status_code == 403, (method, path)
        assert client.open(path, method=method, headers=OWNER).status_code not in {401, 403}, (method, path)
        assert cors_headers(client.open(path, method=method, headers={**OWNER, "Origin": ALLOWED})) == [], (
            method,
            path,
        )


def test_a_route_for_webhooks_is_closed_without_a_signature_a_secret_and_to_other_sites(
    app: Flask, make_app: MakeApp
) -> None:
    client, without_secret = app.test_client(), make_app().test_client()
    for _route, method, path in calls(app, Callers.WEBHOOK):
        body = b"{}"
        right = {"X-Shopify-Hmac-SHA256": signature(SECRET, body).decode()}
        for wrong in ({}, OWNER, {"X-Shopify-Hmac-SHA256": "x"}):
            reply = client.open(path, method=method, data=body, headers=wrong)
            assert (reply.status_code, code(reply)) == (401, "wrong_signature"), (method, path)
        reply = without_secret.open(path, method=method, data=body, headers=right)
        assert (reply.status_code, code(reply)) == (403, "webhooks_closed"), (method, path)
        reply = client.open(path, method=method, data=body, headers={**right, "Origin": ALLOWED})
        assert reply.status_code == 200, (method, path)
        assert cors_headers(reply) == [], (method, path)


def test_a_route_for_webhooks_without_a_limit_cannot_be_registered(app: Flask) -> None:
    with pytest.raises(TypeError, match="/hook of a webhook declares no limit"):
        Route("/hook", callers=Callers.WEBHOOK)


def test_a_page_of_the_owner_leads_to_the_login_and_opens_after_it(app: Flask) -> None:
    client, owner = app.test_client(), signed_in(app)
    for _route, method, path in calls(app, Callers.OWNERS_BROWSER):
        for headers in (FROM_OWN_PAGE, {**FROM_OWN_PAGE, **OWNER}):
            reply = client.open(path, method=method, headers=headers)
            assert (reply.status_code, reply.headers["Location"].partition("?")[0]) == (303, "/login"), (method, path)
        reply = owner.open(path, method=method, headers=FROM_OWN_PAGE)
        assert reply.headers.get("Location", "").partition("?")[0] != "/login", (method, path)
        assert reply.status_code not in {401, 403, 500}, (method, path)
        assert cors_headers(owner.open(path, method=method, headers={"Origin": ALLOWED})) == [], (method, path)


FOREIGN_PAGES = [
    {},
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "none"},
    {"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost:81", "Sec-Fetch-Site": "same-origin"},
    {"Origin": ALLOWED, "Sec-Fetch-Site": "cross-site"},
    {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"},
]


def test_another_site_cannot_post_to_a_page_of_the_owner_even_with_the_cookie(app: Flask) -> None:
    owner, seen = signed_in(app), 0
    for _route, method, path in calls(app, Callers.OWNERS_BROWSER, Callers.OWN_PAGES):
        if method not in {"GET", "HEAD"}:
            for headers in FOREIGN_PAGES:
                reply = owner.open(path, method=method, data={"token": ADMIN_TOKEN}, headers=headers)
                assert reply.status_code == 403, (method, path, headers)
                assert "foreign_page" in reply.text
                assert "Set-Cookie" not in reply.headers
                seen += 1
    assert seen > len(FOREIGN_PAGES)


def test_where_a_browser_does_not_say_whose_page_it_was_the_origin_counts(app: Flask) -> None:
    # Browsers leave Sec-Fetch-Site out on plain HTTP to another machine.
    client, base = app.test_client(), "http://shop-box.lan:8000"
    for origin, status in ((base, 303), ("http://evil.example", 403)):
        reply = client.post("/login", data={"token": ADMIN_TOKEN}, headers={"Origin": origin}, base_url=base)
        assert reply.status_code == status


def test_a_route_for_anyone_asks_for_nothing_and_lets_no_other_site_read(app: Flask) -> None:
    client = app.test_client()
    for _route, method, path in calls(app, Callers.ANYONE):
        for origin in ({}, {"Origin": ALLOWED}, {"Origin": FOREIGN}):
            reply = client.open(path, method=method, headers=origin)
            assert reply.status_code not in {401, 403, 500}, (method, path)
            assert cors_headers(reply) == [], (method, path)
            reply.close()


def test_a_script_for_shops_may_be_read_by_pages_of_all_sites(app: Flask) -> None:
    client = app.test_client()
    for _route, method, path in calls(app, Callers.ANY_PAGE):
        for origin in ({}, {"Origin": ALLOWED}, {"Origin": FOREIGN}):
            reply = client.open(path, method=method, headers=origin)
            assert reply.headers["Access-Control-Allow-Origin"] == "*", (method, path)
            assert "Access-Control-Allow-Credentials" not in reply.headers, (method, path)
            reply.close()


def test_a_route_reads_a_body_only_up_to_the_limit_that_it_declares(app: Flask) -> None:
    client = signed_in(app)
    for route, method, path in calls(app, *Callers):
        if path == "/logout":
            continue  # the last call of a signed-in client
        limit = app.config[route.body_limit] if route.body_limit is not None else BODY_LIMIT
        own = FROM_OWN_PAGE if route.callers in {Callers.OWNERS_BROWSER, Callers.OWN_PAGES} else {}
        reply = client.open(path, method=method, data=b" " * (limit + 2), headers={**OWNER, **own})
        assert (reply.status_code == 413) == (route.body_limit is not None), (method, path)
        reply.close()


def test_a_view_that_takes_a_body_is_on_routes_with_a_limit(app: Flask) -> None:
    for route, method, path in calls(app, *Callers):
        operation = operation_of(app.view_functions[route.endpoint])
        if operation is not None and "requestBody" in operation.parts:
            assert route.body_limit is not None, (method, path)


def test_a_route_without_a_limit_cannot_read_a_body(make_app: MakeApp) -> None:
    app = make_app()
    app.add_url_rule("/echo", view_func=lambda: request.get_data(), methods=["POST"], callers=Callers.ANYONE)

    assert app.test_client().post("/echo", data=b"x").status_code == 413


def test_the_demo_is_imported_only_where_it_is_on(tmp_path: Path) -> None:
    script = (
        "import sys; from tracker.app import create_app; create_app(); print('tracker.demo.blueprint' in sys.modules)"
    )
    environment = {"TRACKER_STORAGE_FILE": str(tmp_path / "s.json"), "PYTHONPATH": str(Path(__file__).parents[2])}
    for switch, loaded in (("off", "False"), ("on", "True")):
        done = subprocess.run(
            [sys.executable, "-c", script], env={**environment, "DEMO_SHOP": switch}, capture_output=True, text=True
        )
        assert done.stdout.strip() == loaded, done.stderr
