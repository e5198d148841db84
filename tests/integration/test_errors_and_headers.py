"""Errors have one shape and show no internals; headers and logs hold what they must and nothing more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser

from testing.fake_groq import FakeGroq
from testing.gunicorn_server import ROOT, GunicornServer
from testing.http_client import send_raw, statuses
from tests.integration.conftest import ADMIN_TOKEN, MakeApp, StartServer
from tracker.config import Config
from tracker.llm.groq_client import GroqClient
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import (
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
)
from tracker.storage.json_file import JsonFileStore
from tracker.web.routes import Callers, Route

SESSION = "af4bac4d-077a-4756-91d0-fa2570fd206f"
OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BODY = json.dumps({"session": SESSION, "itemsInCart": 1})
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'",
}
INTERNALS = re.compile(
    r"Traceback|File \"|\.py\b|/work/|/tmp/|/home/|/usr/|site-packages|werkzeug|flask|marshmallow|0x[0-9a-f]{6}"
)


class BrokenStore:
    """A store whose every method raises the same error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any) -> Any:
            raise self._error

        return fail


def assert_one_shape(reply: Any, status: int, code: str) -> None:
    text = reply.get_data(as_text=True)
    assert reply.status_code == status, text
    assert reply.content_type == "application/json"
    answer = json.loads(text)
    assert answer.keys() == {"ok", "error"}
    assert answer["ok"] is False
    assert answer["error"].keys() - {"fields"} == {"code", "message"}
    assert answer["error"]["code"] == code
    assert answer["error"]["message"]
    assert not INTERNALS.search(text), text


# --- one shape ------------------------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "not JSON": ("POST", "/ingest", {"data": "{"}, 400, "not_json"),
    "an empty body": ("POST", "/ingest", {"data": ""}, 400, "not_json"),
    "two documents": ("POST", "/events", {"data": "{}{}"}, 400, "not_json"),
    "not UTF-8": ("POST", "/ingest", {"data": b'{"a":"\xff"}'}, 400, "not_json"),
    "too deep": ("POST", "/ingest", {"data": "[" * 100_000}, 400, "too_deep"),
    "not gzip": ("POST", "/ingest", {"data": b"x", "headers": {"Content-Encoding": "gzip"}}, 400, "bad_gzip"),
    "another encoding": (
        "POST",
        "/ingest",
        {"data": b"x", "headers": {"Content-Encoding": "br"}},
        415,
        "unsupported_encoding",
    ),
    "too large": ("POST", "/ingest", {"data": b" " * 1_048_577}, 413, "body_too_large"),
    "much too large": ("POST", "/ingest", {"data": b" " * 1_100_000}, 413, "body_too_large"),
    "no object": ("POST", "/ingest", {"data": "[1]"}, 422, "invalid_request"),
    "no session": ("POST", "/ingest", {"data": "{}"}, 422, "invalid_request"),
    "a malformed session id": ("POST", "/ingest", {"data": '{"session": "/../.."}'}, 422, "invalid_request"),
    "a malformed state": (
        "POST",
        "/ingest",
        {"data": f'{{"session":"{SESSION}","state":1}}'},
        422,
        "invalid_request",
    ),
    "no question": ("POST", "/askai", {"data": " "}, 400, "missing_session"),
    "an unknown session": ("POST", "/askai", {"data": "nobody-knows-me"}, 404, "unknown_session"),
    "a bad question": ("POST", "/askai", {"data": "?"}, 422, "invalid_request"),
    "no such address": ("GET", "/nothing/here", {}, 404, "not_found"),
    "a path that climbs": ("GET", "/docs/assets/../../app.py", {}, 404, "not_found"),
    "no such asset": ("GET", "/docs/assets/nothing.js", {}, 404, "not_found"),
    "a wrong method": ("GET", "/ingest", {}, 405, "method_not_allowed"),
    "no token": ("GET", "/sessions", {}, 401, "wrong_token"),
    "a wrong token": ("GET", "/sessions", {"headers": {"Authorization": "Bearer no"}}, 401, "wrong_token"),
    "a bad limit": ("GET", "/sessions?limit=0", {"headers": OWNER}, 422, "invalid_request"),
    "a bad cursor": ("GET", "/sessions?before=x", {"headers": OWNER}, 422, "invalid_request"),
    "an unknown session to show": ("GET", "/sessions/nobody-knows-me", {"headers": OWNER}, 404, "unknown_session"),
    "an unknown session to delete": ("DELETE", "/sessions/nobody-knows-me", {"headers": OWNER}, 404, "unknown_session"),
    "a session id of another alphabet": ("GET", "/sessions/%ff%00<b>", {"headers": OWNER}, 404, "unknown_session"),
}


