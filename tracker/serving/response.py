"""Gunicorn's response with less in it: one call for headers and body, no `Server`, and an end after an unread body."""

from __future__ import annotations

from typing import Any

from gunicorn.http.message import Request
from gunicorn.http.wsgi import Response

from tracker.serving.connection import Connection
from tracker.serving.framing import is_read


class LeanResponse(Response):  # type: ignore[misc]  # Gunicorn has no types
    """The answer to one request."""

    def __init__(self, request: Request, connection: Connection, cfg: Any, unreader: Any) -> None:
        super().__init__(request, connection, cfg)
        self.headers_sent = False
        self._unreader = unreader
        self._unsent = b""

    def should_close(self) -> bool:
        """Return whether the connection ends after this answer, as it does where the body was not read to its end."""
        return bool(super().should_close()) or not is_read(self.req, self._unreader)

    def default_headers(self) -> list[str]:
        """Return the first lines of the answer, without the name of the server."""
        return [line for line in super().default_headers() if not line.startswith("Server:")]

    def send_headers(self) -> None:
        """Make the headers; they go out with the first bytes of the body."""
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._unsent = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def can_sendfile(self) -> bool:
        """Return False: `sendfile` knows no deadline."""
        return False

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        unsent, self._unsent = self._unsent, b""
        self.sock.sendall(unsent + data)

    def close(self) -> None:
        """Send what is left: the headers of an answer without a body, the end of a chunked one."""
        if not self.headers_sent:
            self.send_headers()
        rest = self._unsent + (b"0\r\n\r\n" if self.chunked else b"")
        self._unsent = b""
        if rest:
            self.sock.sendall(rest)
