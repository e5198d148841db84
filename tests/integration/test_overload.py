"""O1 and O4: a flood fills no disk and hurts nobody else; more than the service can do is refused politely or waits."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from testing.gunicorn_server import GunicornServer, wait_until
from testing.http_client import Reply
from tests.integration.conftest import ADMIN_TOKEN, StartServer
from tracker.web.callers.limits import Bound

FLOOD, SHOPPER = {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "198.51.100.7"}
BOUND = 200_000


def report(session: str, name: str, filling: int = 0) -> dict[str, Any]:
    event = {"type": "click", "ts": 1_790_000_000_000, "name": name, "filling": "x" * filling}
    return {"session": session, "events": {"/": [event]}}


def test_a_flood_of_one_address_hurts_nobody_and_stays_within_the_bound_of_the_file(start_server: StartServer) -> None:
    env = {"RATE_LIMITS": "on", "TRUSTED_PROXIES": "1", "MAX_STORE_BYTES": str(BOUND), "ADMIN_TOKEN": ADMIN_TOKEN}
    server = start_server(workers=1, env=env)
    told: Counter[int] = Counter()
    begun = 0
    with server.client() as client:
        for number in range(Bound.SESSIONS.most + 30):
            told[client.post("/ingest", report(f"flood-{number:05}", "flood", 4000), FLOOD).status] += 1
            if number % 10 == 0:
                # The first shopper goes on with a visit, and another one begins.
                assert client.post("/ingest", report("shopper-first", f"{number}"), SHOPPER).status == 200
                assert client.post("/ingest", report(f"shopper-{number:04}", "begun"), SHOPPER).status == 200
                begun += 1
        wait_until(lambda: client.get("/healthz").status == 200 and server.storage.stat().st_size <= BOUND, "room")
        (notice,) = [one for one in client.get("/health").json()["notices"] if "MAX_STORE_BYTES" in one]
        figures = client.get("/report.json", {"Authorization": f"Bearer {ADMIN_TOKEN}"}).json()

    assert told == {200: Bound.SESSIONS.most, 429: 30}
    stored = server.stored()
    assert len(stored["shopper-first"]["events"]["/"]) == begun, "the oldest visit was heard of last"
    assert len(stored) < Bound.SESSIONS.most
    assert str(Bound.SESSIONS.most + begun + 1 - len(stored)) in notice
    assert figures["total"]["visits"] == Bound.SESSIONS.most + begun + 1, "the figures of what was deleted stay"


def crowd(server: GunicornServer, clients: int, posts: int) -> Counter[int]:
    """Let so many clients post at once; check what each was told, and that nothing acknowledged is missing."""
    saved: set[str] = set()

    def post(number: int) -> list[Reply]:
        replies = []
        for count in range(posts):
            name = f"{number}-{count}"
            # A connection for each, as of different shoppers.
            with server.client(timeout=120) as client:
                replies.append(client.post("/ingest", report(f"shopper-{number % 20:03}", name)))
            if replies[-1].status == 200:
                saved.add(name)
        return replies

    with ThreadPoolExecutor(clients) as pool:
        replies = [reply for posted in pool.map(post, range(clients)) for reply in posted]

    for reply in replies:
        assert reply.status in (200, 429, 503), reply.body
        assert reply.status == 200 or int(reply.headers["retry-after"]) >= 1
    events = [event for session in server.stored().values() for event in session["events"]["/"]]
    assert saved <= {event["name"] for event in events}
    with server.client() as client:
        assert client.get("/health").status == 200, "and then all is well"
    return Counter(reply.status for reply in replies)


def test_twice_as_many_posts_as_a_worker_takes_at_once_are_answered_and_none_is_lost(start_server: StartServer) -> None:
    server = start_server(workers=1, args=("--worker-connections", "20"))

    assert crowd(server, 40, 5)[200] > 0


@pytest.mark.thorough
def test_a_crowd_of_200_clients_at_two_workers_loses_nothing_and_each_session_has_its_bound(
    start_server: StartServer,
) -> None:
    server = start_server(workers=2, env={"RATE_LIMITS": "on"}, args=("--worker-connections", "50"))
    told = crowd(server, 200, 50)

    assert told[200] > 0
    assert told[429] > 0, "20 sessions cannot be reported 10,000 times in a minute"