@pytest.mark.parametrize(("method", "path", "request_", "status", "code"), ERRORS.values(), ids=ERRORS)
def test_every_error_has_the_one_shape_and_shows_no_internals(
    client: FlaskClient, method: str, path: str, request_: dict[str, Any], status: int, code: str
) -> None:
    assert_one_shape(client.open(path, method=method, **request_), status, code)


@pytest.mark.parametrize(("method", "path", "_request", "status", "code"), ERRORS.values(), ids=ERRORS)
def test_every_error_of_the_api_is_documented_with_its_code(
    client: FlaskClient, method: str, path: str, _request: dict[str, Any], status: int, code: str
) -> None:
    documented = client.get("/openapi.json").get_json()["paths"]
    address = re.sub("^/sessions/.+", "/sessions/{session_id}", path.partition("?")[0])
    operation = documented.get(address, {}).get(method.lower())
    if operation is not None:
        assert f"`{code}`" in operation["responses"][str(status)]["description"]


CALLS = [
    ("POST", "/ingest", BODY),
    ("POST", "/events", BODY),
    ("POST", "/askai", SESSION),
    ("GET", "/sessions", None),
    ("GET", f"/sessions/{SESSION}", None),
    ("DELETE", f"/sessions/{SESSION}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
@pytest.mark.parametrize("kind", [StoreBusyError, StoreFullError, StoreDamagedError, StoreClosedError])
def test_a_store_error_answers_503_with_retry_after(
    make_app: MakeApp, kind: type[StoreError], method: str, path: str, body: str | None
) -> None:
    app = make_app(store=BrokenStore(kind("Not now.")))
    reply = app.test_client().open(path, method=method, data=body, headers=OWNER)

    assert_one_shape(reply, 503, kind.code)
    assert reply.headers["Retry-After"] == str(kind.retry_after)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_an_unexpected_failure_answers_500_without_details(
    make_app: MakeApp, method: str, path: str, body: str | None
) -> None:
    app = make_app(store=BrokenStore(RuntimeError("/home/owner/secret.json is gone, key gsk_canary")))
    reply = app.test_client().open(path, method=method, data=body, headers=OWNER)

    assert_one_shape(reply, 500, "internal_error")
    assert "gsk_canary" not in reply.text
    assert reply.headers["X-Request-Id"]


def concrete(app: Flask, *callers: Callers) -> list[tuple[str, set[str]]]:
    """Every address of the application with its methods, and values for the names in its path.

    `callers`: only the addresses that are open to these.
    """
    fill = {"session_id": SESSION, "name": "swagger-ui.css", "message_id": "help", "number": "1"}
    chosen = [rule for rule in app.url_map.iter_rules() if not callers or cast(Route, rule).callers in callers]
    rules = [(re.sub(r"<(?:\w+:)?(\w+)>", lambda m: fill[m[1]], rule.rule), rule) for rule in chosen]
    return [(path, set(rule.methods or ())) for path, rule in rules]


def test_405_lists_the_allowed_methods_on_every_route(make_app: MakeApp) -> None:
    app = make_app()
    taken: dict[str, set[str]] = {}
    for path, methods in concrete(app):
        taken.setdefault(path, set()).update(methods)
    for path, methods in taken.items():
        reply = app.test_client().open(path, method="PATCH", headers=OWNER)
        assert_one_shape(reply, 405, "method_not_allowed")
        assert set(reply.headers["Allow"].split(", ")) == methods, path


# --- headers --------------------------------------------------------------------------------------------------------


def test_security_headers_are_on_every_answer_of_every_route(make_app: MakeApp) -> None:
    app = make_app()
    client = app.test_client()
    seen = 0
    pages = {path for path, _methods in concrete(app, Callers.OWNERS_BROWSER, Callers.OWN_PAGES)}
    for path, methods in [*concrete(app), ("/nothing", {"GET"})]:
        for method in methods | {"PATCH"}:
            for headers in ({}, OWNER):
                reply = client.open(path, method=method, headers=headers)
                own = {"Referrer-Policy": "same-origin"} if path in pages and method != "PATCH" else {}
                for name, value in {**SECURITY_HEADERS, **own}.items():
                    assert reply.headers[name].startswith(value), (method, path, name)
                assert reply.headers["Cache-Control"]
                assert "Set-Cookie" not in reply.headers
                assert "Strict-Transport-Security" not in reply.headers, "the request was plain HTTP"
                reply.close()
                seen += 1
    assert seen > 40


def test_answers_of_the_owners_api_are_not_cached(client: FlaskClient) -> None:
    assert client.get("/sessions", headers=OWNER).headers["Cache-Control"] == "no-store"


def test_a_valid_request_id_is_kept_and_any_other_replaced(client: FlaskClient) -> None:
    taken = client.get("/health", headers={"X-Request-Id": "abc.DEF-123_4"})
    assert taken.headers["X-Request-Id"] == "abc.DEF-123_4"
    for bad in ("", "a b", "x" * 65, "<script>", "é", "a;b"):
        made = client.get("/health", headers={"X-Request-Id": bad}).headers["X-Request-Id"]
        assert re.fullmatch("[0-9a-f]{32}", made), bad
    two = {client.get("/nothing").headers["X-Request-Id"] for _ in range(2)}
    assert len(two) == 2


# --- CORS -----------------------------------------------------------------------------------------------------------

EXACT = "https://shop.example"
PATTERN = "https://*.myshopify.com"
ALLOWED = (EXACT, PATTERN, "http://localhost:3000")
GOOD_ORIGINS = [
    EXACT,
    "https://SHOP.example",
    "https://a.myshopify.com",
    "https://my-shop_2.myshopify.com",
    "http://localhost:3000",
]
FOREIGN_ORIGINS = [
    "https://a.myshopify.com.evil.example",
    "https://evil.example/https://a.myshopify.com",
    "https://a.b.myshopify.com",
    "https://myshopify.com",
    "https://.myshopify.com",
    "https://evilmyshopify.com",
    "https://evil.example#.myshopify.com",
    "https://evil.example?.myshopify.com",
    "https://evil.example\\.myshopify.com",
    "https://evil.example:x@a.myshopify.com",
    "https://a.myshopify.com:8443",
    "http://a.myshopify.com",
    "https://shop.example.evil.example",
    "https://evil.example",
    "https://shop.example:444",
    "https://shopxexample",
    "http://shop.example",
    "http://localhost:30000",
    "null",
    "*",
    "",
    "https://*.myshopify.com",
    "file://",
]
PUBLIC = ["/ingest", "/events", "/askai"]


@pytest.fixture
def closed(make_app: MakeApp) -> FlaskClient:
    return make_app(allowed_origins=ALLOWED).test_client()


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("origin", GOOD_ORIGINS)
def test_a_listed_origin_may_post_read_and_preflight(closed: FlaskClient, path: str, origin: str) -> None:
    closed.post("/ingest", data=BODY)
    reply = closed.post(path, data=SESSION if path == "/askai" else BODY, headers={"Origin": origin})

    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == origin
    preflight = closed.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, content-encoding",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert {"content-type", "content-encoding"} <= {
        name.strip().lower() for name in preflight.headers["Access-Control-Allow-Headers"].split(",")
    }
    assert int(preflight.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_foreign_origin_is_refused_and_writes_nothing(closed: FlaskClient, path: str, origin: str) -> None:
    if (path, origin) == ("/ingest", "null"):
        return  # allowed, for custom pixels: see the next test
    reply = closed.post(path, data=SESSION if path == "/askai" else BODY, headers={"Origin": origin})

    assert_one_shape(reply, 403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert closed.get("/sessions", headers=OWNER).get_json()["sessions"] == []
    preflight = closed.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert "Access-Control-Allow-Origin" not in preflight.headers


def test_a_frame_without_an_origin_may_post_to_ingest(closed: FlaskClient) -> None:
    reply = closed.post("/ingest", data=BODY, headers={"Origin": "null"})

    assert reply.status_code == 200
    # The frame cannot read the answer, and does not need it.
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("origins", [(), (EXACT,), (PATTERN,), ALLOWED])
def test_credentials_are_never_allowed_and_vary_names_the_origin(make_app: MakeApp, origins: tuple[str, ...]) -> None:
    client = make_app(allowed_origins=origins).test_client()
    for path in PUBLIC:
        for method in ("POST", "OPTIONS", "GET"):
            for origin in [None, *GOOD_ORIGINS, *FOREIGN_ORIGINS]:
                headers = {"Access-Control-Request-Method": "POST"} | ({} if origin is None else {"Origin": origin})
                reply = client.open(path, method=method, data=BODY, headers=headers)
                assert "Access-Control-Allow-Credentials" not in reply.headers
                assert "origin" in {name.lower() for name in reply.vary}, (method, path, origin)


@pytest.mark.parametrize("origin", [EXACT, "https://evil.example", "null"])
def test_without_allowed_origins_any_site_may_post_without_credentials(client: FlaskClient, origin: str) -> None:
    reply = client.post("/ingest", data=BODY, headers={"Origin": origin})
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == "*", "no origin is reflected, `null` included"


def test_pages_of_the_service_itself_may_post(closed: FlaskClient) -> None:
    reply = closed.post("/ingest", data=BODY, headers={"Origin": "http://localhost"}, base_url="http://localhost")
    assert reply.status_code == 200
    other = closed.post("/ingest", data=BODY, headers={"Origin": "https://localhost"}, base_url="http://localhost")
    assert other.status_code == 403, "another scheme is another origin"


def test_a_request_without_an_origin_is_served(closed: FlaskClient) -> None:
    assert closed.post("/ingest", data=BODY).status_code == 200


def test_routes_that_are_not_for_the_shop_send_no_cors_headers(closed: FlaskClient) -> None:
    for path in ("/sessions", f"/sessions/{SESSION}", "/openapi.json", "/health"):
        reply = closed.get(path, headers={**OWNER, "Origin": EXACT})
        assert not [name for name, _ in reply.headers if name.startswith("Access-Control-")], path


# --- proxies --------------------------------------------------------------------------------------------------------

SPOOFED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}


def test_without_trusted_proxies_forwarded_headers_are_ignored(make_app: MakeApp) -> None:
    client = make_app(allowed_origins=ALLOWED).test_client()
    reply = client.post("/ingest", data=BODY, headers={**SPOOFED, "Origin": "https://evil.example"})
    assert reply.status_code == 403
    assert "Strict-Transport-Security" not in reply.headers


def test_of_several_forwarded_values_only_the_trusted_proxys_counts(make_app: MakeApp) -> None:
    client = make_app(allowed_origins=ALLOWED, trusted_proxies=1).test_client()
    real = {
        "X-Forwarded-For": "203.0.114.9",
        "X-Forwarded-Proto": "http, https",
        "X-Forwarded-Host": "evil.example, tracker.example",
    }

    reply = client.post("/ingest", data=BODY, headers={**real, "Origin": "https://tracker.example"})
    assert reply.status_code == 200
    assert reply.headers["Strict-Transport-Security"]
    reply = client.post("/ingest", data=BODY, headers={**real, "Origin": "https://evil.example"})
    assert reply.status_code == 403


# --- the owner's API ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [("GET", "/sessions"), ("GET", "/sessions/x"), ("DELETE", "/sessions/x")])
def test_without_an_admin_token_the_owners_api_is_closed_and_says_how_to_open_it(
    make_app: MakeApp, method: str, path: str
) -> None:
    client = make_app(admin_token="").test_client()
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}, OWNER):
        reply = client.open(path, method=method, headers=headers)
        assert_one_shape(reply, 403, "owner_access_closed")
        assert "ADMIN_TOKEN" in reply.get_json()["error"]["message"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {ADMIN_TOKEN}x",
        f"Bearer {ADMIN_TOKEN[:-1]}",
        f"Bearer {ADMIN_TOKEN.upper()}",
        f"Basic {ADMIN_TOKEN}",
        f"bearer{ADMIN_TOKEN}",
        ADMIN_TOKEN,
        "Bearer tökén-that-is-not-ascii",
        "Bearer \x80\xff",
        "Bearer 鍵",
        "Bearer " + "x" * 8000,
    ],
)
def test_a_wrong_token_is_refused_whatever_its_characters(client: FlaskClient, value: str) -> None:
    reply = client.get("/sessions", headers={"Authorization": value})
    assert_one_shape(reply, 401, "wrong_token")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["plain-token", "clé-de-la-boutique", "店主的钥匙"])
