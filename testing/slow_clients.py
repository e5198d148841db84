"""Clients that keep a server waiting, in every way there is: they send a part and then nothing, or never read."""

from __future__ import annotations

import contextlib
import itertools
import resource
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

_POST = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

KINDS: dict[str, bytes] = {
    "silent": b"",
    "half a request line": b"POST /ing",
    "half the headers": _POST,
    "no body": _POST + b"Content-Length: 5000\r\n\r\n",
    "half the body": _POST + b"Content-Length: 5000\r\n\r\n" + b'{"session":"anna-0001"',
    "half a chunk": _POST + b'Transfer-Encoding: chunked\r\n\r\n1000\r\n{"session"',
    "no last chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "expects, then is silent": _POST + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n",
    "too large, and unread": _POST + b"Content-Length: 500000000\r\n\r\n" + b"x" * 10_000,
    "unknown address, unread body": b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nxxxx",
    "half a question": b"POST /askai HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nanna",
    "reads no answer": b"GET /storefront.js HTTP/1.1\r\nHost: x\r\n\r\n" * 1500,
}
"""What each kind sends before it stalls."""


def allow_descriptors(wanted: int) -> bool:
    """Raise the number of descriptors that this process may open; return whether that many are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted <= hard


class SlowClients:
    """A number of such clients, of all kinds in turn or of one; `drip` lets each send one byte more."""

    def __init__(self, port: int, count: int, *kinds: str) -> None:
        self._lines: list[socket.socket] = []
        try:
            for kind in itertools.islice(itertools.cycle(kinds or KINDS), count):
                line = socket.socket()
                self._lines.append(line)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                line.settimeout(30)
                line.connect(("127.0.0.1", port))
                line.setblocking(False)
                with contextlib.suppress(OSError):
                    line.send(KINDS[kind])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def drip(self) -> None:
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.send(b"x")

    def answers(self, *, drips: bool, until: Callable[[], bool]) -> list[bytes | None]:
        """Return all that each client was sent before the server ended its connection; None where it did not.

        Reads until all are ended or `until()` is true. `drips`: each sends a byte now and then.
        """
        received = [bytearray() for _ in self._lines]
        is_open = [True] * len(self._lines)
        while any(is_open) and not until():
            for number, line in enumerate(self._lines):
                if not is_open[number]:
                    continue
                line.settimeout(0.05)
                try:
                    data = line.recv(1 << 20)
                    received[number] += data
                    is_open[number] = bool(data)
                except TimeoutError:
                    if drips:
                        with contextlib.suppress(OSError):
                            line.send(b"x")
                except OSError:
                    is_open[number] = False
        return [None if still else bytes(got) for got, still in zip(received, is_open, strict=True)]

    def close(self) -> None:
        for line in self._lines:
            line.close()
