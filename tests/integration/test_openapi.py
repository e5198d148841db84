"""/openapi.json is valid, complete and true: the service does what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection
from werkzeug.routing import Rule

from tests.integration.conftest import ADMIN_TOKEN
from tracker.app import create_app
from tracker.config import Config
from tracker.ingest.events import EventLimits
from tracker.ingest.schemas import ingest_schemas
from tracker.web.routes import Callers, Route

OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
UNDOCUMENTED = {"/docs", "/docs/page.js", "/docs/assets/<path:name>", "/openapi.json", "/metrics"} | {
    "/storefront.js",
    "/storefront-popup.js",
    "/storefront-pixel.js",
}
"""The pages that show the document, the files that shops load, and the numbers for Prometheus."""
KNOWN_SESSION = "a-session-that-is-stored"


def is_page(rule: Rule) -> bool:
    """Whether an address is a page for people, or a file of one."""
    callers = cast(Route, rule).callers
    return callers in {Callers.OWNERS_BROWSER, Callers.OWN_PAGES} or rule.rule.startswith("/assets/")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("openapi")
    app = create_app(Config(storage_file=folder / "sessions.json", admin_token=ADMIN_TOKEN, rate_limits=False))
    events = {"/": [{"type": "view", "ts": 1712345678901}]}
    body = {"session": KNOWN_SESSION, "itemsInCart": 1, "timeOnPage": {"/": 1}, "events": events}
    assert app.test_client().post("/ingest", json=body).status_code == 200
    return app


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    reply = app.test_client().get("/openapi.json")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.get_json()
    return found


@pytest.fixture(scope="module")
def api(app: Flask) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


OPERATIONS = [
    ("/ingest", "POST"),
    ("/events", "POST"),
    ("/askai", "POST"),
    ("/forget", "POST"),
    ("/shopify/webhooks", "POST"),
    ("/report.json", "GET"),
    ("/sessions", "GET"),
    ("/sessions/{session_id}", "GET"),
    ("/sessions/{session_id}", "DELETE"),
    ("/health", "GET"),
    ("/healthz", "GET"),
]


# Not schemathesis' own pytest plugin: 4.32 does not support pytest 9.2.
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_requests_that_the_document_allows_get_documented_answers(api: Any, path: str, method: str) -> None:
    explore(api[path][method], GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), [one for one in OPERATIONS if not one[0].startswith("/health")])
def test_requests_that_the_document_forbids_are_refused_as_documented(api: Any, path: str, method: str) -> None:
    """Not for /health, which has no input that could be invalid."""
    # Unknown query parameters are ignored by design, and explore() adds the token that a case leaves out on purpose.
    # test_errors_and_headers.py shows that bad values are refused.
    lenient = [negative_data_rejection] if path in {"/sessions", "/report.json"} else []
    explore(api[path][method], GenerationMode.NEGATIVE, lenient)


def explore(operation: Any, mode: GenerationMode, excluded: list[Any] | None = None) -> None:
    """Run all of schemathesis' checks against 60 requests of that mode."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers=OWNER, excluded_checks=excluded)

    check()


@pytest.mark.parametrize(
    ("path", "method", "request_"),
    [
        ("/sessions", "GET", {"query": {"limit": 1}}),
        ("/sessions/{session_id}", "GET", {"path_parameters": {"session_id": KNOWN_SESSION}}),
        ("/askai", "POST", {"body": KNOWN_SESSION, "media_type": "text/plain"}),
    ],
)
def test_a_known_session_gets_the_documented_200(api: Any, path: str, method: str, request_: dict[str, Any]) -> None:
    reply = api[path][method].Case(**request_).call_and_validate(headers=OWNER)
    assert reply.status_code == 200


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "post", "put", "patch", "delete"}:
                yield path, method, operation


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    for schema_ in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_})
    text = json.dumps(document)
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        place: Any = document
        for step in reference.split("/"):
            place = place[step]
        assert place
    assert '"nullable"' not in text, "`nullable` is OpenAPI 3.0"


def test_every_operation_has_a_summary_a_body_and_its_errors(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document) if "operationId" in operation]
    assert len(names) == len(set(names))
    for path, method, operation in operations(document):
        assert operation["summary"], (method, path)
        assert "200" in operation["responses"], (method, path)
        if method == "post":
            assert operation["requestBody"]["content"], (method, path)
            assert {"400", "413", "422", "503"} <= operation["responses"].keys(), (method, path)
        if path.startswith("/shopify"):
            assert operation["security"] == [{"webhook": []}], (method, path)
            assert {"401", "403"} <= operation["responses"].keys(), (method, path)
        if path.startswith("/sessions"):
            assert operation["security"] == [{"owner": []}], (method, path)
            assert {"401", "403"} <= operation["responses"].keys(), (method, path)


def test_every_route_is_documented_or_listed_as_undocumented(app: Flask, document: dict[str, Any]) -> None:
    documented = {(path, method.upper()) for path, method, _ in operations(document)}
    routed = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if rule.rule not in UNDOCUMENTED and not is_page(rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert documented == routed == {(path, method) for path, method in OPERATIONS}
    assert {rule.rule for rule in app.url_map.iter_rules()} >= UNDOCUMENTED, "UNDOCUMENTED lists only routes that exist"


def test_both_shapes_are_documented_with_every_key(document: dict[str, Any]) -> None:
    limits = EventLimits(event_bytes=1, depth=5, body_events=1, pages=1)
    body = document["paths"]["/ingest"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    shapes = [document["components"]["schemas"][one["$ref"].rpartition("/")[2]] for one in body["anyOf"]]
    for shape, expected in zip(shapes, ingest_schemas(limits), strict=True):
        assert shape["properties"].keys() == expected().fields.keys()
