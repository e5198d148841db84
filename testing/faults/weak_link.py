"""A link to the service that a test can cut: before a request reaches the service, or after it was answered."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class WeakLink:
    """Passes every request on to the service at `port`, as `mode` says.

    good: unchanged · down: every POST gets a 503 and never reaches the service · cut: the connection of a POST breaks
    before it reaches the service · lossy: the service stores a POST, and the answer is lost · held: a POST waits until
    the mode is another.
    """

    def __init__(self, port: int) -> None:
        """Begin in the mode good."""
        self.port = port
        self.mode = "good"
        self.seen: list[tuple[str, str]] = []
        """(method, path) of every request, preflights included."""
        self.bodies: list[bytes] = []
        """Body of every POST to /ingest."""
        self.headers: list[dict[str, str]] = []
        """Headers of every POST, names in lower case."""
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def count(self, method: str, path: str = "") -> int:
        return sum(1 for seen in self.seen if seen[0] == method and seen[1].startswith(path))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # browsers hang up in these tests


def _handler_for(link: WeakLink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            link.seen.append((self.command, self.path))
            while self.command == "POST" and link.mode == "held":
                time.sleep(0.01)
            mode = link.mode if self.command == "POST" else "good"
            if self.command == "POST":
                link.headers.append({name.lower(): value for name, value in self.headers.items()})
                if self.path == "/ingest":
                    link.bodies.append(body)
            if mode == "cut":
                self._hang_up()
                return
            if mode == "down":
                self._answer(503, [("Access-Control-Allow-Origin", "*")], b"{}")
                return
            service = http.client.HTTPConnection("127.0.0.1", link.port, timeout=30)
            # With the Host header of the browser, so that the service names the address that the browser knows.
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            service.request(self.command, self.path, body or None, headers)
            answer = service.getresponse()
            data = answer.read()
            service.close()
            if mode == "lossy":
                self._hang_up()
                return
            self._answer(answer.status, answer.getheaders(), data)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._pass_on
            raise AttributeError(name)

        def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in {"connection", "transfer-encoding", "content-length", "keep-alive"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