def test_a_token_in_any_alphabet_works_when_sent_as_utf_8(make_app: MakeApp, token: str) -> None:
    client = make_app(admin_token=token).test_client()
    # WSGI servers decode the bytes of a header as Latin-1.
    sent = {"Authorization": f"Bearer {token.encode().decode('latin-1')}"}
    assert client.get("/sessions", headers=sent).status_code == 200
    assert client.get("/sessions", headers={"Authorization": "Bearer other"}).status_code == 401


def walk(client: FlaskClient, limit: int) -> list[str]:
    seen: list[str] = []
    query = f"/sessions?limit={limit}"
    for _ in range(100):
        page = client.get(query, headers=OWNER).get_json()
        assert len(page["sessions"]) <= limit
        seen += [session["session"] for session in page["sessions"]]
        if page["next"] is None:
            return seen
        query = f"/sessions?limit={limit}&before={page['next']}"
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("limit", [1, 2, 7, 22, 23, 24, 200])
@pytest.mark.parametrize("same_moment", [False, True], ids=["one after another", "in the same millisecond"])
def test_paging_lists_every_session_exactly_once(
    make_app: MakeApp, tmp_path: Path, limit: int, same_moment: bool
) -> None:
    store = JsonFileStore(tmp_path / "walked.json")
    names = [f"session-{number * 7 % 23:02d}" for number in range(23)]
    for moment, name in enumerate(names):
        session = ShopperSession(session=name, updated_at=1000 if same_moment else 1000 + moment)
        store.update(name, lambda _old, session=session: session)  # type: ignore[misc]
    seen = walk(make_app(store=store).test_client(), limit)

    assert sorted(seen) == sorted(names)
    if not same_moment:
        assert seen == names[::-1], "the one updated last comes first"
    store.close()


