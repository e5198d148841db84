"""O3: clients that send a part and then nothing, drip, or never read take nothing from anybody else."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from testing.gunicorn_server import GunicornServer
from testing.http_client import statuses
from testing.slow_clients import KINDS, SlowClients, allow_descriptors
from tests.integration.conftest import StartServer

PATIENT = {"REQUEST_TIMEOUT": "600", "SEND_TIMEOUT": "600"}
"""Longer than any test: what is answered here did not wait for a deadline to end the others."""


def good_posts(server: GunicornServer, count: int) -> float:
    """Post so often, each on a connection of its own; return the median of the seconds that it took."""
    took = []
    for number in range(count):
        began = time.monotonic()
        with server.client(timeout=30) as client:
            assert client.post("/ingest", {"session": f"good-{number:04}", "itemsInCart": 1}).status == 200
        took.append(time.monotonic() - began)
    return statistics.median(took)


def test_200_clients_that_stall_in_every_way_hold_up_no_post(start_server: StartServer) -> None:
    server = start_server(workers=1, env=PATIENT)
    with SlowClients(server.port, 200) as slow:
        for _ in range(3):
            slow.drip()
            good_posts(server, 10)
        with server.client() as client:
            assert client.get("/health").status == 200
    assert len(server.stored()) >= 10


def test_more_clients_that_stall_than_a_worker_takes_hold_up_no_post(start_server: StartServer) -> None:
    """The one that keeps it waiting longest makes room for the next."""
    server = start_server(workers=1, env=PATIENT, args=("--worker-connections", "20"))
    for kind in KINDS:
        with SlowClients(server.port, 40, kind):
            good_posts(server, 3)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    times = {"REQUEST_TIMEOUT": "1", "SEND_TIMEOUT": "1"}
    with GunicornServer(tmp_path_factory.mktemp("impatient"), workers=1, env=times, args=("--keep-alive", "1")) as one:
        yield one


@pytest.mark.parametrize("drips", [False, True], ids=["then silence", "then a byte now and then"])
def test_every_request_ends_at_its_deadline_with_an_answer_in_the_one_shape(
    impatient: GunicornServer, drips: bool
) -> None:
    give_up = time.monotonic() + 60
    with SlowClients(impatient.port, len(KINDS)) as slow:
        answers = slow.answers(drips=drips, until=lambda: time.monotonic() > give_up)
    for kind, answer in zip(KINDS, answers, strict=True):
        assert answer is not None, f"the connection stayed open: {kind}"
        check_answer(kind, answer, drips)


def check_answer(kind: str, answer: bytes, drips: bool) -> None:
    if kind == "silent" and not drips:
        assert answer == b""
    elif kind == "reads no answer":
        assert set(statuses(answer)) <= {200, 400, 408}
    else:
        expected = {"too large, and unread": {413}, "unknown address, unread body": {404}, "silent": {400, 408}}
        got = [status for status in statuses(answer) if status != 100]
        assert set(got) <= expected.get(kind, {400, 408})
        if got:
            assert b'{"ok":false,"error":{"code":"' in answer
            assert b"Connection: close" in answer


def test_a_body_that_stalls_is_answered_with_408(impatient: GunicornServer) -> None:
    give_up = time.monotonic() + 30
    with SlowClients(impatient.port, 2, "half the body", "half the headers") as slow:
        answers = slow.answers(drips=False, until=lambda: time.monotonic() > give_up)
    for answer in answers:
        assert answer is not None
        assert statuses(answer) == [408]
        assert b'"code":"request_timeout"' in answer


@pytest.mark.thorough
@pytest.mark.parametrize("open_files", [None, 1024])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_2000_clients_that_stall_hold_up_no_post(
    start_server: StartServer, open_files: int | None, workers: int, kind: str | None
) -> None:
    if not allow_descriptors(4096):
        pytest.skip("this system allows fewer than 4,096 descriptors; raise `ulimit -Hn`")
    server = start_server(workers=workers, env=PATIENT, open_files=open_files)
    pids = server.worker_pids()
    with SlowClients(server.port, 2000, *([kind] if kind else [])) as slow:
        slow.drip()
        print(f"median of good posts: {good_posts(server, 50):.3f} s")
        with server.client() as client:
            assert client.get("/health").status == 200
    assert server.worker_pids() == pids, "a worker ended"
