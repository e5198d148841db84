"""A client's connection: whatever the client is waited for has a deadline, however slowly it sends or reads.

idle       no byte of the next request is there yet: `keepalive` seconds
receiving  from its first byte on, headers and body together: `request_s` seconds
sending    the whole answer: `send_s` seconds
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Final

import gevent
from werkzeug.exceptions import RequestTimeout

_LINGER_S: Final = 2.0
_LINGER_BYTES: Final = 2 << 20
_RESET: Final = struct.pack("ii", 1, 0)


class SlowClientError(RequestTimeout):
    """The request did not arrive whole by its deadline. In the application it becomes the answer 408."""


class IdleError(Exception):
    """No byte of a further request came: nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a client may take, in seconds."""

    idle_s: float
    request_s: float
    send_s: float


class Connection:
    """The socket as Gunicorn's parser and its response use it. One greenlet at a time waits here."""

    def __init__(self, sock: socket.socket, deadlines: Deadlines) -> None:
        self._sock = sock
        self._deadlines = deadlines
        self._receive_until = 0.0
        self._send_until = 0.0
        self.is_idle = True
        """Whether no byte of the next request has come yet."""
        self.is_waiting = False
        """Whether the client is waited for just now, to send or to read."""
        self.has_answered = False
        """Whether a part of the answer was sent already."""
        self.began = 0.0
        """When the client began to be idle, on the monotonic clock."""
        self.expect_request()

    def expect_request(self) -> None:
        """Begin to wait for the next request."""
        self.is_idle = True
        self.began = time.monotonic()
        self._receive_until = self.began + self._deadlines.idle_s

    def begin_answer(self) -> None:
        """Begin to send: from now on the whole answer has its time."""
        self.has_answered = False
        self._send_until = time.monotonic() + self._deadlines.send_s

    def recv(self, size: int) -> bytes:
        """Return what has come. Raises IdleError or SlowClientError at the deadline, and OSError."""
        left = self._receive_until - time.monotonic()
        if left <= 0:
            raise IdleError if self.is_idle else SlowClientError
        self._sock.settimeout(left)
        self.is_waiting = True
        try:
            data = self._sock.recv(size)
        except TimeoutError:
            raise (IdleError if self.is_idle else SlowClientError) from None
        finally:
            self.is_waiting = False
        if self.is_idle:
            self.is_idle = False
            self._receive_until = time.monotonic() + self._deadlines.request_s
        return data

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises TimeoutError at the deadline of the answer, and OSError."""
        self.is_waiting = self.has_answered = True
        unsent = memoryview(data)
        try:
            while unsent:
                left = self._send_until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._sock.settimeout(left)
                unsent = unsent[self._sock.send(unsent) :]
        finally:
            self.is_waiting = False

    def give_way(self) -> None:
        """Let the others go on between two requests: a client that sends many at once takes turns with them."""
        self.is_waiting = True
        gevent.sleep(0)
        self.is_waiting = False

    def send(self, data: bytes) -> int:
        """Send a few bytes ahead of the answer: `100 Continue`."""
        self.begin_answer()
        self.sendall(data)
        self.has_answered = False
        return len(data)

    def close(self) -> None:
        """Close it. Everything that was sent still arrives, as far as the client has sent nothing more."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def close_unread(self) -> None:
        """Close it although the client may still be sending.

        Closed at once, the client would be sent a reset, and could lose the answer. So it is told that nothing more
        comes, and what it sends is dropped, up to a bound.
        """
        until, dropped = time.monotonic() + _LINGER_S, 0
        self.is_waiting = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            while dropped < _LINGER_BYTES and (left := until - time.monotonic()) > 0:
                self._sock.settimeout(left)
                data = self._sock.recv(65536)
                if not data:
                    break
                dropped += len(data)
        self.close()

    def abort(self) -> None:
        """Close it with a reset, also while another greenlet waits in it: unsent bytes take no memory any more."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()