def test_a_deleted_session_is_gone_from_every_answer(client: FlaskClient) -> None:
    client.post("/ingest", data=BODY)
    assert client.delete(f"/sessions/{SESSION}", headers=OWNER).get_json() == {"ok": True, "deleted": SESSION}
    assert client.delete(f"/sessions/{SESSION}", headers=OWNER).status_code == 404
    assert client.get(f"/sessions/{SESSION}", headers=OWNER).status_code == 404
    assert client.post("/askai", data=SESSION).status_code == 404


# --- /docs in a browser ---------------------------------------------------------------------------------------------


def test_the_docs_page_loads_nothing_from_elsewhere_and_violates_no_policy(
    server: GunicornServer, browser: Browser
) -> None:
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page()
    try:
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.add_init_script(
            "window.broken = [];"
            "addEventListener('securitypolicyviolation', e => broken.push(e.violatedDirective + e.blockedURI));"
        )
        page.goto(f"{server.url}/docs")
        page.wait_for_selector(".opblock")
        page.locator(".opblock", has_text="/ingest").first.click()
        page.wait_for_selector(".opblock.is-open .responses-table")
        shown = page.locator(".opblock-summary-path").all_inner_texts()
        broken = page.evaluate("window.broken")
    finally:
        page.close()

    assert {path.replace("\u200b", "") for path in shown} >= {"/ingest", "/events", "/askai", "/sessions", "/health"}
    assert [url for url in asked if not url.startswith((f"{server.url}/", "data:"))] == []
    assert (broken, said) == ([], [])


