"""The wire contract: both shapes on both paths, as the original and the present script send them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from testing.fake_groq import FakeGroq
from testing.original_script import OriginalScript
from tests.integration.conftest import ADMIN_TOKEN, MakeApp

SESSION = "af4bac4d-077a-4756-91d0-fa2570fd206f"
PATHS = ("/ingest", "/events")
SAVED = {"ok": True, "saved": True}
DECISION_FIELDS = {"show_popup", "message", "reason", "category", "trigger", "confidence", "delay_ms"}

DOCUMENT_BODY: dict[str, Any] = {
    "session": SESSION,
    "itemsInCart": 7,
    "timeOnPage": {"/products/xyz": 123456, "/cart": 9876},
    "events": {
        "/": [
            {"type": "view", "ts": 1712345678901},
            {"type": "click", "target": "#add-to-cart", "ts": 1712345680000},
        ],
        "/cart": [{"type": "view", "ts": 1712345690000}],
    },
}
"""The example of original-system.md."""

DOCUMENT_DECISION: dict[str, Any] = {
    "show_popup": True,
    "message": "Need help with your order? Free returns and easy exchanges are included.",
    "reason": "The shopper has added 7 items to cart and spent many hours browsing, but hasn't checked out. A friendly"
    " reminder about free returns can encourage completion.",
    "category": "info",
    "trigger": "items_in_cart",
    "confidence": 0.92,
    "delay_ms": 2000,
}
"""The answer that original-system.md shows."""

PRODUCT = "Product:/products/x"
CLICK = {"tag": "BUTTON", "id": "add", "classes": "btn btn--large", "text": "Add to cart", "href": None}
ENVELOPE: dict[str, Any] = {
    "reason": "threshold",
    "ts": 1712345700,
    "session": SESSION,
    "state": {
        "session": SESSION,
        "events": {
            PRODUCT: [
                {"type": "view", "ts": 1712345678, "url": "https://shop.example/products/x", "page": "Product"},
                {"type": "click", "ts": 1712345680, "url": "https://shop.example/products/x", **CLICK},
            ]
        },
        "timeonpage": {PRODUCT: 12000},
        "itemsInCart": 2,
    },
}


def post(client: FlaskClient, body: Any, path: str = "/ingest", **more: Any) -> tuple[int, Any]:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    reply = client.post(path, data=data, **{"content_type": "application/json", **more})
    return reply.status_code, reply.get_json()


def stored(client: FlaskClient, session: str = SESSION) -> dict[str, Any]:
    """The record that the owner's API shows, without `merge`."""
    reply = client.get(f"/sessions/{session}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert reply.status_code == 200
    record: dict[str, Any] = reply.get_json()
    return {key: value for key, value in record.items() if key != "merge"}


# --- both shapes, both paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_the_example_snapshot_is_stored_as_original_system_md_shows(client: FlaskClient, path: str) -> None:
    assert post(client, DOCUMENT_BODY, path) == (200, SAVED)

    record = stored(client)
    assert isinstance(record.pop("updatedAt"), int)
    assert record == DOCUMENT_BODY


@pytest.mark.parametrize("path", PATHS)
def test_an_envelope_is_stored_with_times_in_milliseconds_and_all_event_keys(client: FlaskClient, path: str) -> None:
    assert post(client, ENVELOPE, path) == (200, SAVED)

    record = stored(client)
    assert record["itemsInCart"] == 2
    assert record["timeOnPage"] == {PRODUCT: 12000}
    expected = [{**event, "ts": event["ts"] * 1000} for event in ENVELOPE["state"]["events"][PRODUCT]]
    assert record["events"] == {PRODUCT: expected}


CONTENT_TYPES = [
    None,
    "",
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=utf-16",
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "text/html",
    "///",
    "; ; ;",
]


@pytest.mark.parametrize("body", [DOCUMENT_BODY, ENVELOPE], ids=["snapshot", "envelope"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_the_content_type_does_not_matter(
    client: FlaskClient, content_type: str | None, path: str, body: dict[str, Any]
) -> None:
    assert post(client, body, path, content_type=content_type) == (200, SAVED)
    assert stored(client)["events"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip "])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [DOCUMENT_BODY, ENVELOPE], ids=["snapshot", "envelope"])
def test_a_body_may_be_compressed(client: FlaskClient, path: str, body: Any, encoding: str) -> None:
    data = gzip.compress(json.dumps(body).encode())
    assert post(client, data, path, headers={"Content-Encoding": encoding}) == (200, SAVED)
    assert stored(client)["itemsInCart"] > 0


def test_a_gzip_of_several_members_is_one_body(client: FlaskClient) -> None:
    data = json.dumps(DOCUMENT_BODY).encode()
    halves = gzip.compress(data[:100]) + gzip.compress(data[100:])
    assert post(client, halves, headers={"Content-Encoding": "gzip"}) == (200, SAVED)


def test_another_compression_answers_415_with_accept_encoding(client: FlaskClient) -> None:
    reply = client.post("/ingest", data=b"x", headers={"Content-Encoding": "br"})
    assert (reply.status_code, reply.get_json()["error"]["code"]) == (415, "unsupported_encoding")
    assert reply.headers["Accept-Encoding"] == "gzip"


def test_a_byte_order_mark_is_ignored(client: FlaskClient) -> None:
    assert post(client, b"\xef\xbb\xbf" + json.dumps(DOCUMENT_BODY).encode()) == (200, SAVED)


@pytest.mark.parametrize("missing", ["itemsInCart", "timeOnPage", "events"])
def test_each_part_of_a_snapshot_may_be_missing_or_null(client: FlaskClient, missing: str) -> None:
    body = {key: value for key, value in DOCUMENT_BODY.items() if key != missing}
    assert post(client, body) == (200, SAVED)
    assert post(client, {**body, missing: None}) == (200, SAVED)


def test_unknown_keys_of_a_body_are_ignored(client: FlaskClient) -> None:
    assert post(client, {**DOCUMENT_BODY, "theme": "Dawn", "__proto__": {"x": 1}}) == (200, SAVED)
    assert "theme" not in stored(client)


@pytest.mark.parametrize("body", [DOCUMENT_BODY, ENVELOPE], ids=["snapshot", "envelope"])
def test_what_a_browser_says_of_itself_is_kept_beside_its_report(
    client: FlaskClient, tmp_path: Path, body: dict[str, Any]
) -> None:
    assert client.post("/ingest", json={**body, "lot": 417, "offered": "3f2a9c01", "example": True}).json == SAVED

    record = json.loads((tmp_path / "sessions.json").read_text("utf-8"))[SESSION]
    assert (record["lot"], record["offered"], record["example"]) == (417, "3f2a9c01", True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lot": 1000, "offered": "x" * 33, "example": "yes"},
        {"lot": -1, "offered": "a b", "example": 1},
        {"lot": True, "offered": 5, "example": None},
        {"lot": 4.5, "offered": ["one"], "example": {}},
        {"lot": None, "offered": None, "example": False},
        {"lot": "417", "offered": "", "example": []},
    ],
)
def test_a_faulty_lot_offer_or_mark_is_ignored(client: FlaskClient, tmp_path: Path, wrong: dict[str, Any]) -> None:
    for body in (DOCUMENT_BODY, ENVELOPE):
        assert client.post("/ingest", json={**body, **wrong}).json == SAVED

    record = json.loads((tmp_path / "sessions.json").read_text("utf-8"))[SESSION]
    assert record.keys().isdisjoint({"lot", "offered", "example"})


def test_the_cart_of_the_newest_clock_is_kept(client: FlaskClient) -> None:
    late = {"session": SESSION, "itemsInCart": 3, "sentAt": 1712345700000}
    early = {"session": SESSION, "itemsInCart": 9, "sentAt": 1712345600000}
    assert post(client, late) == post(client, early) == (200, SAVED)
    assert stored(client)["itemsInCart"] == 3


# --- faulty among good ----------------------------------------------------------------------------------------------

GOOD = {"type": "view", "ts": 1712345678901}
LATER = {"type": "view", "ts": 1712345678902, "n": 2}
FAULTY = {
    "no object": (7, "an event is an object"),
    "null": (None, "an event is an object"),
    "no type": ({"ts": 1}, "type is a text of 1 to 64 characters"),
    "empty type": ({"type": "", "ts": 1}, "type is a text of 1 to 64 characters"),
    "type is a number": ({"type": 1, "ts": 1}, "type is a text of 1 to 64 characters"),
    "no ts": ({"type": "view"}, "ts is a time: a number from 0 to 2^53"),
    "ts is a text": ({"type": "view", "ts": "1712345678901"}, "ts is a time: a number from 0 to 2^53"),
    "ts is true": ({"type": "view", "ts": True}, "ts is a time: a number from 0 to 2^53"),
    "ts is negative": ({"type": "view", "ts": -1}, "ts is a time: a number from 0 to 2^53"),
}


@pytest.mark.parametrize(("faulty", "reason"), FAULTY.values(), ids=FAULTY)
@pytest.mark.parametrize("shape", ["snapshot", "envelope"])
def test_a_faulty_event_is_rejected_with_a_reason_and_the_others_are_kept(
    client: FlaskClient, shape: str, faulty: Any, reason: str
) -> None:
    events = {"/a": [GOOD, faulty, LATER], "/b": [GOOD]}
    body: dict[str, Any] = {"session": SESSION, "events": events}
    if shape == "envelope":
        body = {"session": SESSION, "ts": 1, "reason": "x", "state": body}

    told = [{"where": "events./a.1", "reason": reason}]
    assert post(client, body) == (200, {**SAVED, "rejected": 1, "reasons": told})
    assert stored(client)["events"] == {"/a": [GOOD, LATER], "/b": [GOOD]}


def test_a_faulty_page_or_time_is_rejected_and_the_others_are_kept(client: FlaskClient) -> None:
    body = {
        "session": SESSION,
        "events": {"/a": {"0": GOOD}, "/b": [GOOD]},
        "timeOnPage": {"/a": "12", "/b": 12, "/c": -1},
    }
    status, answer = post(client, body)

    assert (status, answer["rejected"]) == (200, 3)
    assert {reason["where"] for reason in answer["reasons"]} == {"events./a", "timeOnPage./a", "timeOnPage./c"}
    assert stored(client)["events"] == {"/b": [GOOD]}
    assert stored(client)["timeOnPage"] == {"/b": 12}


def test_all_rejections_are_counted_and_ten_reasons_listed(client: FlaskClient) -> None:
    status, answer = post(client, {"session": SESSION, "events": {"/": [7] * 25 + [GOOD]}})
    assert (status, answer["rejected"], len(answer["reasons"])) == (200, 25, 10)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_sent_twice_changes_nothing(client: FlaskClient, path: str) -> None:
    for body in (DOCUMENT_BODY, ENVELOPE):
        post(client, body, path)
        once = stored(client)
        assert post(client, body, path) == (200, SAVED)
        assert stored(client) == once


# --- the original browser script ------------------------------------------------------------------------------------


class Storefront:
    """The browser's connection to the service. It counts, and loses requests or answers when told to."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.lose_request = False
        self.lose_answer = False
        self.posts = 0
        self.questions: list[int] = []

    def send(self, path: str, content_type: str, body: str) -> tuple[int, Any] | None:
        if self.lose_request:
            return None
        reply = self.client.post(path, data=body, content_type=content_type, headers={"Origin": "https://shop.example"})
        assert reply.status_code in {200, 404}, reply.text
        self.posts += path == "/ingest"
        if path == "/askai":
            self.questions.append(reply.status_code)
        return None if self.lose_answer else (reply.status_code, reply.get_json())


def visit(script: OriginalScript, line: Storefront) -> None:
    """A whole visit in which one request and one answer are lost."""
    script.act("Home:/", "view")
    script.stay("Home:/", 6)
    script.act("Home:/", "click", tag="A", id="", classes="card", text="X", href="/products/x")
    script.act(PRODUCT, "view")
    script.stay(PRODUCT, 12)
    script.act(PRODUCT, "click", **CLICK)
    script.items_in_cart = 1
    script.stay(PRODUCT, 1)
    script.act(PRODUCT, "cart")  # the fifth: flushed and cleared

    script.stay(PRODUCT, 3)
    line.lose_request = True
    for number in range(5):
        script.stay(PRODUCT, 1)
        script.act(PRODUCT, "scroll", depth=number)
    line.lose_request = False
    script.items_in_cart = 3
    script.act("Cart:/cart", "view")  # the sixth: sent with the five that never arrived

    line.lose_answer = True
    for number in range(5):
        script.stay("Cart:/cart", 2)
        script.act("Cart:/cart", "hover", depth=number)
    script.flush("hidden")  # arrives a second time, and its answer is lost as well
    line.lose_answer = False
    script.act("Cart:/cart", "click", **CLICK)  # those five once more, and a new one
    script.stay("Cart:/cart", 20)
    script.flush("unload")


def test_a_whole_visit_of_the_original_script_is_stored_despite_lost_requests(client: FlaskClient) -> None:
    line = Storefront(client)
    script = OriginalScript(SESSION, line.send, now=1712345678)
    visit(script, line)

    record = stored(client)
    assert record["itemsInCart"] == 3
    assert {page: len(events) for page, events in record["events"].items()} == {
        "Home:/": 2,
        PRODUCT: 8,
        "Cart:/cart": 7,
    }
    every = [event for events in record["events"].values() for event in events]
    assert all(1712345678_000 <= event["ts"] <= script.now * 1000 and event["ts"] % 1000 == 0 for event in every)
    assert next(event for event in record["events"][PRODUCT] if event["type"] == "click") == {
        "type": "click",
        "ts": 1712345696_000,
        "url": "https://shop.example/products/x",
        **CLICK,
    }
    assert record["timeOnPage"]["Home:/"] == 6000
    assert record["timeOnPage"][PRODUCT] == 21_000
    assert line.posts >= 5
    assert script.failures == 3
    assert script.events == {page: [] for page in script.events}, "everything was acknowledged in the end"


def test_the_original_script_asks_and_gets_decisions(client: FlaskClient) -> None:
    line = Storefront(client)
    script = OriginalScript(SESSION, line.send, now=1712345678)
    visit(script, line)

    assert line.questions[0] == 404, "asked before the first flush, there is nothing to say"
    assert line.questions.count(200) >= 5
    assert len(script.popups) <= line.questions.count(200)


def test_an_empty_envelope_after_a_flush_changes_nothing(client: FlaskClient) -> None:
    post(client, ENVELOPE)
    once = stored(client)
    empty = {
        **ENVELOPE,
        "ts": 1712345800,
        "state": {**ENVELOPE["state"], "events": {PRODUCT: []}, "timeonpage": {PRODUCT: 0}},
    }
    assert post(client, empty) == (200, SAVED)
    again = stored(client)
    assert (again["events"], again["timeOnPage"]) == (once["events"], once["timeOnPage"])


# --- /askai ---------------------------------------------------------------------------------------------------------


def ask(client: FlaskClient, body: str | bytes, content_type: str | None = "text/plain") -> tuple[int, Any]:
    reply = client.post("/askai", data=body, content_type=content_type)
    return reply.status_code, reply.get_json()


def test_the_example_question_gets_the_answer_of_original_system_md(make_app: MakeApp, tmp_path: Path) -> None:
    """The two calls of original-system.md, in a shop with its message: the seven fields, flat and nested."""
    shop_file = tmp_path / "shop.toml"
    said = DOCUMENT_DECISION["message"]
    shop_file.write_text(f'name = "A shop"\n[[facts]]\nid = "returns"\ntext = "{said}"\n', "utf-8")
    with FakeGroq() as groq:
        groq.decision = {**DOCUMENT_DECISION, "pick": "returns"}
        client = make_app(groq_api_key="gsk_test", groq_base_url=groq.base_url, shop_file=shop_file).test_client()
        post(client, DOCUMENT_BODY)
        status, answer = ask(client, SESSION)

    assert status == 200
    # The service composes the reason; the model's own text is for the owner only.
    decision = {**DOCUMENT_DECISION, "reason": answer["reason"]}
    more = {"message_id": "returns", "rest_days": 7, "words": answer["words"]}
    assert answer == {**decision, "ok": True, "session": SESSION, "source": "groq", "decision": decision, **more}
    assert "7 in the cart" in answer["reason"]
    assert groq.calls == 1


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("body", [SESSION, f"  {SESSION}\n", json.dumps(SESSION), json.dumps({"session": SESSION})])
def test_without_a_model_the_rules_answer_in_the_same_shape(
    client: FlaskClient, body: str, content_type: str | None
) -> None:
    post(client, DOCUMENT_BODY)
    status, answer = ask(client, body, content_type)

    assert status == 200
    popup = {"message_id", "words", "rest_days", "action"} if answer["show_popup"] else set()
    assert answer.keys() - popup == {"ok", "session", "source", "decision"} | DECISION_FIELDS
    assert answer["decision"] == {name: answer[name] for name in DECISION_FIELDS}
    assert (answer["ok"], answer["session"], answer["source"]) == (True, SESSION, "rules")
    kinds = {name: type(answer[name]) for name in DECISION_FIELDS}
    texts = dict.fromkeys(("message", "reason", "category", "trigger"), str)
    assert kinds == {"show_popup": bool, "confidence": float, "delay_ms": int, **texts}
    assert 0 <= answer["confidence"] <= 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "missing_session"),
        (" \n\t", 400, "missing_session"),
        ("{", 400, "not_json"),
        ("short", 422, "invalid_request"),
        ("{}", 422, "invalid_request"),
        ("[]", 422, "invalid_request"),
        ('{"session": 12345678}', 422, "invalid_request"),
        (b"\xff" * 12, 422, "invalid_request"),
        ("../../../etc/passwd", 422, "invalid_request"),
        ("no-such-session-here", 404, "unknown_session"),
    ],
)
def test_a_question_that_cannot_be_answered_gets_its_error_code(
    client: FlaskClient, body: str | bytes, status: int, code: str
) -> None:
    given, answer = ask(client, body)
    assert (given, answer["ok"], answer["error"]["code"]) == (status, False, code)


# --- the file -------------------------------------------------------------------------------------------------------


def test_the_session_file_holds_the_object_of_original_system_md(make_app: MakeApp, tmp_path: Path) -> None:
    client = make_app(storage_file=tmp_path / "tracker_storage.json").test_client()
    post(client, DOCUMENT_BODY)

    record = json.loads((tmp_path / "tracker_storage.json").read_text("utf-8"))[SESSION]
    assert {key: record[key] for key in DOCUMENT_BODY} == DOCUMENT_BODY
    assert isinstance(record["updatedAt"], int)
