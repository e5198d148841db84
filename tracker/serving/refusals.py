"""Gunicorn's own refusals in the one shape of an error, with the headers of every other answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from gunicorn.http.errors import (
    ChunkMissingTerminator,
    ExpectationFailed,
    InvalidChunkExtension,
    InvalidChunkSize,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)

from tracker.serving.connection import SlowClientError
from tracker.serving.framing import MissingHostError
from tracker.web.errors import error_body
from tracker.web.security import add_defaults

BAD_CHUNKS: Final = (InvalidChunkSize, ChunkMissingTerminator, InvalidChunkExtension)

_REFUSALS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], int, str, str], ...]] = (
    (SlowClientError, 408, "request_timeout", "The request took too long to arrive; send it again."),
    (LimitRequestLine, 414, "address_too_long", "The address is too long; the longest here has 4,094 bytes."),
    (LimitRequestHeaders, 431, "headers_too_large", "Send at most 64 headers of at most 8,190 bytes each."),
    (ExpectationFailed, 417, "unknown_expectation", "The only expectation that is understood is 100-continue."),
    (UnsupportedTransferCoding, 501, "unsupported_coding", "Send the body as it is, or chunked."),
    (BAD_CHUNKS, 400, "bad_chunks", "The body's chunks are broken; send it again."),
    (MissingHostError, 400, "bad_host", "Send a Host header: HTTP/1.1 requires it."),
    (ParseException, 400, "bad_request", "The request cannot be read; check its headers and body."),
)
_FAILED: Final = (500, "internal_error", "Something failed here that should not; the log says what.")
OVERLOADED: Final = (503, "overloaded", "The service has more to do than it can; send it again in a moment.")


def refusal(error: BaseException) -> tuple[int, str, str] | None:
    """Return (status, code, message) for what ended a request; None where nobody is there to read an answer."""
    if isinstance(error, NoMoreData):
        return None
    for kinds, status, code, message in _REFUSALS:
        if isinstance(error, kinds):
            return status, code, message
    return _FAILED


def answer(status: int, code: str, message: str, *headers: tuple[str, str]) -> bytes:
    """Return a whole answer, after which the connection ends."""
    body = error_body(code, message)
    sent = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close"), *headers]
    add_defaults(sent, is_secure=False)
    lines = [f"{name}: {value}\r\n" for name, value in sent]
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{''.join(lines)}\r\n".encode("latin-1") + body
