"""Shopify's webhooks: the signature of every sample, what is refused, and orders that are counted once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from testing.http_client import Client, send_raw, statuses
from tests.integration.conftest import ADMIN_TOKEN, MakeApp, StartServer
from tracker.durable.cell import FileCell
from tracker.insights.orders import checkout_key, order_hash, purchases
from tracker.insights.waiting import WAIT_MS, WaitingOrders
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import StoreBusyError, StoreFullError
from tracker.storage.json_file import JsonFileStore
from tracker.storage.memory import MemoryStore

SAMPLES = Path(__file__).parents[1] / "samples" / "orders"
SECRET = "an-invented-signing-secret-0001"
SIGNATURES = {
    "orders_create": "cq/EQG2zAWBJisEvAb6iszHl9QKLplSXT8zSQttxUEY=",
    "orders_create_spaced": "FfJ5v9eheHmk5pkd9hYUL4EgnAMGrQF9hHvtvxq1ppU=",
    "orders_create_escaped": "9sYVClsy0htRm0IPLcMGKVDykcslRfp5ZZ0kDZypiYY=",
    "orders_updated_refund": "5xuGuEjHDJXoxsU4g1R6qRPJ2wA1crw6upKdic51Wwg=",
    "orders_cancelled": "LnPDGrBkXGKJNesGeXbsqUM7E3L90UUSdg+Mp7dkAiI=",
    "customers_redact": "GZGM5OH3A08LjLbZmYKAIhhpryvvm3s2bChK5e/yAXk=",
    "customers_data_request": "yrA0VXMN2FZThe4eY4v5mXnevAKndlYFy4MAEyb7TSo=",
    "shop_redact": "Tc5gr87cqHz62+PuwlpHUJvRseQLuRjQl0wJtWR+J/M=",
    "empty": "8yzWDAMvCqnZPxlO7S6Vixa7ZC4PheNAnPAOwnEX9uY=",
}
"""Sample -> its signature by the secret, made by another program than this service."""
TOPICS = {
    "orders_create": "orders/create",
    "orders_create_spaced": "orders/create",
    "orders_create_escaped": "orders/create",
    "orders_updated_refund": "orders/updated",
    "orders_cancelled": "orders/cancelled",
    "customers_redact": "customers/redact",
    "customers_data_request": "customers/data_request",
    "shop_redact": "shop/redact",
    "empty": "orders/create",
}
SHOP = "linden-loom.myshopify.com"
TOKEN = "c0ffee00c0ffee00c0ffee00c0ffee00"
ORDERED_MS = 1_795_542_067_000
"""When the order of the samples was placed."""
VISIT = "a-visit-that-buys"


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(topic: str, signature: str, shop: str = SHOP) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-SHA256": signature,
        "X-Shopify-Shop-Domain": shop,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    }


def code(reply: TestResponse) -> Any:
    return (reply.get_json(silent=True) or {}).get("error", {}).get("code")


class Shop:
    """The service, to which pixel and Shopify send what belongs to one order; its clock is that of the samples."""

    def __init__(self, make_app: MakeApp, **settings: Any) -> None:
        self.store = settings.pop("store", None) or MemoryStore()
        self.now_ms = ORDERED_MS + 60_000
        app = make_app(store=self.store, clock=lambda: self.now_ms, shopify_webhook_secret=(SECRET,), **settings)
        self.client: FlaskClient = app.test_client()
        self.app = app

    def webhook(self, name: str, body: bytes | None = None, topic: str = "") -> TestResponse:
        body = sample(name) if body is None else body
        topic = topic or TOPICS[name]
        return self.client.post("/shopify/webhooks", data=body, headers=headers(topic, signed(body)))

    def outcome(self, name: str, body: bytes | None = None, topic: str = "") -> str:
        reply = self.webhook(name, body, topic)
        assert reply.status_code == 200, reply.text
        return str(reply.get_json()["outcome"])

    def pixel(self, kind: str = "checkout_completed", *, session: str = VISIT, key: str | None = "") -> None:
        event = {"type": kind, "ts": ORDERED_MS - 1000, "n": f"sh-{kind}", "items": 2, "total": 79.3, "currency": "CHF"}
        if key is not None:
            event["key"] = key or checkout_key(TOKEN)
        body = {"session": session, "events": {"/checkout": [event]}, "sentAt": ORDERED_MS}
        assert self.client.post("/ingest", json=body).status_code == 200

    def visit(self, session: str = VISIT) -> ShopperSession:
        found = self.store.get(session)
        assert found is not None
        return found

    def bought(self) -> list[tuple[int | None, str]]:
        return [(one.minor, one.currency) for one in purchases(self.visit())]


@pytest.fixture
def shop(make_app: MakeApp) -> Shop:
    return Shop(make_app)


# --- Signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_sample_is_taken_with_its_own_signature(name: str, shop: Shop) -> None:
    reply = shop.client.post("/shopify/webhooks", data=sample(name), headers=headers(TOPICS[name], SIGNATURES[name]))

    assert (reply.status_code, reply.get_json()["ok"]) == (200, True)


@pytest.mark.parametrize("name", SIGNATURES)
def test_one_flipped_bit_of_a_body_is_refused(name: str, shop: Shop) -> None:
    chance = random.Random(name)
    body = sample(name)
    for _ in range(20):
        place = chance.randrange(len(body) * 8)
        flipped = bytearray(body)
        flipped[place // 8] ^= 1 << place % 8
        sent = headers(TOPICS[name], SIGNATURES[name])
        reply = shop.client.post("/shopify/webhooks", data=bytes(flipped), headers=sent)
        assert (reply.status_code, code(reply)) == (401, "wrong_signature"), place


def hexadecimal(signature: str) -> str:
    return base64.b64decode(signature).hex()


WRONG: dict[str, Callable[[str], str | None]] = {
    "none": lambda right: None,
    "empty": lambda right: "",
    "hexadecimal": hexadecimal,
    "hexadecimal in capitals": lambda right: hexadecimal(right).upper(),
    "of the hexadecimal text": lambda right: base64.b64encode(hexadecimal(right).encode()).decode(),
    "doubled": lambda right: f"{right},{right}",
    "doubled with a space": lambda right: f"{right} {right}",
    "not ASCII": lambda right: right[:-2] + "é=",
    "not Latin-1": lambda right: "\udcff" + right,
    "without its padding": lambda right: right.rstrip("="),
    "with another last digit for the same bytes": lambda right: right[:-2] + chr(ord(right[-2]) + 1) + "=",
    "for URLs": lambda right: right.replace("/", "_").replace("+", "-").replace("=", ""),
    "in lower case": lambda right: right.lower(),
    "cut": lambda right: right[:-4],
    "of no bytes": lambda right: signed(b""),
    "by another secret": lambda right: signed(sample("orders_create"), "an-invented-signing-secret-0002"),
    "very long": lambda right: right * 100,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_any_other_form_of_a_right_signature_is_refused(wrong: str, shop: Shop) -> None:
    right = SIGNATURES["orders_create"]
    value = WRONG[wrong](right)
    sent: dict[str, str] = headers("orders/create", right)
    if value is None:
        del sent["X-Shopify-Hmac-SHA256"]
    environ = {} if value is None else {"HTTP_X_SHOPIFY_HMAC_SHA256": value}
    reply = shop.client.post("/shopify/webhooks", data=sample("orders_create"), headers=sent, environ_overrides=environ)

    assert (reply.status_code, code(reply)) == (401, "wrong_signature")


def test_a_signature_between_spaces_is_right(shop: Shop) -> None:
    sent = headers("orders/create", f" {SIGNATURES['orders_create']} ")

    assert shop.client.post("/shopify/webhooks", data=sample("orders_create"), headers=sent).status_code == 200


def test_while_a_secret_is_replaced_both_are_right(make_app: MakeApp) -> None:
    old, new, third = SECRET, "an-invented-signing-secret-0002", "an-invented-signing-secret-0003"
    client = make_app(shopify_webhook_secret=(new, old)).test_client()
    body = sample("shop_redact")
    answers = {}
    for secret in (old, new, third):
        sent = headers("shop/redact", signed(body, secret))
        answers[secret] = client.post("/shopify/webhooks", data=body, headers=sent).status_code

    assert answers == {old: 200, new: 200, third: 401}


def test_without_a_secret_the_answer_names_the_setting(make_app: MakeApp) -> None:
    sent = headers("orders/create", SIGNATURES["orders_create"])
    reply = make_app().test_client().post("/shopify/webhooks", data=sample("orders_create"), headers=sent)

    assert (reply.status_code, code(reply)) == (403, "webhooks_closed")
    assert "SHOPIFY_WEBHOOK_SECRET" in reply.get_json()["error"]["message"]


def test_another_shops_webhook_is_refused(make_app: MakeApp) -> None:
    client = make_app(shopify_webhook_secret=(SECRET,), shopify_shop_domain=SHOP).test_client()
    answers = {}
    for name in (SHOP, SHOP.upper(), "other.myshopify.com", "", "é"):
        sent = headers("orders/create", SIGNATURES["orders_create"], name)
        reply = client.post("/shopify/webhooks", data=sample("orders_create"), headers=sent)
        answers[name] = (reply.status_code, code(reply))

    refused = (401, "wrong_shop")
    assert answers == {
        SHOP: (200, None), SHOP.upper(): (200, None), "other.myshopify.com": refused, "": refused, "é": refused,
    }  # fmt: skip


def test_a_body_may_have_a_mebibyte_whatever_the_limit_of_reports_is(make_app: MakeApp) -> None:
    shop = Shop(make_app, max_body_bytes=300)
    for size, status in ((1 << 20, 200), ((1 << 20) + 1, 413)):
        body = sample("orders_create").ljust(size)
        assert shop.webhook("orders_create", body).status_code == status, size


# --- Topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["products/update", "app/uninstalled", "", "orders/create ", "é", "x" * 4000])
def test_a_topic_that_is_not_used_is_ignored(topic: str, shop: Shop) -> None:
    sent = headers("", SIGNATURES["orders_create"])
    environ = {"HTTP_X_SHOPIFY_TOPIC": topic}
    reply = shop.client.post("/shopify/webhooks", data=sample("orders_create"), headers=sent, environ_overrides=environ)

    assert (reply.status_code, reply.get_json()) == (200, {"ok": True, "outcome": "ignored"})


def test_a_test_of_shopifys_is_ignored(shop: Shop) -> None:
    body = sample("orders_create").replace(b'"test":false', b'"test":true')
    shop.pixel()

    assert shop.outcome("orders_create", body) == "ignored"
    assert shop.visit().orders == {}


@pytest.mark.parametrize("topic", ["orders/create", "orders/updated", "orders/cancelled", "refunds/create"])
def test_a_body_that_is_no_order_is_taken_so_that_shopify_does_not_repeat_it(topic: str, shop: Shop) -> None:
    assert shop.outcome("empty", topic=topic) == "unreadable"


@pytest.mark.parametrize("body", [b"[1]", b"7", b"null", b'"text"'])
def test_a_body_that_is_no_object_is_refused(body: bytes, shop: Shop) -> None:
    reply = shop.webhook("orders_create", body)
    assert (reply.status_code, code(reply)) == (422, "invalid_request")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{}{}"])
def test_a_signed_body_that_is_not_json_is_refused(body: bytes, shop: Shop) -> None:
    reply = shop.webhook("orders_create", body)
    assert (reply.status_code, code(reply)) == (400, "not_json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(topic=st.sampled_from(sorted(set(TOPICS.values()) | {"refunds/create"})), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_signed_body_is_an_error_of_the_service(topic: str, data: st.DataObject, shop: Shop) -> None:
    body = json.loads(sample(next((name for name, its in TOPICS.items() if its == topic), "orders_create")))
    for name in data.draw(st.lists(st.sampled_from(sorted(body)), max_size=3)):
        body[name] = data.draw(json_values)

    assert shop.webhook("", json.dumps(body).encode(), topic).status_code == 200


# --- Orders and visits ------------------------------------------------------------------------------------------------

STEPS = ("orders_create", "orders_updated_refund", "pixel started", "pixel completed")


def waiting_beside(folder: Path) -> WaitingOrders:
    return WaitingOrders(FileCell(folder / "sessions.json.orders"))


def step(shop: Shop, name: str) -> None:
    if name.startswith("pixel"):
        shop.pixel(f"checkout_{name.split()[1]}")
    else:
        assert shop.webhook(name).status_code == 200


@pytest.mark.parametrize("seed", range(12))
def test_an_order_sent_50_times_in_any_order_is_counted_once_with_its_last_state(seed: int, make_app: MakeApp) -> None:
    chance = random.Random(seed)
    shop = Shop(make_app)
    sequence = [*STEPS, *chance.choices(STEPS, k=50)]
    chance.shuffle(sequence)
    for name in sequence:
        step(shop, name)

    assert shop.bought() == [(4590, "EUR")]
    assert len(shop.visit().orders) == 1


@pytest.mark.parametrize("first", ["pixel completed", "orders_create"])
def test_an_order_is_joined_whether_the_pixel_or_shopify_is_first(first: str, shop: Shop) -> None:
    second = "orders_create" if first == "pixel completed" else "pixel completed"
    step(shop, first)
    step(shop, second)
    assert shop.bought() == [(8490, "EUR")]

    assert shop.outcome("orders_cancelled") == "joined"
    assert shop.bought() == []
    assert shop.outcome("orders_create") == "joined"
    assert shop.bought() == []


def test_an_order_without_a_visit_waits_and_is_counted_as_unmatched_once(shop: Shop, tmp_path: Path) -> None:
    unmatched = waiting_beside(tmp_path).unmatched
    assert [shop.outcome("orders_create") for _ in range(3)] == ["waiting"] * 3
    assert dict(unmatched().orders) == {"2026-11-24": 1}
    shop.pixel()

    assert dict(unmatched().orders) == {}
    assert shop.bought() == [(8490, "EUR")]


def test_the_report_tells_how_many_orders_came_from_no_known_visit(shop: Shop, tmp_path: Path) -> None:
    def unmatched() -> Any:
        reply = shop.client.get("/report.json", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        return reply.get_json()["unmatched"]

    assert unmatched() == 0
    shop.outcome("orders_create")
    assert unmatched() == 1
    shop.pixel()
    assert unmatched() == 0
    (tmp_path / "sessions.json.orders").unlink()
    (tmp_path / "sessions.json.orders").mkdir()
    assert unmatched() is None, "nobody can tell now"


def test_a_visit_without_the_key_is_never_guessed(shop: Shop) -> None:
    shop.pixel(key=None)

    assert shop.outcome("orders_create") == "waiting"
    assert shop.visit().orders == {}


def test_an_order_without_a_checkout_is_unmatched(shop: Shop) -> None:
    body = json.dumps({**json.loads(sample("orders_create")), "checkout_token": None}).encode()
    shop.pixel()

    assert shop.outcome("orders_create", body) == "waiting"


def test_a_refund_finds_its_order_by_the_hash_of_the_id(shop: Shop) -> None:
    paid_back = {"kind": "refund", "status": "success", "amount": "20.00", "currency": "EUR"}
    body = json.dumps(
        {"id": 77, "order_id": 5550001000001, "created_at": "2026-11-25T09:00:00Z", "transactions": [paid_back]}
    ).encode()
    shop.now_ms += 86_400_000
    assert shop.outcome("", body, "refunds/create") == "waiting"
    shop.pixel()
    assert shop.outcome("orders_create") == "joined"
    assert shop.bought() == [(6490, "EUR")]
    assert shop.outcome("", body, "refunds/create") == "joined"
    assert shop.bought() == [(6490, "EUR")]
    assert shop.outcome("orders_updated_refund") == "joined"
    assert shop.bought() == [(4590, "EUR")]


def test_a_change_of_an_old_order_without_a_visit_is_counted_apart(shop: Shop, tmp_path: Path) -> None:
    waiting = waiting_beside(tmp_path)
    shop.outcome("orders_create")
    shop.now_ms += WAIT_MS + 86_400_000

    assert shop.outcome("orders_updated_refund") == "late"
    assert dict(waiting.unmatched().orders) == {"2026-11-24": 1}
    assert dict(waiting.unmatched().late) == {"2026-11-28": 1}


def test_an_order_whose_visit_was_deleted_is_unmatched(shop: Shop) -> None:
    shop.pixel()
    assert shop.outcome("orders_create") == "joined"
    shop.store.delete(VISIT)

    assert shop.outcome("orders_updated_refund") == "waiting"
    assert shop.store.get(VISIT) is None, "a webhook makes no visit"


# --- Privacy ----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_customer_is_kept(shop: Shop, tmp_path: Path) -> None:
    body = {**json.loads(sample("orders_create")), "email": "zoe@example.com", "browser_ip": "203.0.113.9"}
    body["customer"] = {"first_name": "Zoë", "last_name": "Secretname", "phone": "+4915112345"}
    text = json.dumps(body).encode()
    shop.outcome("orders_create", text)
    waiting = "".join(path.read_text("utf-8") for path in tmp_path.iterdir() if path.is_file())
    shop.pixel()
    kept = waiting + shop.store.content()

    assert order_hash(5550001000001) in waiting
    assert order_hash(5550001000001) in shop.store.content()
    assert not re.search(r"zoe|Zo|Secretname|203\.0|4915|5550001000001|c0ffee00", kept)


def test_a_request_for_erasure_deletes_the_visits_of_its_orders(shop: Shop) -> None:
    shop.pixel()
    shop.pixel(session="a-visit-of-another", key="0" * 16)
    shop.outcome("orders_create")

    assert shop.outcome("customers_redact") == "erased"
    assert [one.session for one in shop.store.iterate()] == ["a-visit-of-another"]
    assert shop.outcome("customers_redact") == "erased"


def test_a_request_for_erasure_takes_out_an_order_that_waits(shop: Shop, tmp_path: Path) -> None:
    shop.outcome("orders_create")
    assert shop.outcome("customers_redact") == "erased"

    assert order_hash(5550001000001) not in (tmp_path / "sessions.json.orders").read_text("utf-8")


@pytest.mark.parametrize("name", ["customers_data_request", "shop_redact"])
def test_other_requests_for_privacy_are_acknowledged_and_delete_nothing(name: str, shop: Shop) -> None:
    shop.pixel()
    shop.outcome("orders_create")

    assert shop.outcome(name) == "acknowledged"
    assert shop.bought() == [(8490, "EUR")]


# --- Failures ---------------------------------------------------------------------------------------------------------


class RefusingStore(MemoryStore):
    """A store that reads, and takes nothing while `error` is set."""

    error: Exception | None = None

    def update(self, *arguments: Any) -> ShopperSession:
        if self.error is not None:
            raise self.error
        return super().update(*arguments)


@pytest.mark.parametrize("error", [StoreBusyError("busy"), StoreFullError("full")])
def test_503_while_the_store_cannot_take_the_order(error: Any, make_app: MakeApp) -> None:
    store = RefusingStore()
    shop = Shop(make_app, store=store)
    shop.pixel()
    store.error = error
    reply = shop.webhook("orders_create")
    assert (reply.status_code, code(reply)) == (503, error.code)
    assert int(reply.headers["Retry-After"]) > 0
    store.error = None

    assert shop.outcome("orders_create") == "joined"


def test_503_while_an_order_cannot_wait(shop: Shop, tmp_path: Path) -> None:
    in_the_way = tmp_path / "sessions.json.orders.new"
    in_the_way.mkdir()
    reply = shop.webhook("orders_create")
    assert (reply.status_code, code(reply)) == (503, "orders_cannot_wait")
    assert int(reply.headers["Retry-After"]) > 0
    in_the_way.rmdir()

    assert shop.outcome("orders_create") == "waiting"


def test_a_report_is_saved_even_if_the_waiting_orders_cannot_be_read(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "sessions.json.orders").mkdir()
    shop.pixel()
    (tmp_path / "sessions.json.orders").rmdir()

    assert shop.outcome("orders_create") == "joined"


def test_a_value_of_another_hand_is_taken_as_nothing_that_waits(shop: Shop, tmp_path: Path) -> None:
    for value in ("not JSON", "[]", '{"orders": {"h": 7, "i": {"key": 1}}, "unmatched": {"2026-11-24": "x"}}'):
        (tmp_path / "sessions.json.orders").write_text(value, "utf-8")
        assert shop.outcome("orders_create") == "waiting"


# --- The real service -------------------------------------------------------------------------------------------------


def test_workers_of_a_real_service_join_an_order_in_any_sequence(start_server: StartServer) -> None:
    server = start_server(workers=2, env={"SHOPIFY_WEBHOOK_SECRET": f"another-invented-secret, {SECRET}"})
    now = datetime.now(UTC)
    event = {"type": "checkout_completed", "ts": now.timestamp() * 1000, "n": "sh-1", "key": checkout_key(TOKEN)}
    report = json.dumps({"session": VISIT, "events": {"/checkout": [event]}})
    order = {**json.loads(sample("orders_create")), "created_at": now.isoformat(), "updated_at": now.isoformat()}
    later = (now + timedelta(seconds=9)).isoformat()
    refunded = {**order, "updated_at": later, "current_total_price": "45.90"}

    def webhook(body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        # A new connection each time, so that both workers take part.
        with Client(server.port) as client:
            reply = client.request("POST", "/shopify/webhooks", data, headers("orders/updated", signed(data)))
        assert reply.status == 200
        return reply.json()["outcome"]

    assert [webhook(order) for _ in range(4)] == ["waiting"] * 4
    with Client(server.port) as client:
        assert client.request("POST", "/ingest", report).status == 200
    store = JsonFileStore(server.storage)
    visit = store.get(VISIT)
    assert visit is not None
    assert [one.minor for one in purchases(visit)] == [8490]

    assert [webhook(refunded) for _ in range(2)] + [webhook(order) for _ in range(2)] == ["joined"] * 4
    visit = store.get(VISIT)
    store.close()
    assert visit is not None
    assert [one.minor for one in purchases(visit)] == [4590]


def test_odd_headers_on_the_wire_get_401(start_server: StartServer) -> None:
    server = start_server(workers=1, env={"SHOPIFY_WEBHOOK_SECRET": SECRET})
    body, right = sample("orders_create"), b"X-Shopify-Hmac-SHA256: " + SIGNATURES["orders_create"].encode()
    begin = b"POST /shopify/webhooks HTTP/1.1\r\nHost: x\r\nX-Shopify-Topic: shop/redact\r\nConnection: close\r\n"
    end = b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    odd = [b"X-Shopify-Hmac-SHA256: \xc3\xa9\xff", b"X-Shopify-Hmac-SHA256:", right + b"\r\n" + right]

    assert [statuses(send_raw(server.port, begin + lines + end)) for lines in odd] == [[401]] * 3
    assert statuses(send_raw(server.port, begin + right + end)) == [200]
