"""Decorators for a view of the API: what it takes, what it answers and how it fails.

`takes_body` and `takes_query` also read the request and hand the result to the view. Their notes about the view become
its part of /openapi.json, so that document cannot differ from what is read. They may stand in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, cast

from flask import request
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import MultiDict

from tracker.web.bodies import BODY_ERRORS, parse_json, read_body
from tracker.web.errors import ApiError, Errors

_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(slots=True)
class Operation:
    """The notes about a view: parts of an OpenAPI operation, with marshmallow's schemas in them, and its errors."""

    parts: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    errors: list[Errors] = field(default_factory=list)


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return the notes about a view; None for a view that is not part of the API."""
    return vars(view).get("operation")


def takes_body(
    schema: Schema, *, document: dict[str, Any], parse: Callable[[bytes], Any] = parse_json
) -> Callable[[_View], _View]:
    """Hand the view what the schema loads from the body, as its first argument.

    `document` is the OpenAPI request body; `parse` makes JSON values of the bytes. The route declares a `body_limit`.
    """
    return _takes(schema, read_body, parse, BODY_ERRORS, {"requestBody": document})


def takes_query(schema: Schema) -> Callable[[_View], _View]:
    """Hand the view what the schema loads from the query of the address, as its first argument."""
    parameters = [{"in": "query", "schema": schema}]
    return _takes(schema, lambda: request.args, MultiDict.to_dict, {}, {"parameters": parameters})


def _takes(
    schema: Schema, read: Callable[[], Any], parse: Callable[[Any], Any], errors: Errors, parts: dict[str, Any]
) -> Callable[[_View], _View]:
    def decorate(view: _View) -> _View:
        @wraps(view)
        def with_loaded(**path: Any) -> Any:
            values = parse(read())
            try:
                loaded = schema.load(values)
            except ValidationError as error:
                message = "The request is not as /docs says; `fields` names what to change."
                raise ApiError(422, "invalid_request", message, fields=error.messages_dict) from None
            return view(loaded, **path)

        noted = _noted(with_loaded)
        noted.parts |= parts
        noted.errors += [errors, {422: ("invalid_request",)}]
        return cast(_View, with_loaded)

    return decorate


def answers(
    schema: type[Schema], *errors: Errors, status: int = 200, description: str = "OK"
) -> Callable[[_View], _View]:
    """Document an answer of the view, and the errors that it raises itself.

    Errors that follow from the route's callers, a body or a query are documented without that.
    """

    def decorate(view: _View) -> _View:
        noted = _noted(view)
        noted.answers[str(status)] = json_answer(schema, description)
        noted.errors += errors
        return view

    return decorate


def json_answer(schema: type[Schema], description: str) -> dict[str, Any]:
    """Return an OpenAPI response."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _noted(view: Callable[..., Any]) -> Operation:
    """Return the notes about a view. A wrapper made with functools.wraps shares those of the view in it."""
    noted: Operation = vars(view).setdefault("operation", Operation())
    return noted
