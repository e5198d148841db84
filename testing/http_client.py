"""HTTP clients for tests: a kept-alive connection, and a bare socket for bytes that no proper client would send."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

JSON_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """An answer as it came: header names in lower case, the values of repeated headers joined with a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One kept-alive connection, opened again where it was lost. Not for several threads at once."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        chunked: bool = False,
    ) -> Reply:
        """Send a request once. Raises OSError or HTTPException where no whole answer came; the next call reconnects."""
        try:
            self._connection.request(
                method,
                path,
                body.encode() if isinstance(body, str) else body,
                dict(headers or {}),
                encode_chunked=chunked,
            )
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        named: dict[str, str] = {}
        for name, value in answer.getheaders():
            key = name.lower()
            named[key] = f"{named[key]}, {value}" if key in named else value
        return Reply(answer.status, named, content)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Post bytes and text as they are, anything else as JSON."""
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        return self.request("POST", path, data, headers if headers is not None else JSON_HEADERS)


def send_raw(port: int, *parts: bytes, timeout: float = 10, half_close: bool = True) -> bytes:
    """Send bytes as they are; return all that comes back until the server closes or is silent for `timeout` seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        answer = bytearray()
        try:
            for part in parts:
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                answer += received
        except OSError:
            pass  # the server closed or is silent: what came before counts
        return bytes(answer)


def statuses(answer: bytes) -> list[int]:
    """Return the status of each answer in the bytes that `send_raw` returned."""
    lines = (part.split(b" ", 2) for part in answer.split(b"HTTP/1.1 ")[1:])
    return [int(words[0]) for words in lines if words[0].isdigit()]
