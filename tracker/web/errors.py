"""The one shape of an error: {"ok": false, "error": {"code", "message", "fields"?}}, whatever raised it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson
from flask import Flask, Response
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from tracker.sessions.store import StoreError, UnknownSessionError

log = logging.getLogger(__name__)

Errors: TypeAlias = Mapping[int, tuple[str, ...]]
"""Errors that a route documents: status -> stable codes."""

STORE_ERRORS: Errors = {503: (*(kind.code for kind in StoreError.__subclasses__()), StoreError.code)}
"""The errors of every route that uses the store."""

DESCRIPTIONS: Mapping[int, str] = {
    400: "The body cannot be read: it is empty, not JSON, or not the gzip that it is declared as.",
    401: "The request does not carry the ADMIN_TOKEN; of a webhook: no valid signature, or another shop.",
    403: "The page's site is not in ALLOWED_ORIGINS; where the owner or Shopify may call: the setting for it is empty.",
    404: "No such session is stored.",
    408: "The request took longer to arrive than REQUEST_TIMEOUT allows.",
    413: "The body is larger than the service takes.",
    415: "The body is compressed with something other than gzip.",
    422: "The request can be read, but is not as described here; `fields` names the faults.",
    429: "The address or the session did more in this minute than is allowed; try again after Retry-After seconds.",
    503: "The session store cannot do this now; try again after Retry-After seconds.",
}
"""What each status means in the API's document."""

_CODES: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be read; check its headers and body."),
    404: ("not_found", "There is nothing at this address; /docs lists what there is."),
    405: ("method_not_allowed", "This address does not take this method; the Allow header lists those it takes."),
    408: ("request_timeout", "The request took too long to arrive; send it again."),
    413: ("body_too_large", "The body is larger than this service takes; send it in several parts."),
}
_PASSED_ON_HEADERS = {"accept-encoding", "allow", "retry-after", "www-authenticate", "location"}


class ApiError(HTTPException):
    """An error that the caller can act on: a status, a stable code, a message, and the faults by field."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make the error. `message` says what to do about it."""
        super().__init__(message)
        self.code = status
        self.stable_code = code
        self.fields = fields
        self.extra_headers = dict(headers or {})

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """Return the headers of the answer."""
        return [*super().get_headers(*args, **kwargs), *self.extra_headers.items()]


class ErrorDetailSchema(Schema):
    """The error itself."""

    code = fields.String(required=True, metadata={"description": "For programs: it stays the same in later versions."})
    message = fields.String(required=True, metadata={"description": "For people: what to do about it."})
    fields_ = fields.Dict(keys=fields.String(), data_key="fields", metadata={"description": "The faults by field."})


class ErrorSchema(Schema):
    """The shape of every error."""

    ok = fields.Boolean(required=True, metadata={"description": "Always false."})
    error = fields.Nested(ErrorDetailSchema, required=True)


def register_errors(app: Flask) -> None:
    """Answer every failure of the application in the one shape."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(StoreError, _store_error)
    app.register_error_handler(UnknownSessionError, _unknown_session)
    app.register_error_handler(MemoryError, _out_of_memory)
    app.register_error_handler(Exception, _unexpected)


def error_body(code: str, message: str, fields: Mapping[str, Any] | None = None) -> bytes:
    """Return the body of an error."""
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = fields
    return orjson.dumps({"ok": False, "error": error}, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def _answer(status: int, code: str, message: str, fields: Mapping[str, Any] | None = None) -> Response:
    return Response(error_body(code, message, fields), status, mimetype="application/json")


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None and status < 400:
        return error.response  # type: ignore[return-value]  # a redirect of the router's
    if isinstance(error, ApiError):
        response = _answer(status, error.stable_code, error.description or "", error.fields)
    else:
        code, message = _CODES.get(status, ("http_error", error.name))
        response = _answer(status, code, message)
    for name, value in error.get_headers():
        if name.lower() in _PASSED_ON_HEADERS:
            response.headers[name] = value
    return response


def _store_error(error: StoreError) -> Response:
    log.warning("the store refused: %s", error, extra={"code": error.code})
    response = _answer(503, error.code, str(error))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _unknown_session(error: UnknownSessionError) -> Response:
    return _answer(404, "unknown_session", "Nothing was reported of this session yet; post to /ingest first.")


def _out_of_memory(error: MemoryError) -> Response:
    log.error("out of memory: a request was refused")
    response = _answer(503, "overloaded", "The service has more to do than it can; send it again in a moment.")
    response.headers["Retry-After"] = "5"
    return response


def _unexpected(error: Exception) -> Response:
    log.error("unexpected failure", exc_info=error)
    return _answer(
        500, "internal_error", "Something failed here that should not; the log has it under this answer's X-Request-Id."
    )
