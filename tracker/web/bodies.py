"""Reading bodies: size, compression and JSON, each with its limit; and the blueprint that hands them to schemas."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NoReturn, TypeVar

import marshmallow as ma
import orjson
from flask import Request, current_app, request
from flask_smorest import Blueprint
from gunicorn.http.errors import ParseException
from webargs.flaskparser import FlaskParser

from tracker.sessions.model import ANY_SESSION_ID
from tracker.web.errors import ApiError, ErrorSchema

_View = TypeVar("_View", bound=Callable[..., Any])

_GZIP = 31
"""zlib's name for the gzip format with the largest window."""

_MAX_MEMBERS = 16
"""Browsers make one. Each costs a copy of what follows it: 1 MiB of empty ones took 0.8 s."""

_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_body(request: Request) -> bytes:
    """Give the body, decompressed, at most MAX_BODY_BYTES long. Raises ApiError 400, 413 or 415.

    What Content-Type says does not matter: browsers send text/plain to spare themselves a preflight.
    """
    limit: int = current_app.config["MAX_BODY_BYTES"]
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    try:
        raw = request.get_data(cache=False)
    except ParseException:
        # Gunicorn takes a chunked body apart only as it is read.
        raise ApiError(400, "bad_chunks", "The body's chunks are broken; send it again.") from None
    if len(raw) > limit:
        _too_large(limit)
    if encoding in {"gzip", "x-gzip"}:
        return _gunzip(raw, limit)
    if encoding not in {"identity", ""}:
        raise ApiError(
            415,
            "unsupported_encoding",
            "Send the body as it is, or compressed with gzip.",
            headers={"Accept-Encoding": "gzip"},
        )
    return raw


def _too_large(limit: int) -> NoReturn:
    raise ApiError(413, "body_too_large", f"The body is larger than {limit} bytes; send it in several parts.")


def _gunzip(raw: bytes, limit: int) -> bytes:
    """Decompress without ever holding more than one byte over the limit."""
    whole = bytearray()
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        try:
            whole += member.decompress(raw, limit + 1 - len(whole))
        except zlib.error:
            raise ApiError(400, "bad_gzip", "The body says it is gzip, but cannot be decompressed.") from None
        if len(whole) > limit:
            _too_large(limit)
        if not member.eof:
            raise ApiError(400, "bad_gzip", "The compressed body ends too early; send all of it.")
        raw = member.unused_data
        if not raw:
            return bytes(whole)
    raise ApiError(400, "bad_gzip", "The compressed body is in too many pieces; compress it as one.")


def read_json(raw: bytes) -> Any:
    """Parse strict JSON: UTF-8, finite numbers, no repair. Raises ApiError 400.

    Half of a surrogate pair is let through, for the caller to clean: scripts cut texts in the middle of an emoji.
    """
    raw = raw.removeprefix(_BOM)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        fault = str(error)
    if _SURROGATE.search(raw):
        try:
            return json.loads(raw.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            fault = str(error)
    if "depth limit" in fault or "recursion" in fault:
        raise ApiError(400, "too_deep", "The body nests deeper than any event does; send it flatter.")
    raise ApiError(400, "not_json", "The body must be JSON in UTF-8, and one document only.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class SessionIdField(ma.fields.String):
    """The id of a session, which a body must hold."""

    def __init__(self) -> None:
        """Make the field."""
        super().__init__(
            required=True,
            validate=ma.validate.Regexp(
                rf"{ANY_SESSION_ID}\Z", error="A session id is 8 to 64 letters, digits, dots, dashes or underscores."
            ),
            metadata={"pattern": f"^{ANY_SESSION_ID}$", "example": "af4bac4d-077a-4756-91d0-fa2570fd206f"},
        )


def _json_body(request: Request) -> Any:
    return read_json(read_body(request))


def _invalid(faults: Any) -> ApiError:
    return ApiError(
        422,
        "invalid_request",
        "The request is not as /docs says; `fields` names what to change.",
        fields=faults if isinstance(faults, dict) else {"body": faults},
    )


class _QueryParser(FlaskParser):
    """webargs' parser with this service's error in the place of its own."""

    def handle_error(
        self,
        error: ma.ValidationError,
        req: Request,
        schema: ma.Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Answer 422 with the faults by field."""
        # webargs files the faults under the place they came from, which the reader knows.
        raise _invalid(next(iter(error.messages_dict.values())))


class ApiBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A blueprint whose bodies are read as above, and whose views name the errors that they can answer with."""

    ARGUMENTS_PARSER = _QueryParser()

    def body(
        self, schema: ma.Schema, read: Callable[[Request], Any] = _json_body
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Hand the view what the schema makes of the body; `read` gives the body as JSON values."""

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def with_body(*args: Any) -> Any:
                try:
                    loaded = schema.load(read(request))
                except ma.ValidationError as error:
                    raise _invalid(error.messages) from None
                return view(*args, loaded)

            return _documented(with_body, self.arguments(schema)(view))

        return decorate

    def fails(self, *statuses: int) -> Callable[[_View], _View]:
        """Put these errors into the view's document."""

        def decorate(view: _View) -> _View:
            documented = view
            for status in statuses:
                documented = self.alt_response(status, schema=ErrorSchema, description=_FAILURES[status])(documented)
            return _documented(view, documented)

        return decorate


def _documented(view: _View, like: Any) -> _View:
    """Take over what flask-smorest notes on a view that it wraps, without the wrapper, which costs time a request."""
    view._apidoc = like._apidoc  # type: ignore[attr-defined]
    return view


_FAILURES: Mapping[int, str] = {
    400: "Nothing that can be read: empty, not JSON, or not the gzip that it says it is.",
    401: "Not the ADMIN_TOKEN.",
    403: "A page of a site that is not in ALLOWED_ORIGINS; for what is the owner's: no ADMIN_TOKEN is set.",
    404: "No such session.",
    413: "Larger than the service takes.",
    415: "Compressed with something other than gzip.",
    422: "Readable, but not as described here; `fields` says where.",
    503: "The store cannot do it now: come again after Retry-After seconds.",
}
