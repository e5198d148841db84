"""Every limit in tracker/config.py is exact, and no body costs much more than its limit allows."""

from __future__ import annotations

import gzip
import json
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from testing.gunicorn_server import GunicornServer, strict_json
from testing.http_client import Client, statuses
from tests.integration.conftest import ADMIN_TOKEN, MakeApp
from tracker.config import SETTINGS
from tracker.ingest.events import MAX_NAME
from tracker.sessions.model import MAX_AHEAD_MS, MAX_INTEGER

SESSION = "session-at-the-limit"
OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
STEPS = pytest.mark.parametrize("step", [-1, 0, 1], ids=["limit-1", "limit", "limit+1"])
SHAPES = pytest.mark.parametrize("shape", ["snapshot", "envelope"])
DEFAULT = {name: default for name, (_, _, default) in SETTINGS.items()}
TS = 1712345678


def body_of(shape: str, **state: Any) -> dict[str, Any]:
    """Return a body of either shape; `times` becomes timeOnPage or timeonpage."""
    if "times" in state:
        state["timeonpage" if shape == "envelope" else "timeOnPage"] = state.pop("times")
    if shape == "snapshot":
        return {"session": SESSION, **state}
    return {"reason": "test", "ts": TS, "session": SESSION, "state": {"session": SESSION, **state}}


def post(client: FlaskClient, body: Any) -> tuple[int, Any]:
    reply = client.post("/ingest", data=body if isinstance(body, bytes) else json.dumps(body))
    return reply.status_code, reply.get_json()


def stored(client: FlaskClient) -> dict[str, Any]:
    record: dict[str, Any] = client.get(f"/sessions/{SESSION}", headers=OWNER).get_json()
    return record


def in_the_file(folder: Path) -> dict[str, Any]:
    """The record in the session file, with `merge`."""
    record: dict[str, Any] = strict_json((folder / "sessions.json").read_bytes())[SESSION]
    return record


def rejected(client: FlaskClient, body: Any) -> int:
    """Post a body that is valid but for its events and times; return how many of those were rejected."""
    status, answer = post(client, body)
    assert status == 200, answer
    count: int = answer.get("rejected", 0)
    return count


# --- bytes of a body ---


def padded(size: int) -> bytes:
    """A valid body of exactly this many bytes."""
    return json.dumps({"session": SESSION, "itemsInCart": 1}).encode().ljust(size)


def chunked(body: bytes) -> Iterator[bytes]:
    return (body[start : start + 65536] for start in range(0, len(body), 65536))


SENT: dict[str, Callable[[Client, bytes], int]] = {
    "as it is": lambda client, body: client.post("/ingest", body).status,
    "in chunks": lambda client, body: client.request("POST", "/ingest", chunked(body), chunked=True).status,
    "compressed": lambda client, body: client.post("/ingest", gzip.compress(body), {"Content-Encoding": "gzip"}).status,
    "compressed in chunks": lambda client, body: (
        client.request(
            "POST", "/ingest", chunked(gzip.compress(body)), {"Content-Encoding": "gzip"}, chunked=True
        ).status
    ),
    "as a question": lambda client, body: client.post("/askai", SESSION.encode().ljust(len(body)), {}).status,
}


@STEPS
@pytest.mark.parametrize("send", SENT.values(), ids=SENT)
def test_max_body_bytes_is_exact(server: GunicornServer, send: Callable[[Client, bytes], int], step: int) -> None:
    with server.client() as client:
        assert client.post("/ingest", padded(100)).status == 200
        assert send(client, padded(DEFAULT["MAX_BODY_BYTES"] + step)) == (413 if step > 0 else 200)
    with server.client() as client:
        assert client.post("/ingest", padded(100)).status == 200


# --- events ---


def event_of(size: int, ts: int, filler: str = "x") -> dict[str, Any]:
    """An event whose JSON has exactly this many bytes."""
    event = {"type": "view", "ts": ts, "text": ""}
    spare = size - len(orjson.dumps(event))
    filled, rest = divmod(spare, len(filler.encode()))
    event["text"] = filler * filled + "x" * rest
    assert len(orjson.dumps(event)) == size
    return event


