"""Reading a request's body: size, compression and JSON, each with its limit."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any, NoReturn, cast

import marshmallow as ma
import orjson
from flask import current_app, request
from gunicorn.http.errors import ParseException

from tracker.sessions.model import ANY_SESSION_ID
from tracker.web.callers.limits import LIMIT_ERRORS, Bound, limits
from tracker.web.errors import ApiError, Errors
from tracker.web.routes import Callers, Route

BODY_ERRORS: Errors = {
    400: ("not_json", "too_deep", "bad_gzip", "bad_chunks"),
    413: ("body_too_large",),
    415: ("unsupported_encoding",),
    408: ("request_timeout",),
    **LIMIT_ERRORS,
}
"""The errors that reading a body can end with."""

_GZIP = 31
"""zlib's `wbits` for the gzip format with the largest window."""

_MAX_MEMBERS = 16
"""Parts of a gzip file. Browsers send one. Each costs a copy of the bytes behind it: 1 MiB of empty ones took 0.8 s."""

_ZLIB_NO_MEMORY = "Error -4 "

_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_body() -> bytes:
    """Return the request's body, decompressed; the route declares its limit. Raises ApiError 400, 413 or 415.

    The Content-Type does not matter: browsers send text/plain, which needs no preflight request.
    """
    raw, limit = raw_body(), _limit()
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"gzip", "x-gzip"}:
        raw = _gunzip(raw, limit)
        encoding = "identity"
    limits().add(Bound.BYTES, len(raw))
    if encoding not in {"identity", ""}:
        raise ApiError(
            415,
            "unsupported_encoding",
            "Send the body as it is, or compressed with gzip.",
            headers={"Accept-Encoding": "gzip"},
        )
    return raw


def raw_body() -> bytes:
    """Return the bytes of the request's body as they were sent. Raises ApiError 400 or 413.

    A body that was read once is kept with its request: a signature is checked before the view reads it.
    """
    limit = _limit()
    try:
        raw = request.get_data(cache=cast(Route, request.url_rule).callers is Callers.WEBHOOK)
    except ParseException:
        # Gunicorn parses a chunked body only while it is read.
        raise ApiError(400, "bad_chunks", "The body's chunks are broken; send it again.") from None
    if len(raw) > limit:
        _too_large(limit)
    return raw


def _limit() -> int:
    limit: int = current_app.config[cast(Route, request.url_rule).body_limit]
    return limit


def parse_id_or_json(raw: bytes) -> Any:
    """Parse a body that is a bare session id, or JSON: an object, or the id as a string. Raises ApiError 400."""
    raw = raw.strip()
    if raw[:1] in {b"{", b"[", b'"'}:
        body = parse_json(raw)
        return {"session": body} if isinstance(body, str) else body
    return {"session": raw.decode("utf-8", "replace")}


def _too_large(limit: int) -> NoReturn:
    raise ApiError(413, "body_too_large", f"The body is larger than {limit} bytes; send it in several parts.")


def _gunzip(raw: bytes, limit: int) -> bytes:
    """Decompress, without ever holding more than one byte over the limit. Raises MemoryError."""
    whole = bytearray()
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        try:
            whole += member.decompress(raw, limit + 1 - len(whole))
        except zlib.error as error:
            if str(error).startswith(_ZLIB_NO_MEMORY):
                raise MemoryError from None
            raise ApiError(400, "bad_gzip", "The body says it is gzip, but cannot be decompressed.") from None
        if len(whole) > limit:
            _too_large(limit)
        if not member.eof:
            raise ApiError(400, "bad_gzip", "The compressed body ends too early; send all of it.")
        raw = member.unused_data
        if not raw:
            return bytes(whole)
    raise ApiError(400, "bad_gzip", "The compressed body is in too many pieces; compress it as one.")


def parse_json(raw: bytes) -> Any:
    """Parse strict JSON: UTF-8, finite numbers, nothing repaired. Raises ApiError 400, or MemoryError.

    Half a surrogate pair passes, for the caller to clean: scripts cut texts in the middle of an emoji.
    """
    raw = raw.removeprefix(_BOM)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        fault = str(error)
    if "memory" in fault.lower():
        # orjson 3.13 says so of some bodies that end within many open lists, too. Where the memory is short in truth,
        # that is no fault of the client's: it keeps the events and sends them again.
        try:
            json.loads(raw)
        except (ValueError, RecursionError) as error:
            fault = str(error)
        else:
            raise MemoryError
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
    """The session id, required in every body."""

    def __init__(self) -> None:
        """Make the field."""
        super().__init__(
            required=True,
            validate=ma.validate.Regexp(
                rf"{ANY_SESSION_ID}\Z", error="A session id is 8 to 64 letters, digits, dots, dashes or underscores."
            ),
            metadata={"pattern": f"^{ANY_SESSION_ID}$", "example": "af4bac4d-077a-4756-91d0-fa2570fd206f"},
        )
