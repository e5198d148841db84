"""The API's description for programs (OpenAPI 3.1), made from the routes' declarations and the views' decorators."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask

from tracker import __version__
from tracker.web.access import REFUSALS
from tracker.web.errors import DESCRIPTIONS, Errors, ErrorSchema
from tracker.web.operations import Operation, operation_of
from tracker.web.routes import Callers, Route

_OWNER = "owner"


def describe(app: Flask) -> dict[str, Any]:
    """Return the document: every route whose view was decorated by `tracker.web.operations`."""
    spec = APISpec("Shopify Tracker", __version__, "3.1.0", plugins=[MarshmallowPlugin()])
    spec.components.security_scheme(_OWNER, {"type": "http", "scheme": "bearer"})
    spec.components.response("DEFAULT_ERROR", _answer(ErrorSchema, "Any other error"))
    tags: set[str] = set()
    for rule in app.url_map.iter_rules():
        route, view = cast(Route, rule), app.view_functions[rule.endpoint]
        operation = operation_of(view)
        if operation is None:
            continue
        tag = route.endpoint.partition(".")[0]
        if tag not in tags:
            tags.add(tag)
            spec.tag({"name": tag, "description": _feature(app, tag)})
        described = _described(route, operation, inspect.getdoc(view) or "", tag)
        methods = (route.methods or set()) - {"HEAD", "OPTIONS"}
        spec.path(
            path=re.sub(r"<(\w+)>", r"{\1}", route.rule),
            parameters=[
                {"in": "path", "name": name, "required": True, "schema": {"type": "string", "minLength": 1}}
                for name in sorted(route.arguments)
            ],
            operations={method.lower(): described for method in methods},
        )
    return spec.to_dict()


def _described(route: Route, operation: Operation, docstring: str, tag: str) -> dict[str, Any]:
    summary, _, description = docstring.partition("\n\n")
    described: dict[str, Any] = {"tags": [tag], "summary": summary.replace("\n", " ")}
    if description:
        described["description"] = description.replace("\n", " ")
    if route.callers is Callers.OWNER:
        described["security"] = [{_OWNER: []}]
    if operation.query is not None:
        described["parameters"] = [{"in": "query", "schema": operation.query}]
    if operation.body is not None:
        described["requestBody"] = operation.body
    described["responses"] = {
        **{str(status): _answer(*answer) for status, answer in operation.answers.items()},
        **_errors([REFUSALS[route.callers], *operation.errors]),
        "default": "DEFAULT_ERROR",
    }
    return described


def _errors(declared: Iterable[Errors]) -> dict[str, Any]:
    codes: dict[int, list[str]] = {}
    for errors in declared:
        for status, more in errors.items():
            codes.setdefault(status, []).extend(more)
    return {
        str(status): _answer(ErrorSchema, f"{DESCRIPTIONS[status]} Codes: {', '.join(f'`{code}`' for code in found)}.")
        for status, found in sorted(codes.items())
    }


def _answer(schema: Any, description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _feature(app: Flask, blueprint: str) -> str:
    """Return the first line of the docstring of the package that the blueprint is defined in."""
    package = app.blueprints[blueprint].import_name.rpartition(".")[0]
    return (inspect.getdoc(sys.modules[package]) or "").partition("\n")[0]