@STEPS
@SHAPES
@pytest.mark.parametrize("filler", ["x", "é", "🛒"])
def test_max_event_bytes_is_exact(client: FlaskClient, shape: str, step: int, filler: str) -> None:
    milliseconds = TS * 1000
    event = event_of(DEFAULT["MAX_EVENT_BYTES"] + step, milliseconds, filler)
    if shape == "envelope":
        event["ts"] = TS
    assert rejected(client, body_of(shape, events={"/": [event]})) == (1 if step > 0 else 0)


@STEPS
@SHAPES
@pytest.mark.parametrize("kind", ["objects", "lists", "both in turn"])
@pytest.mark.parametrize("most", [6, DEFAULT["MAX_DEPTH"], 200])
def test_max_depth_is_exact(make_app: MakeApp, most: int, shape: str, step: int, kind: str) -> None:
    event: dict[str, Any] = {"type": "view", "ts": TS}
    body = body_of(shape, events={"/": [event]})
    inner: Any = "at the bottom"
    for level in range(most + step - depth(body)):
        inner = [inner] if kind == "lists" or (kind == "both in turn" and level % 2) else {"x": inner}
    event["x"] = inner
    assert depth(body) == most + step
    client = make_app(max_depth=most).test_client()
    assert rejected(client, body) == (1 if step > 0 else 0)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@STEPS
@SHAPES
@pytest.mark.parametrize("pages", [1, 7])
def test_max_body_events_is_exact(client: FlaskClient, shape: str, pages: int, step: int) -> None:
    count = DEFAULT["MAX_BODY_EVENTS"] + step
    events: dict[str, list[Any]] = {f"/{page}": [] for page in range(pages)}
    for number in range(count):
        events[f"/{number % pages}"].append({"type": "view", "ts": TS + number})
    status, answer = post(client, body_of(shape, events=events))
    assert status == (422 if step > 0 else 200)
    if step <= 0:
        assert "rejected" not in answer
        assert sum(map(len, stored(client)["events"].values())) == count


# --- pages ---


@STEPS
@SHAPES
@pytest.mark.parametrize("part", ["events", "times"])
def test_max_pages_of_a_body_is_exact(client: FlaskClient, shape: str, part: str, step: int) -> None:
    value: Any = [{"type": "view", "ts": TS}] if part == "events" else 1
    pages = {f"/{number}": value for number in range(DEFAULT["MAX_PAGES"] + step)}
    status, answer = post(client, body_of(shape, **{part: pages}))
    assert status == (422 if step > 0 else 200)
    if step > 0:
        assert "fields" in answer["error"]
    else:
        assert len(stored(client)["events" if part == "events" else "timeOnPage"]) == len(pages)


@STEPS
@SHAPES
def test_max_pages_of_a_session_is_exact(make_app: MakeApp, shape: str, step: int) -> None:
    client = make_app(max_pages=10).test_client()
    for number in range(10 + step):
        name, event = f"/{number:02d}", {"type": "view", "ts": TS + number}
        assert rejected(client, body_of(shape, events={name: [event]}, times={name: number + 1})) == 0
    names = [f"/{number:02d}" for number in range(10 + step)][-10:]
    record = stored(client)
    assert list(record["events"]) == names, "the pages with the newest events stay"
    assert list(record["timeOnPage"]) == names, "the pages read longest stay"


# --- a session ---


@STEPS
@SHAPES
def test_max_session_events_is_exact(make_app: MakeApp, tmp_path: Path, shape: str, step: int) -> None:
    client = make_app(max_session_events=20).test_client()
    for number in range(20 + step):
        rejected(client, body_of(shape, events={f"/{number % 3}": [{"type": "view", "ts": TS + number}]}))
    record = in_the_file(tmp_path)
    kept = sorted(event["ts"] for events in record["events"].values() for event in events)
    scale = 1000 if shape == "envelope" else 1
    assert kept == [(TS + number) * scale for number in range(20 + step)][-20:], "the newest stay"
    assert record["merge"].get("droppedEvents", 0) == max(step, 0)


@STEPS
def test_max_session_bytes_is_exact(make_app: MakeApp, tmp_path: Path, step: int) -> None:
    client = make_app(max_session_bytes=1000).test_client()
    sizes = [100] * 9 + [100 + step]
    for number, size in enumerate(sizes):
        rejected(client, body_of("snapshot", events={"/": [event_of(size, TS + number)]}))
    record = in_the_file(tmp_path)
    left = sizes[1:] if step > 0 else sizes
    assert [len(orjson.dumps(event)) for event in record["events"]["/"]] == left
    assert record["merge"]["eventBytes"] == sum(left)


