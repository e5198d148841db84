"""The worker process: Gunicorn's gevent worker with deadlines, room for those who come, and a stop that drains.

A connection costs a greenlet, not a thread, so clients that stall hold up nobody. Where all connections are taken, the
one whose client has kept the service waiting longest makes room for the next.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from datetime import datetime
from typing import Any, Final

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser
from gunicorn.workers.ggevent import GeventWorker

from tracker.config import load_config
from tracker.metrics import workers
from tracker.serving import framing, refusals
from tracker.serving.connection import Connection, Deadlines, IdleError
from tracker.serving.response import LeanResponse

_BEAT_S: Final = 1.0
_STOP_IDLE_S: Final = 2.0
"""How long an idle client is still waited for when the worker stops: it may be sending just now."""
_STOP_SPARE_S: Final = 1.0
"""The worker ends by itself so long before the master would kill it."""
_SPARE_CONNECTIONS: Final = 32
"""Connections beyond the bound: greenlets of those that were ended to make room, and have not noticed yet."""


class ServiceWorker(GeventWorker):  # type: ignore[misc]  # Gunicorn has no types
    """Serves the application in one process."""

    def init_process(self) -> None:
        """Begin. A worker that is told to stop while it still loads the application ends in peace as well."""
        self._stopping = Event()
        super().init_process()

    def patch(self) -> None:
        """Make the listening sockets gevent's; gunicorn_conf.py has patched everything else before any import."""
        self.sockets: list[Any] = [
            socket.socket(one.FAMILY, socket.SOCK_STREAM, fileno=one.sock.detach()) for one in self.sockets
        ]

    def run(self) -> None:
        """Serve until the worker shall stop, then answer what is under way."""
        config = load_config()
        self._deadlines = Deadlines(self.cfg.keepalive, config.request_timeout, config.send_timeout)
        self.connections: dict[Connection, None] = {}
        """All that are open, the one that began to wait first at the front."""
        servers = [self._listen(one) for one in self.sockets]
        while self.alive:
            self.notify()
            workers.publish()
            self._stopping.wait(_BEAT_S)
        for server in servers:
            server.close()
        self._drain()

    def _listen(self, listener: Any) -> StreamServer:
        listener.setblocking(True)
        name = listener.getsockname()
        pool = Pool(self.worker_connections + _SPARE_CONNECTIONS)
        server = StreamServer(listener, handle=lambda sock, address: self._serve(name, sock, address), spawn=pool)
        # One at a time where others listen too, so that one worker does not take a whole burst.
        server.max_accept = 1 if self.cfg.workers > 1 else 100
        server.start()
        return server

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop in peace: SIGTERM."""
        super().handle_exit(sig, frame)
        self._stopping.set()

    def notify(self) -> None:
        """Report to the master that this worker lives; end where the master does not."""
        self.tmp.notify()
        if self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            sys.exit(0)

    def _drain(self) -> None:
        began = time.monotonic()
        while self.connections and time.monotonic() < began + self.cfg.graceful_timeout - _STOP_SPARE_S:
            if time.monotonic() > began + _STOP_IDLE_S:
                for connection in list(self.connections):
                    if connection.is_idle and connection.is_waiting:
                        connection.close()
            self.notify()
            gevent.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        workers.publish()

    # --- one connection --------------------------------------------------------------------------------------------

    def _serve(self, listener: Any, sock: socket.socket, address: Any) -> None:
        """Answer the requests of one connection, one after the other."""
        if len(self.connections) >= self.worker_connections:
            self._make_room()
        connection = Connection(sock, self._deadlines)
        self.connections[connection] = None
        try:
            parser = RequestParser(self.cfg, connection, address)
            while self._answer_next(parser, connection, listener, address):
                # To the end of the line: it begins to wait anew.
                self.connections[connection] = self.connections.pop(connection)
                connection.expect_request()
                connection.give_way()
        except (IdleError, StopIteration, gevent.GreenletExit):
            connection.close()
        except OSError:
            connection.abort()
        finally:
            self.connections.pop(connection, None)

    def _make_room(self) -> None:
        """End the connection whose client has kept the service waiting longest."""
        for connection in self.connections:
            if connection.is_waiting:
                del self.connections[connection]
                connection.abort()
                return

    def _answer_next(self, parser: RequestParser, connection: Connection, listener: Any, address: Any) -> bool:
        """Read one request and answer it; return whether another one may follow on this connection."""
        request, response = None, None
        try:
            request = next(parser)
            framing.check(request)
            response = self._answer(request, parser.unreader, connection, listener, address)
        except (OSError, IdleError, StopIteration, gevent.GreenletExit):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer in our shape
            self._refuse(connection, error, address)
            return False
        if not response.should_close():
            return True
        if framing.is_read(request, parser.unreader):
            connection.close()
        else:
            connection.close_unread()
        return False

    def _answer(self, request: Any, unreader: Any, connection: Connection, listener: Any, address: Any) -> Any:
        began = datetime.now()  # noqa: DTZ005  Gunicorn's access log subtracts it
        response, environ = wsgi.create(
            request, connection, address, listener, self.cfg, response_class=LeanResponse, response_args=(unreader,)
        )
        environ["wsgi.multithread"] = True
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
            self._stopping.set()
        if not self.alive:
            response.force_close()
        connection.has_answered = False
        parts = self.wsgi(environ, response.start_response)
        connection.begin_answer()
        try:
            if isinstance(parts, environ["wsgi.file_wrapper"]):
                response.write_file(parts)
            else:
                for part in parts:
                    response.write(part)
            response.close()
        finally:
            if self.cfg.accesslog:
                self.log.access(response, request, environ, datetime.now() - began)  # noqa: DTZ005
            if hasattr(parts, "close"):
                parts.close()
        return response

    def _refuse(self, connection: Connection, error: Exception, address: Any) -> None:
        """Answer what cannot be served, in the shape of every other error, and end the connection."""
        refused = refusals.refusal(error)
        if refused is not None:
            if refused[0] == 500:
                self.log.error("A request failed outside the application", exc_info=error)
            else:
                self.log.info("Refused a request: %s", refused[1])
            if not connection.has_answered:
                connection.begin_answer()
                with contextlib.suppress(OSError):
                    connection.sendall(refusals.answer(*refused))
        connection.close_unread()
