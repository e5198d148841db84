"""The API's description for programs (OpenAPI 3.1), made from the routes' declarations and the views' decorators."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask

from tracker import __version__
from tracker.web.callers.access import REFUSALS
from tracker.web.errors import DESCRIPTIONS, ErrorSchema
from tracker.web.operations import Operation, json_answer, operation_of
from tracker.web.routes import Callers, Route

_SECURITY: Mapping[Callers, tuple[str, dict[str, str]]] = {
    Callers.OWNER: ("owner", {"type": "http", "scheme": "bearer"}),
    Callers.WEBHOOK: ("webhook", {"type": "apiKey", "in": "header", "name": "X-Shopify-Hmac-SHA256"}),
}
"""What callers have to send: the name of the scheme in the document, and the scheme."""


def describe(app: Flask) -> dict[str, Any]:
    """Return the document: every route whose view has decorators of `tracker.web.operations`."""
    spec = APISpec("Shopify Tracker", __version__, "3.1.0", plugins=[MarshmallowPlugin()])
    for name, scheme in _SECURITY.values():
        spec.components.security_scheme(name, scheme)
    tags: dict[str, str] = {}
    for rule in app.url_map.iter_rules():
        route, view = cast(Route, rule), app.view_functions[rule.endpoint]
        operation = operation_of(view)
        if operation is None:
            continue
        tag = route.endpoint.partition(".")[0]
        tags[tag] = inspect.getdoc(sys.modules[view.__module__]) or ""
        summary, _, more = (inspect.getdoc(view) or "").partition("\n\n")
        described = {"tags": [tag], "summary": summary, **_described(route, operation)}
        if more:
            described["description"] = more
        text = {"type": "string", "minLength": 1}
        spec.path(
            re.sub(r"<(\w+)>", r"{\1}", route.rule),
            parameters=[{"in": "path", "name": name, "schema": text} for name in sorted(route.arguments)],
            operations={method.lower(): described for method in (route.methods or set()) - {"HEAD", "OPTIONS"}},
        )
    for tag, docstring in tags.items():
        spec.tag({"name": tag, "description": docstring.partition("\n")[0]})
    return spec.to_dict()


def _described(route: Route, operation: Operation) -> dict[str, Any]:
    codes: dict[int, list[str]] = {}
    for errors in (REFUSALS[route.callers], *operation.errors):
        for status, some in errors.items():
            codes.setdefault(status, []).extend(f"`{code}`" for code in some)
    failures = {
        str(status): json_answer(ErrorSchema, f"{DESCRIPTIONS[status]} Codes: {', '.join(some)}.")
        for status, some in sorted(codes.items())
    }
    responses = {**operation.answers, **failures, "default": json_answer(ErrorSchema, "Any other error.")}
    security: list[dict[str, list[str]]] = [{_SECURITY[route.callers][0]: []}] if route.callers in _SECURITY else []
    return {**operation.parts, "security": security, "responses": responses}