# --- logs and secrets -----------------------------------------------------------------------------------------------

KEY = "gsk_canary-of-the-key-0123456789"
TOKEN = "canary-of-the-token-0123456789"
CANARIES = {
    "the key": KEY,
    "the token": TOKEN,
    "a wrong token": "canary-of-a-wrong-token",
    "a session id": "canary-session-0001",
    "a body": "canary-in-the-body",
    "a query": "canary-in-the-query",
    "a path": "canary-in-the-path",
    "a user agent": "canary-user-agent",
    "a forwarded address": "203.0.113.77",
    "a broken header": "canary-in-a-broken-header",
    "a broken chunk": "canarychunk",
    "an origin": "canary-origin.example",
}


@pytest.fixture
def talkative(start_server: StartServer) -> Iterator[GunicornServer]:
    """A server at log level DEBUG that asks a model, with secrets that it must not log."""
    with FakeGroq() as groq:
        env = {"LOG_LEVEL": "DEBUG", "ADMIN_TOKEN": TOKEN, "GROQ_API_KEY": KEY, "GROQ_BASE_URL": groq.base_url}
        yield start_server(workers=1, env={**env, "ALLOWED_ORIGINS": "https://shop.example", "TRUSTED_PROXIES": "1"})


def test_logs_are_json_lines_without_addresses_bodies_keys_or_session_ids(talkative: GunicornServer) -> None:
    said = CANARIES
    body = {"session": said["a session id"], "events": {"/": [{"type": "view", "ts": 1, "text": said["a body"]}]}}
    curious = {"User-Agent": said["a user agent"], "X-Forwarded-For": said["a forwarded address"]}
    answers: list[bytes] = []
    with talkative.client() as client:
        for path, data in [
            ("/ingest", json.dumps(body)),
            ("/askai", said["a session id"]),
            ("/ingest", f'{{"{said["a body"]}'),
            ("/ingest", json.dumps({"session": said["a body"] + "!", said["a body"]: 1})),
            (f"/ingest?x={said['a query']}", "[]"),
            (f"/{said['a path']}", ""),
            ("/askai", said["a body"] + " "),
        ]:
            answers.append(client.post(path, data, curious).body)
        answers.append(client.post("/ingest", "{}", {**curious, "Origin": f"https://{said['an origin']}"}).body)
        for token in (TOKEN, said["a wrong token"]):
            owner = {**curious, "Authorization": f"Bearer {token}"}
            owned = ("/sessions", f"/sessions/{said['a path']}", f"/sessions?before={said['a query']}")
            answers += [client.get(path, owner).body for path in owned]
        answers += [client.get(path, curious).body for path in ("/health", "/docs", "/openapi.json")]
    head = b"POST /ingest HTTP/1.1\r\nHost: x\r\n"
    broken = said["a broken header"].encode()
    for raw in [
        head + broken + b"\r\n\r\n",
        head + b"Bad Header " + broken + b": x\r\n\r\n",
        head + b"X: \x00" + broken + b"\r\n\r\n",
        head + b"Expect: " + broken + b"\r\n\r\n",
        head + b"Content-Length: " + broken + b"\r\n\r\n",
        head + b"Transfer-Encoding: " + broken + b"\r\n\r\n",
        head + b"X: " + broken * 1000 + b"\r\n\r\n",
        b"GET /" + broken * 1000 + b" HTTP/1.1\r\n\r\n",
        b"GET /" + broken + b" HTTP/9.9\r\n\r\n",
        broken + b"\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n" + said["a broken chunk"].encode() + b"\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}" + said["a broken chunk"].encode() + b"\r\n",
        head + b"Content-Length: 500\r\n\r\n" + said["a body"].encode(),
    ]:
        given = statuses(send_raw(talkative.port, raw))
        # RFC 9112 section 6.1 asks for 501 where a transfer coding is unknown; Gunicorn answers so.
        assert all(400 <= status < 500 or status == 501 for status in given), (raw[:80], given)
    talkative.stop()

    lines = [json.loads(line) for line in talkative.log().splitlines()]
    assert {line["logger"] for line in lines} >= {"gunicorn.error", "tracker.ops.request_log"}
    assert [line for line in lines if line["level"] in {"ERROR", "CRITICAL"}] == []
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    for line in lines:
        text = json.dumps(line, ensure_ascii=False)
        assert [name for name, canary in said.items() if canary in text] == [], text
        if not line["message"].startswith("Listening at"):
            assert "127.0.0.1" not in text
    for answer in answers:
        assert KEY.encode() not in answer
        assert TOKEN.encode() not in answer


def test_no_repr_holds_a_secret(make_app: MakeApp) -> None:
    config = Config(groq_api_key=KEY, admin_token=TOKEN)
    app = make_app(groq_api_key=KEY, admin_token=TOKEN)
    shown = [repr(config), str(config), f"{config}", repr(app), repr(app.config), repr(vars(app))]
    shown.append(repr(GroqClient(KEY, "http://127.0.0.1:9", "model")))
    assert [text for text in shown if KEY in text or TOKEN in text] == []


# --- what is installed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_and_hashed_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(entries) > 20
    for entry in entries:
        first, *rest = entry.replace("\\\n", "\n").splitlines()
        assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[A-Za-z0-9.+!]+( ; [^:@]+)?\s*", first), first
        assert rest, first
        assert all(re.fullmatch(r"\s*(--hash=sha256:[0-9a-f]{64}\s*|#.*)?", line) for line in rest), entry
        assert "--hash=sha256:" in entry, first
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|\bgit\+| @ ", text)
