"""A real HTTP server that speaks Groq's chat completions, correctly or with a chosen fault.

In a test: `with FakeGroq("hang") as groq: ...groq.base_url...groq.requests`. For other processes:
`python -m testing.fake_groq --port 9000 --mode good`.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PATH = "/openai/v1/chat/completions"

GOOD_PROPOSAL: dict[str, Any] = {
    "show_popup": True,
    "reason": "7 items in the cart, a long stay and no checkout.",
    "confidence": 0.92,
    "delay_ms": 2000,
}
"""A good proposal without its pick, which a model takes from the ids that its prompt allows."""

SEVEN_FIELDS: dict[str, Any] = {
    **GOOD_PROPOSAL,
    "message": "40% off your 2nd item! Code FAKE40.",
    "category": "discount",
    "trigger": "items_in_cart",
}
"""What the original document's model answered: it words the popup itself, and invents an offer."""


@dataclass(frozen=True)
class Received:
    """One request as it was received."""

    path: str
    headers: dict[str, str]
    json: Any

    @property
    def prompt(self) -> str:
        return "\n".join(message["content"] for message in self.json["messages"])

    @property
    def data(self) -> dict[str, Any]:
        return data_of(self.json)


@dataclass(frozen=True)
class Answer:
    """What goes over the wire; `length` is a false Content-Length."""

    body: str
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None


def completion(content: str | None, finish_reason: str = "stop", **message: Any) -> str:
    """Return a model's text wrapped as Groq does it."""
    return json.dumps(
        {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "openai/gpt-oss-20b",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, **message},
                    "finish_reason": finish_reason,
                }
            ],
            "usage": {"prompt_tokens": 612, "completion_tokens": 84, "total_tokens": 696},
        }
    )


def data_of(request: Any) -> dict[str, Any]:
    """Return the session's data in a request's prompt, as a model reads it; {} if there is none."""
    parts = str(request["messages"][-1]["content"]).split("---")
    return dict(json.loads(parts[1])) if len(parts) == 3 else {}


def good_proposal(request: Any, **changes: Any) -> dict[str, Any]:
    """Return an answer that picks the first message that the prompt allows, or silence if it allows none."""
    data = data_of(request)
    may_say = data.get("may_say", ["help"])
    proposal = {**GOOD_PROPOSAL, "show_popup": bool(may_say), "pick": may_say[0] if may_say else "none"}
    if "language" in data:
        proposal["opening"] = ""
    return {**proposal, **changes}


def _with(**changes: Any) -> Answer:
    # json writes NaN and Infinity as a careless server does.
    return Answer(completion(json.dumps({**GOOD_PROPOSAL, "pick": "help", **changes})))


def _error(status: int, code: str, *headers: tuple[str, str], **more: str) -> Answer:
    return Answer(json.dumps({"error": {"message": code, "code": code, **more}}), status, headers=headers)


FAULTS: dict[str, Answer] = {
    "429": _error(429, "rate_limit_exceeded", ("retry-after", "30")),
    "413 for tokens": _error(413, "rate_limit_exceeded", ("retry-after", "7.66s")),
    "498": _error(498, "capacity_exceeded"),
    "408": _error(408, "request_timeout"),
    "no generation": _error(400, "json_validate_failed", failed_generation=""),
    "500": _error(500, "internal_server_error"),
    "401": _error(401, "invalid_api_key"),
    "redirect": Answer("", 307, headers=(("location", PATH),)),
    "cut": Answer(completion(json.dumps(GOOD_PROPOSAL))[:200], length=5000),
    "garbage": Answer("\x00\x07{]not json at all"),
    "prose": Answer(completion("Sure! I would show a popup, because the cart is full.")),
    "html": Answer("<!doctype html><title>Bad gateway</title>", content_type="text/html"),
    "1MB": Answer(completion("x" * (1 << 20))),
    "500 and 1MB": Answer("x" * (1 << 20), 500),
    "gzip": Answer("not even gzip", headers=(("content-encoding", "gzip"),)),
    "no choices": Answer(json.dumps({"choices": []})),
    "not an object": Answer("[1, 2, 3]"),
    "NaN": _with(confidence=float("nan")),
    "huge numbers": _with(confidence=10**400, delay_ms=10**400),
    "out of range": _with(confidence=1.5, delay_ms=-1),
    "refusal": Answer(completion(None, refusal="I cannot help with that.")),
    "length": Answer(completion("", finish_reason="length")),
    "wrong types": _with(show_popup="true", delay_ms="2000"),
    "markup": _with(pick="<b>Hurry!</b>"),
    "link": _with(pick="https://evil.example"),
    "unknown pick": _with(pick="everything-for-free"),
    "too long": _with(opening="help " * 40),
    "missing fields": Answer(completion('{"show_popup": true}')),
    "deep": Answer(completion("[" * 20_000)),
}
"""Modes that answer at once with something useless."""