# --- numbers ---

NUMBERS = [
    (-1, False),
    (0, True),
    (MAX_INTEGER - 1, True),
    (MAX_INTEGER, True),
    (MAX_INTEGER + 1, False),
    (2**63, False),
    (2**64, False),
    (2**64 + 1, False),
    (10**400, False),
]


@SHAPES
@pytest.mark.parametrize(("number", "is_taken"), NUMBERS)
def test_times_clocks_and_carts_lie_from_0_to_2_to_the_53(
    client: FlaskClient, shape: str, number: int, is_taken: bool
) -> None:
    # The parser refuses a number beyond the range of a double, with 400.
    refused = {400, 422}
    if number < 10**300:
        in_a_day = time.time_ns() // 1_000_000 + MAX_AHEAD_MS
        event = {"type": "view", "ts": number}
        for part, most in (({"events": {"/": [event]}}, in_a_day), ({"times": {"/": number}}, MAX_INTEGER)):
            assert rejected(client, body_of(shape, **part)) == (0 if is_taken and number <= most else 1)
    status, _ = post(client, body_of(shape, itemsInCart=number))
    assert status == 200 if is_taken else status in refused
    clock = "ts" if shape == "envelope" else "sentAt"
    status, _ = post(client, {**body_of(shape), clock: number})
    assert status == 200 if is_taken else status in refused


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [("7.0", True), ("-0.0", True), ("7.5", False), ("true", False), ('"7"', False), ("1e2", True)],
)
def test_a_cart_takes_any_spelling_of_a_whole_number(client: FlaskClient, text: str, is_taken: bool) -> None:
    status, _ = post(client, f'{{"session":"{SESSION}","itemsInCart":{text}}}'.encode())
    assert status == (200 if is_taken else 422)
    if is_taken:
        assert stored(client)["itemsInCart"] == float(text)
        assert isinstance(stored(client)["itemsInCart"], int)


@SHAPES
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("number", "is_taken"), NUMBERS[1:-1])
def test_numbers_in_an_event_lie_within_2_to_the_53(
    client: FlaskClient, shape: str, number: int, is_taken: bool, sign: int
) -> None:
    for value in (sign * number, [sign * number], {"x": [{"y": sign * number}]}):
        event = {"type": "view", "ts": TS, "n": value}
        assert rejected(client, body_of(shape, events={"/": [event]})) == (0 if is_taken else 1)


# --- texts ---


@SHAPES
@pytest.mark.parametrize(
    ("length", "is_taken"), [(0, False), (1, False), (7, False), (8, True), (64, True), (65, False)]
)
def test_a_session_id_has_8_to_64_characters(client: FlaskClient, shape: str, length: int, is_taken: bool) -> None:
    session = "s" * length
    body = {**body_of(shape), "session": session}
    assert post(client, body)[0] == (200 if is_taken else 422)
    if length:
        assert client.post("/askai", data=session).status_code == (200 if is_taken else 422)


@STEPS
@SHAPES
@pytest.mark.parametrize("letter", ["x", "é", "🛒"])
def test_a_page_name_has_at_most_max_name_characters(client: FlaskClient, shape: str, letter: str, step: int) -> None:
    name = letter * (MAX_NAME + step)
    for part in ({"events": {name: [{"type": "view", "ts": TS}]}}, {"times": {name: 1}}):
        assert rejected(client, body_of(shape, **part)) == (1 if step > 0 else 0)


@SHAPES
@pytest.mark.parametrize(("length", "is_taken"), [(0, False), (1, True), (63, True), (64, True), (65, False)])
def test_an_event_type_has_1_to_64_characters(client: FlaskClient, shape: str, length: int, is_taken: bool) -> None:
    event = {"type": "t" * length, "ts": TS}
    assert rejected(client, body_of(shape, events={"/": [event]})) == (0 if is_taken else 1)


@pytest.mark.parametrize(("limit", "status"), [(0, 422), (1, 200), (199, 200), (200, 200), (201, 422)])
def test_the_list_takes_a_limit_of_1_to_200(client: FlaskClient, limit: int, status: int) -> None:
    assert client.get(f"/sessions?limit={limit}", headers=OWNER).status_code == status


