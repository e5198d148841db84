"""With a real Gunicorn: no body causes a 5xx, harms the next request, or brings unclean text into the file."""

from __future__ import annotations

import http.client
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from testing.gunicorn_server import GunicornServer
from testing.hostile import hostile_bodies
from testing.hostile.hostile_bodies import Hostile, Post, Raw
from testing.http_client import Client, send_raw, statuses
from tests.conftest import PROFILE
from tracker.sessions.model import MAX_INTEGER

CORPUS = hostile_bodies.named()
GENERATED = 5000 if PROFILE == "thorough" else 800
GOOD_SESSION = "the-good-session"
NOT_TO_BE_STORED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


@pytest.fixture(scope="module")
def storefront(server: GunicornServer) -> Iterator[Client]:
    """A well-behaved client, whose posts must succeed after each hostile one."""
    with server.client() as client:
        yield client


def send(server: GunicornServer, client: Client, hostile: Hostile) -> list[int]:
    """Return every status answered; none if the server hung up, as it may on bytes that are no request."""
    if isinstance(hostile, Raw):
        return statuses(send_raw(server.port, hostile.data))
    try:
        return [client.post(hostile.path, hostile.body, hostile.headers).status]
    except (OSError, http.client.HTTPException):
        # Refused before all was sent. Send it again on a new connection, which reads the answer before the reset.
        head = f"POST {hostile.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hostile.body)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in hostile.headers.items())
        return statuses(send_raw(server.port, f"{head}{lines}\r\n".encode(), hostile.body))


def is_allowed(name: str, given: list[int]) -> bool:
    # RFC 9112 section 6.1 asks for 501 where a transfer coding is unknown; Gunicorn answers it before our code runs.
    allowed = {501} if name.startswith("unknown transfer coding") or "chunked quoted" in name else set()
    return all(status < 500 or status in allowed for status in given)


def good_post(client: Client, number: int) -> int:
    event = {"type": "view", "ts": 1712345678901 + number}
    return client.post("/ingest", {"session": GOOD_SESSION, "events": {"/": [event]}}).status


def unclean(value: Any) -> Iterator[str]:
    """Yield every text and number in a value that must not be stored (design.md, I4)."""
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


def test_the_corpus_has_at_least_250_distinct_requests() -> None:
    every = [hostile for kind in CORPUS.values() for hostile in kind.values()]
    distinct = {
        (type(one).__name__, one.data if isinstance(one, Raw) else (one.path, one.body, *one.headers.items()))
        for one in every
    }
    assert len(distinct) >= 250
    assert set(CORPUS) >= {"framing", "encodings", "gzip", "depth", "numbers", "strings", "shapes", "session ids"}


@pytest.mark.parametrize("kind", CORPUS)
def test_no_hostile_request_causes_a_5xx_or_harms_the_next_one(
    server: GunicornServer, storefront: Client, kind: str
) -> None:
    faults: list[str] = []
    with server.client() as client:
        for number, (name, hostile) in enumerate(CORPUS[kind].items()):
            given = send(server, client, hostile)
            if not is_allowed(name, given):
                faults.append(f"{name}: {given}")
            # Gunicorn reads at most 64 KiB more of a larger body after refusing it, so a reset can overtake the answer.
            if isinstance(hostile, Post) and not given and len(hostile.body) <= 1 << 20:
                faults.append(f"{name}: no answer")
            if good_post(storefront, number) != 200:
                faults.append(f"{name}: the next request failed")

    assert faults == []
    assert list(unclean(server.stored())) == []


def test_no_generated_body_causes_a_5xx_or_harms_the_next_one(server: GunicornServer, storefront: Client) -> None:
    faults: list[str] = []
    taken = 0
    with server.client() as client:
        for number, hostile in enumerate(hostile_bodies.generated(GENERATED, seed=2)):
            given = send(server, client, hostile)
            taken += given == [200]
            if not given or max(given) >= 500 or good_post(storefront, number) != 200:
                faults.append(f"number {number}: {given} {hostile!r:.300}")

    assert faults == []
    assert GENERATED // 20 < taken < GENERATED, "some must be accepted, else this shows only that all are refused"
    assert list(unclean(server.stored())) == []


def test_afterwards_no_error_is_logged_and_the_file_reads_the_same_after_a_restart(server: GunicornServer) -> None:
    """No worker died and no error was logged."""
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert [line for line in lines if line["level"] in {"ERROR", "CRITICAL"}] == []
    stored = server.stored()
    assert len(stored[GOOD_SESSION]["events"]["/"]) >= GENERATED
    server.restart()
    with server.client() as client:
        assert client.get("/health").json()["ok"] is True
    assert server.stored() == stored
