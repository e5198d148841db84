"""Decorators for a view of the API: what it takes, what it answers and how it fails.

`takes_body` and `takes_query` also read the request and hand the result to the view. What they note about a view makes
its part of /openapi.json, so the document cannot differ from what is read. The order in which they stand does not
matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from flask import request
from marshmallow import EXCLUDE, Schema, ValidationError

from tracker.web.bodies import BODY_ERRORS, parse_json, read_body
from tracker.web.errors import ApiError, Errors

_View = TypeVar("_View", bound=Callable[..., Any])

_INVALID: Errors = {422: ("invalid_request",)}


@dataclass(slots=True)
class Operation:
    """The parts of a view's API document that its docstring does not hold. Schemas in it are marshmallow's."""

    query: Schema | None = None
    body: dict[str, Any] | None = None
    answers: dict[int, tuple[type[Schema], str]] = field(default_factory=dict)
    """Status -> (schema, description)."""
    errors: list[Errors] = field(default_factory=list)


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return what the decorators noted about a view; None for a view that is not part of the API."""
    found: Operation | None = vars(view).get("operation")
    return found


def takes_body(
    schema: Schema, *, parse: Callable[[bytes], Any] = parse_json, document: dict[str, Any] | None = None
) -> Callable[[_View], Callable[..., Any]]:
    """Hand the view what the schema loads from the body, as its first argument.

    `parse` makes JSON values of the body's bytes; `document` is the OpenAPI request body, where the schema alone does
    not describe it. The route must declare a `body_limit`.
    """

    def decorate(view: _View) -> Callable[..., Any]:
        @wraps(view)
        def with_body(**path: Any) -> Any:
            values = parse(read_body())
            try:
                loaded = schema.load(values)
            except ValidationError as error:
                raise _invalid(error) from None
            return view(loaded, **path)

        noted = _noted(with_body)
        noted.body = document or {"required": True, "content": {"application/json": {"schema": schema}}}
        noted.errors += [BODY_ERRORS, _INVALID]
        return with_body

    return decorate


def takes_query(schema: Schema) -> Callable[[_View], Callable[..., Any]]:
    """Hand the view what the schema loads from the address's query, as its first argument.

    Parameters that the schema does not know are ignored: links get them on their way through other systems.
    """

    def decorate(view: _View) -> Callable[..., Any]:
        @wraps(view)
        def with_query(**path: Any) -> Any:
            try:
                loaded = schema.load(request.args, unknown=EXCLUDE)
            except ValidationError as error:
                raise _invalid(error) from None
            return view(loaded, **path)

        noted = _noted(with_query)
        noted.query = schema
        noted.errors.append(_INVALID)
        return with_query

    return decorate


def answers(schema: type[Schema], status: int = 200, description: str = "OK") -> Callable[[_View], _View]:
    """Document an answer of the view."""

    def decorate(view: _View) -> _View:
        _noted(view).answers[status] = (schema, description)
        return view

    return decorate


def fails(*errors: Errors) -> Callable[[_View], _View]:
    """Document the errors that the view itself raises; those of its callers and of its body are documented already."""

    def decorate(view: _View) -> _View:
        _noted(view).errors += errors
        return view

    return decorate


def _noted(view: Callable[..., Any]) -> Operation:
    """Return the notes about a view. A wrapper made with functools.wraps shares those of the view in it."""
    noted: Operation = vars(view).setdefault("operation", Operation())
    return noted


def _invalid(error: ValidationError) -> ApiError:
    faults = error.messages
    return ApiError(
        422,
        "invalid_request",
        "The request is not as /docs says; `fields` names what to change.",
        fields=faults if isinstance(faults, dict) else {"body": faults},
    )
