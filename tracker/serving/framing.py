"""What a request must be beyond what Gunicorn checks, and whether its body was read to the end."""

from __future__ import annotations

from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import InvalidHeader
from gunicorn.http.message import Request


class MissingHostError(InvalidHeader):  # type: ignore[misc]  # Gunicorn has no types
    """An HTTP/1.1 request without a Host (RFC 9112, 3.2); Gunicorn itself refuses a second one."""

    def __init__(self) -> None:
        super().__init__("HOST")


def check(request: Request) -> None:
    """Raise InvalidHeader for what Gunicorn takes although two readers could understand it differently."""
    has_host, codings = False, 0
    for name, value in request.headers:
        if name == "HOST":
            has_host = True
        elif name == "TRANSFER-ENCODING":
            codings += 1
            # Gunicorn drops `identity`; a proxy before it may not.
            if value.strip().lower() != "chunked" or codings > 1:
                raise InvalidHeader("TRANSFER-ENCODING", req=request)
    if not has_host and request.version >= (1, 1):
        raise MissingHostError


def is_read(request: Request, unreader: Any) -> bool:
    """Return whether the body was read to its end, so that the next request can follow on the same connection.

    A body that is there already, but was not asked for, is dropped; nothing is waited for.
    """
    body = request.body
    if body.failed:
        return False
    reader = body.reader
    if isinstance(reader, LengthReader):
        if 0 < reader.length <= unreader.buf.getbuffer().nbytes:
            body.read()
        return bool(reader.length == 0)
    return isinstance(reader, ChunkedReader) and reader.parser is None