SLOW = ("hang", "drip", "drip headers")
"""Modes whose answer never ends."""


class FakeGroq:
    """The server. Every attribute may be changed while it runs; `requests` holds all requests in their order."""

    def __init__(self, mode: str = "good", *, port: int = 0, delay_s: float = 0) -> None:
        """Modes: good, obedient, failed generation, seven fields, FAULTS and SLOW. `delay_s` precedes each answer."""
        self.mode = mode
        self.delay_s = delay_s
        self.decision: Any = None
        """What `good` answers; None: a good proposal among those that the prompt allows."""
        self.reply: Callable[[Any], str] = self._said
        """What `obedient` answers: the content, computed from the request's JSON."""
        self.requests: list[Received] = []
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler_for(self))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def calls(self) -> int:
        return len(self.requests)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        """Serve in this thread until interrupted."""
        self._server.serve_forever()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep for so long or until the server closes; return whether it closes."""
        return self._closing.wait(seconds)

    def _said(self, request: Any) -> str:
        return json.dumps(good_proposal(request) if self.decision is None else self.decision)

    def answer(self, request: Any) -> Answer:
        if self.mode == "good":
            return Answer(completion(self._said(request)))
        if self.mode == "obedient":
            return Answer(completion(self.reply(request)))
        if self.mode == "failed generation":
            return _error(400, "json_validate_failed", failed_generation=self._said(request))
        if self.mode == "seven fields":
            return Answer(completion(json.dumps(SEVEN_FIELDS)))
        return FAULTS[self.mode]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def _handler_for(fake: FakeGroq) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = json.loads(body)
            fake.requests.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, request))
            if self.path != PATH:
                self._send(_error(404, "unknown_url"))
                return
            mode = fake.mode
            fake.wait(fake.delay_s)
            if mode == "hang":
                fake.wait()
            elif mode in SLOW:
                self._drip(mode)
            else:
                self._send(fake.answer(request))

        def _send(self, answer: Answer) -> None:
            data = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(answer.length or len(data)))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            self._write(data)

        def _drip(self, mode: str) -> None:
            if mode == "drip":
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "100000")
                self.end_headers()
            else:
                self._write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not fake.wait(0.1) and self._write(b"x"):
                pass

        def _write(self, data: bytes) -> bool:
            try:
                self.wfile.write(data)
                self.wfile.flush()
            except OSError:  # the client closed the connection
                return False
            return True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(
        description="A server that speaks Groq's protocol, correctly or with a chosen fault."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=["good", "failed generation", "seven fields", *SLOW, *FAULTS], default="good")
    parser.add_argument("--delay", type=float, default=0, help="seconds before each answer")
    options = parser.parse_args()
    fake = FakeGroq(options.mode, port=options.port, delay_s=options.delay)
    print(fake.base_url, flush=True)
    try:
        fake.serve()
    except KeyboardInterrupt:
        print(f"{fake.calls} calls by {time.strftime('%H:%M:%S')}")


if __name__ == "__main__":
    main()
