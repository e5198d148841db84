"""GET /metrics: numbers of the whole service, for the owner's Prometheus, and nothing of any shopper."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from testing.gunicorn_server import GunicornServer, wait_until
from tests.integration.conftest import ADMIN_TOKEN, MakeApp

OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
SHOP = "https://shop.example"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Return every value by its name and labels. Raises ValueError for a text that Prometheus would not read."""
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for found in families for one in found.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def rise(client: FlaskClient, act: Callable[[], object]) -> Callable[..., float]:
    """Return by how much a value rose in the meantime: the tests of a process count together."""

    def now() -> Samples:
        return samples(client.get("/metrics", headers=OWNER).get_data(as_text=True))

    before = now()
    act()
    after = now()
    return lambda name, **labels: value(after, name, **labels) - value(before, name, **labels)


def test_requests_decisions_refusals_and_faulty_events_are_counted(make_app: MakeApp) -> None:
    client = make_app(allowed_origins=(SHOP,)).test_client()

    def act() -> None:
        client.post("/ingest", json={"session": "visit-0001", "events": {"/": [{"type": "view", "ts": 1}, {"ts": 2}]}})
        client.post("/ingest", json={"session": "visit-0001"}, headers={"Origin": "https://evil.example"})
        client.post("/askai", data="visit-0001")
        client.open("/visit-0001", method="ANYTHING")

    rose = rise(client, act)
    assert rose("tracker_requests_total", method="POST", route="/ingest", status="200") == 1
    assert rose("tracker_requests_total", method="POST", route="/ingest", status="403") == 1
    assert rose("tracker_requests_total", method="-", route="-", status="404") == 1
    assert rose("tracker_request_seconds_count", route="/ingest") == 2
    assert rose("tracker_request_seconds_bucket", route="/ingest", le="+Inf") == 2
    assert rose("tracker_rejected_total") == 1
    assert rose("tracker_refused_origins_total") == 1
    assert rose("tracker_decisions_total", source="gate", message="") == 1
    assert rose("tracker_store_queue_seconds_count") == 2
    assert rose("tracker_store_flush_seconds_count") >= 1
    assert rose("tracker_store_sessions") == 1


def test_limits_that_are_hit_are_counted_by_their_bound(make_app: MakeApp) -> None:
    owner, stranger = make_app().test_client(), make_app(rate_limits=True).test_client()

    def guess() -> None:
        for _ in range(12):
            stranger.get("/sessions", headers={"Authorization": "Bearer wrong"})

    assert rise(owner, guess)("tracker_limits_hit_total", bound="wrong_tokens") == 2


def test_only_the_owner_reads_them_also_on_this_machine(make_app: MakeApp) -> None:
    assert make_app().test_client().get("/metrics").status_code == 401
    assert make_app(admin_token="").test_client().get("/metrics", headers=OWNER).status_code == 403


def test_a_store_that_fails_is_told_in_a_number(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "sessions.json").mkdir()
    found = samples(make_app().test_client().get("/metrics", headers=OWNER).get_data(as_text=True))

    assert value(found, "tracker_store_ok") == 0
    assert not [name for name, _ in found if name == "tracker_store_sessions"]


@pytest.mark.parametrize(
    "args", [(), pytest.param(("--preload",), marks=pytest.mark.thorough)], ids=["usual", "preload"]
)
def test_two_workers_count_together_and_no_counter_goes_back_when_they_are_replaced(
    tmp_path: Path, args: tuple[str, ...]
) -> None:
    with GunicornServer(tmp_path, env={"ADMIN_TOKEN": ADMIN_TOKEN}, args=args) as server:

        def scrape() -> Samples:
            with server.client() as client:  # a connection of its own: any worker may answer it
                reply = client.get("/metrics", OWNER)
            assert reply.status == 200, reply.body
            text = reply.body.decode()
            assert "visit-" not in text
            assert "127.0.0.1" not in text
            return samples(text)

        def saved() -> float:
            return value(scrape(), "tracker_requests_total", method="POST", route="/ingest", status="200")

        def post(first: int) -> None:
            for number in range(first, first + 20):
                with server.client() as client:
                    assert client.post("/ingest", {"session": f"visit-{number:05}"}).status == 200

        post(0)
        # A worker publishes every second what the other one may be asked for.
        wait_until(lambda: saved() == 20, "the other worker has published what it counted")
        assert value(scrape(), "tracker_store_sessions") == 20
        before = scrape()

        (first, second) = server.worker_pids()
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: first not in server.worker_pids() and len(server.worker_pids()) == 2, "it is replaced")
        post(20)
        os.kill(second, signal.SIGTERM)
        wait_until(lambda: second not in server.worker_pids() and len(server.worker_pids()) == 2, "it is replaced")
        wait_until(lambda: saved() == 40, "what those counted that are gone is kept")
        server.kill_workers()
        wait_until(lambda: len(server.worker_pids()) == 2, "they are replaced")
        after = scrape()
        fell = [one for one, number in before.items() if one[0].endswith(("_total", "_count")) and after[one] < number]
        assert fell == []
        assert saved() == 40, "a worker that is killed has published all that was seen"
