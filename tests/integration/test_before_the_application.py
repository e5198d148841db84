"""What Gunicorn refuses by itself has the one shape and our headers; and which Host header is believed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from testing.gunicorn_server import GunicornServer
from testing.http_client import send_raw, statuses
from tests.integration.conftest import ADMIN_TOKEN, MakeApp
from tracker.sessions.model import ShopperSession
from tracker.storage.memory import MemoryStore
from tracker.web.observability import JsonFormatter

HEAD = b"POST /ingest HTTP/1.1\r\nHost: x\r\n"
GOOD = b'{"session":"anna-0001"}'
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no request at all": (b"hello\r\n\r\n", 400, "bad_request"),
    "a version from the future": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400, "bad_request"),
    "no Host": (b"GET /health HTTP/1.1\r\n\r\n", 400, "bad_host"),
    "two Hosts": (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
    "a header without a colon": (HEAD + b"Bad\r\n\r\n", 400, "bad_request"),
    "a folded header": (HEAD + b"A: b\r\n c\r\n\r\n", 400, "bad_request"),
    "a long address": (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "address_too_long"),
    "a long header": (HEAD + b"A: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
    "many headers": (HEAD + b"A: b\r\n" * 100 + b"\r\n", 431, "headers_too_large"),
    "an unknown expectation": (HEAD + b"Expect: tea\r\n\r\n", 417, "unknown_expectation"),
    "an unknown coding": (HEAD + b"Transfer-Encoding: tea\r\n\r\n", 501, "unsupported_coding"),
    "identity and chunked": (
        HEAD + b"Transfer-Encoding: identity, chunked\r\n\r\n17\r\n" + GOOD + b"\r\n0\r\n\r\n",
        400,
        "bad_request",
    ),
    "chunked twice": (
        HEAD + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n" + GOOD + b"\r\n0\r\n\r\n",
        400,
        "bad_request",
    ),
    "a length and chunks": (
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "bad_request",
    ),
    "broken chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_chunks"),
}
HEADERS = (
    b"Content-Type: application/json",
    b"X-Content-Type-Options: nosniff",
    b"Content-Security-Policy: default-src 'none'",
    b"Referrer-Policy: no-referrer",
    b"Permissions-Policy: camera=()",
    b"Cross-Origin-Opener-Policy: same-origin",
    b"Cache-Control: no-store",
)


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    with GunicornServer(tmp_path_factory.mktemp("lone"), workers=1) as server:
        yield server


@pytest.mark.parametrize(("sent", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_before_the_application_has_the_one_shape_and_all_headers(
    lone: GunicornServer, sent: bytes, status: int, code: str
) -> None:
    answer = send_raw(lone.port, sent)

    assert statuses(answer) == [status]
    headers, _, body = answer.partition(b"\r\n\r\n")
    assert [name for name in HEADERS if name not in headers] == []
    assert b"Connection: close" in headers
    error = json.loads(body)
    assert (error["ok"], error["error"]["code"]) == (False, code)
    assert error["error"]["message"].endswith(".")


def test_http_1_0_needs_no_host_and_no_answer_names_the_server(lone: GunicornServer) -> None:
    answer = send_raw(lone.port, b"GET /healthz HTTP/1.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.0 200")
    assert b"\r\nserver:" not in answer.lower()
    assert b"gunicorn" not in answer.lower()


def test_the_log_names_the_address_that_is_listened_at(lone: GunicornServer) -> None:
    assert f"Listening at: {lone.url}" in lone.log()


def test_an_unread_body_that_is_there_already_does_not_end_the_connection(lone: GunicornServer) -> None:
    unread = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    assert statuses(send_raw(lone.port, unread + asked)) == [404, 200]


# --- Whose Host is believed -------------------------------------------------------------------------------------------

REBOUND = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
INTERNET = {"REMOTE_ADDR": "203.0.114.9"}


@pytest.fixture
def closed(make_app: MakeApp) -> FlaskClient:
    return make_app(allowed_origins=("https://shop.example",), demo_shop=True).test_client()


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "192.168.0.7", "10.0.0.1", "172.17.0.1", "fe80::1"])
def test_a_page_whose_name_was_led_to_this_machine_is_no_page_of_the_service(closed: FlaskClient, client: str) -> None:
    near = {"REMOTE_ADDR": client}

    assert closed.post("/ingest", data=GOOD, headers=REBOUND, environ_base=near).status_code == 403
    pixel = closed.get("/storefront-pixel.js", headers={"Host": "evil.example:8000"}, environ_base=near).data
    assert b"evil.example" not in pixel
    assert b'"https://HOST"' in pixel


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.0.7"])
def test_pages_of_a_local_service_may_post_by_an_address_that_no_dns_can_move(closed: FlaskClient, host: str) -> None:
    own = {"Host": host, "Origin": f"http://{host}"}

    assert closed.post("/ingest", data=GOOD, headers=own).status_code == 200
    assert f'"http://{host}"'.encode() in closed.get("/storefront-pixel.js", headers={"Host": host}).data


def test_a_service_on_the_internet_believes_its_host(closed: FlaskClient) -> None:
    own = {"Host": "tracker.example", "Origin": "http://tracker.example"}

    assert closed.post("/ingest", data=GOOD, headers=own, environ_base=INTERNET).status_code == 200


def test_the_prefix_of_a_trusted_proxy_is_part_of_the_address(make_app: MakeApp) -> None:
    sent = {"X-Forwarded-Prefix": "/tracker", "X-Forwarded-For": "203.0.114.9", "Host": "shop.example"}

    behind = make_app(trusted_proxies=1).test_client().get("/storefront-pixel.js", headers=sent)
    assert b'"http://shop.example/tracker"' in behind.data
    alone = make_app().test_client().get("/storefront-pixel.js", headers={**sent, "Host": "localhost"})
    assert b"/tracker" not in alone.data.split(b"\n", 12)[5]


# --- The demo, the log, and memory ------------------------------------------------------------------------------------


def test_the_demo_shows_no_record_of_a_visitor_of_a_shop(make_app: MakeApp) -> None:
    view = [{"type": "view", "ts": 1}]
    store = MemoryStore(
        ShopperSession(session="of-the-demo", events={"/products/ash-vase": view}, time_on_page={"/cart": 5}),
        ShopperSession(session="of-the-shop", events={"/": view, "/products/red-shoes": view}),
        ShopperSession(session="also-of-the-shop", time_on_page={"/account": 5}),
    )
    client = make_app(demo_shop=True, store=store).test_client()

    assert client.get("/demo/record/of-the-demo").get_json()["session"] == "of-the-demo"
    for session in ("of-the-shop", "also-of-the-shop"):
        assert client.get(f"/demo/record/{session}").get_json() is None


def test_a_key_of_one_letter_blots_out_no_word_of_the_log() -> None:
    record = logging.LogRecord("test", logging.INFO, "", 0, "a plain message, and %s", (ADMIN_TOKEN,), None)
    line = json.loads(JsonFormatter(["a", ADMIN_TOKEN]).format(record))

    assert line["message"] == "a plain message, and ***"


def test_a_failure_for_lack_of_memory_is_the_services_own(make_app: MakeApp) -> None:
    """A 400 would let the script drop its events for good; after a 503 it sends them again."""

    class FullStore(MemoryStore):
        def update(self, session_id: str, change: object) -> ShopperSession:
            raise MemoryError

    reply = make_app(store=FullStore()).test_client().post("/ingest", data=GOOD)

    assert (reply.status_code, reply.get_json()["error"]["code"]) == (503, "overloaded")
    assert int(reply.headers["Retry-After"]) >= 1
