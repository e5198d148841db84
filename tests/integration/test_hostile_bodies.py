"""Proves I1 and I4 with a real Gunicorn: no body makes a 5xx, harms the next request, or leaves a mark in the file."""

from __future__ import annotations

import http.client
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from testing import hostile_bodies
from testing.gunicorn_server import GunicornServer
from testing.hostile_bodies import Hostile, Post, Raw
from testing.http_client import Client, send_raw, statuses
from tracker.sessions.model import MAX_INTEGER

CORPUS = hostile_bodies.named()
GENERATED = 2000
GOOD_SESSION = "the-good-session"
NOT_TO_BE_STORED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


@pytest.fixture(scope="module")
def storefront(server: GunicornServer) -> Iterator[Client]:
    """The well-behaved client, whose posts must succeed after each hostile one."""
    with server.client() as client:
        yield client


def send(server: GunicornServer, client: Client, hostile: Hostile) -> list[int]:
    """Give every status that was answered; none where the server hung up, as it may on what is no request."""
    if isinstance(hostile, Raw):
        return statuses(send_raw(server.port, hostile.data))
    try:
        return [client.post(hostile.path, hostile.body, hostile.headers).status]
    except (OSError, http.client.HTTPException):
        # Refused before all was sent: ask a connection of its own, which reads what came before the reset.
        head = f"POST {hostile.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hostile.body)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in hostile.headers.items())
        return statuses(send_raw(server.port, f"{head}{lines}\r\n".encode(), hostile.body))


def is_fine(name: str, given: list[int]) -> bool:
    # RFC 9112 section 6.1 asks for 501 where a transfer coding is unknown: Gunicorn's answer, before anything of ours.
    allowed = {501} if name.startswith("unknown transfer coding") or "chunked quoted" in name else set()
    return all(status < 500 or status in allowed for status in given)


def good_post(client: Client, number: int) -> int:
    event = {"type": "view", "ts": 1712345678901 + number}
    return client.post("/ingest", {"session": GOOD_SESSION, "events": {"/": [event]}}).status


def unclean(value: Any) -> Iterator[str]:
    """Name all in a value that I4 forbids in the file."""
    if isinstance(value, str):
        if NOT_TO_BE_STORED.search(value):
            yield f"text {value[:80]!r}"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from unclean(key)
            yield from unclean(one)
    elif isinstance(value, list):
        for one in value:
            yield from unclean(one)
    elif isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= MAX_INTEGER):
        yield f"number {value}"


def test_the_corpus_is_as_large_as_promised_and_repeats_nothing() -> None:
    every = [hostile for kind in CORPUS.values() for hostile in kind.values()]
    distinct = {
        (type(one).__name__, one.data if isinstance(one, Raw) else (one.path, one.body, *one.headers.items()))
        for one in every
    }
    assert len(distinct) >= 250
    assert set(CORPUS) >= {"framing", "encodings", "gzip", "depth", "numbers", "strings", "shapes", "session ids"}


@pytest.mark.parametrize("kind", CORPUS)
def test_no_hostile_request_makes_a_5xx_or_harms_the_next_one(
    server: GunicornServer, storefront: Client, kind: str
) -> None:
    faults: list[str] = []
    with server.client() as client:
        for number, (name, hostile) in enumerate(CORPUS[kind].items()):
            given = send(server, client, hostile)
            if not is_fine(name, given):
                faults.append(f"{name}: {given}")
            # Of a larger body Gunicorn reads no more than 64 KiB once it is refused: the reset can overtake the answer.
            if isinstance(hostile, Post) and not given and len(hostile.body) <= 1 << 20:
                faults.append(f"{name}: no answer")
            if good_post(storefront, number) != 200:
                faults.append(f"{name}: the next request failed")

    assert faults == []
    assert list(unclean(server.stored())) == []


def test_no_generated_body_makes_a_5xx_or_harms_the_next_one(server: GunicornServer, storefront: Client) -> None:
    faults: list[str] = []
    taken = 0
    with server.client() as client:
        for number, hostile in enumerate(hostile_bodies.generated(GENERATED, seed=2)):
            given = send(server, client, hostile)
            taken += given == [200]
            if not given or max(given) >= 500 or good_post(storefront, number) != 200:
                faults.append(f"number {number}: {given} {hostile!r:.300}")

    assert faults == []
    assert GENERATED // 20 < taken < GENERATED, "some are taken in, or this shows only that all are refused"
    assert list(unclean(server.stored())) == []


def test_after_all_that_the_server_is_the_same(server: GunicornServer) -> None:
    """No worker died, nothing unexpected was logged, and the file reads the same after a new start."""
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert [line for line in lines if line["level"] in {"ERROR", "CRITICAL"}] == []
    stored = server.stored()
    assert len(stored[GOOD_SESSION]["events"]["/"]) >= GENERATED
    server.restart()
    with server.client() as client:
        assert client.get("/health").json()["ok"] is True
    assert server.stored() == stored