def test_every_limit_in_the_settings_has_a_test_here() -> None:
    limits = {name for name in SETTINGS if name.startswith("MAX_")}
    held = {"BODY_BYTES", "EVENT_BYTES", "DEPTH", "BODY_EVENTS", "PAGES", "SESSION_EVENTS", "SESSION_BYTES"}
    # The store is bounded behind the requests, and refuses none: see test_retention.py.
    assert limits == {f"MAX_{name}" for name in held} | {"MAX_STORE_BYTES"}


# --- I3: what a body may cost ---

TEN_MB = 10 << 20
BOMBS = {
    "zeros": gzip.compress(bytes(TEN_MB)),
    "white space": gzip.compress(b" " * TEN_MB),
    "a deep list": gzip.compress(b"[" * TEN_MB),
    "a good body and white space": gzip.compress(padded(TEN_MB)),
    "ten members of 1 MB": gzip.compress(bytes(1 << 20)) * 10,
    "empty members, 1 MiB of them": gzip.compress(b"") * ((1 << 20) // len(gzip.compress(b""))),
    "members of one byte": gzip.compress(b" ") * ((1 << 20) // len(gzip.compress(b" "))),
    "a header with a name of 1 MB": gzip.compress(b"{}")[:3] + b"\x08" + bytes(6) + b"n" * 1_040_000,
    "nested": gzip.compress(gzip.compress(gzip.compress(bytes(1 << 30 >> 4)))),
    "cut off": zlib.compressobj(9, wbits=31).compress(bytes(TEN_MB)),
}


@pytest.fixture(scope="module")
def lone_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    with GunicornServer(tmp_path_factory.mktemp("lone"), workers=1) as started:
        yield started


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_compression_bomb_costs_less_than_50_ms_of_cpu(lone_worker: GunicornServer, bomb: bytes) -> None:
    """CPU time of the worker, the least of five: load of other processes does not count."""
    costs = []
    with lone_worker.client() as client:
        for _ in range(5):
            before = lone_worker.workers_cpu_s()
            reply = client.post("/ingest", bomb, {"Content-Encoding": "gzip"})
            costs.append(lone_worker.workers_cpu_s() - before)
            assert reply.status in {400, 413}, reply
    assert min(costs) < 0.050, costs


HUNDRED_MB = 100_000_000
FLOODS = {
    "announced": f"Content-Length: {HUNDRED_MB}\r\n",
    "in chunks": "Transfer-Encoding: chunked\r\n",
    "announced as gzip": f"Content-Length: {HUNDRED_MB}\r\nContent-Encoding: gzip\r\n",
    "in chunks as gzip": "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
}


@pytest.mark.parametrize("headers", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("one_chunk", [False, True], ids=["many chunks", "one chunk"])
def test_a_body_of_100_mb_is_cut_off_and_memory_stays_flat(
    lone_worker: GunicornServer, headers: str, one_chunk: bool
) -> None:
    with lone_worker.client() as client:
        # From here on the worker has the memory that the largest valid body needs.
        client.post("/ingest", padded(DEFAULT["MAX_BODY_BYTES"]))
    before = lone_worker.workers_rss()
    peaks: list[int] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.01):
            peaks.append(lone_worker.workers_rss())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        sent, answer = flood(lone_worker.port, headers, one_chunk)
    finally:
        is_over.set()
        watcher.join()

    assert sent < HUNDRED_MB, "cut off, and not read to the end"
    assert statuses(answer) in ([413], []), "refused; a client that goes on sending may lose the answer to a reset"
    assert max(peaks) - before < 32 << 20
    with lone_worker.client() as client:
        assert client.post("/ingest", padded(100)).status == 200


def flood(port: int, headers: str, one_chunk: bool) -> tuple[int, bytes]:
    """Send 100 MB, or less if the connection ends. Return the bytes sent and the answer."""
    block = os.urandom(1 << 16)
    is_chunked = "chunked" in headers
    answer = bytearray()
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(f"POST /ingest HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        if is_chunked and one_chunk:
            line.sendall(b"%x\r\n" % HUNDRED_MB)
        part = b"%x\r\n%b\r\n" % (len(block), block) if is_chunked and not one_chunk else block
        try:
            while sent < HUNDRED_MB:
                line.sendall(part)
                sent += len(block)
            while received := line.recv(65536):
                answer += received
        except OSError:
            time.sleep(0.1)
            line.setblocking(False)
            try:
                while received := line.recv(65536):
                    answer += received
            except OSError:
                pass
    return sent, bytes(answer)
