"""A shop on an origin of its own: one page for every path, a cart, and whatever headers a test sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{path}</title>{head}{script}</head><body>
<h1>{path}</h1>
<button id="one">One</button> <button id="two">Two</button>
<a id="next" href="/products/next">Next</a> <a id="home" href="/">Home</a>
<label>Mail <input id="mail" name="email" type="email"></label>
{body}
</body></html>"""


class PlainShop:
    """Serves inside a `with`. Every attribute may be changed while it does."""

    def __init__(self, service: str, *, attributes: str = "", head: str = "", body: str = "") -> None:
        """`attributes` are those of the script's tag; `head` is markup before that tag, `body` markup of the page."""
        self.service = service
        self.attributes = attributes
        self.head = head
        self.body = body
        self.headers: Mapping[str, str] = {}
        self.items = 0
        self.files: dict[str, str] = {}
        """Further scripts of the shop, by path."""
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def cart(self) -> dict[str, Any]:
        """What /cart.js answers."""
        return {"item_count": self.items}

    def change(self, path: str, body: bytes) -> None:
        """Take in a post, before it is answered."""
        self.items += json.loads(body or b"{}").get("quantity", 1)

    def page(self, path: str) -> str:
        script = f'<script defer src="{self.service}/storefront.js" {self.attributes}></script>'
        return PAGE.format(path=path, head=self.head, script=script, body=self.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def _handler_for(shop: PlainShop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in shop.files:
                self._send(shop.files[path], "text/javascript")
            elif path.endswith("/cart.js"):
                self._send(json.dumps(shop.cart()), "application/json")
            elif path == "/favicon.ico":
                self._send("", "image/x-icon")
            else:
                self._send(shop.page(path), "text/html; charset=utf-8")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            shop.change(self.path, body)
            self._send("{}", "application/json")

        def _send(self, text: str, content_type: str) -> None:
            data = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-cache")
            for name, value in shop.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
