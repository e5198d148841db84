"""Many workers and many clients: no update is lost or stored twice, and no client waits without end."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from testing.fake_groq import FakeGroq
from testing.gunicorn_server import GunicornServer, wait_until
from testing.http_client import Client, Reply
from tests.conftest import gate_takes
from tests.integration.conftest import StartServer

WAYS_TO_LOAD = [("--preload",), ()]
CLIENTS = 8
SESSIONS = [f"session-of-the-crowd-{number}" for number in range(5)]


def envelope(session: str, event_id: str) -> str:
    """Return a body with an event that no other body holds and one millisecond on the page: both can be counted."""
    events = {"/": [{"type": "click", "ts": 1712345678, "id": event_id}]}
    state = {"session": session, "events": events, "timeonpage": {"/": 1}, "itemsInCart": 1}
    return json.dumps({"reason": "test", "ts": 1712345678, "session": session, "state": state})


def event_ids(server: GunicornServer) -> Counter[str]:
    stored = server.stored()
    return Counter(
        event["id"] for session in stored.values() for events in session["events"].values() for event in events
    )


def time_on_page(server: GunicornServer) -> int:
    return sum(sum(session["timeOnPage"].values()) for session in server.stored().values())


def in_parallel(work: Callable[[int], Any], clients: int = CLIENTS) -> list[Any]:
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(work, range(clients)))


# --- C1: no update is lost ---


@pytest.mark.parametrize("args", gate_takes(1, WAYS_TO_LOAD), ids=["preloaded", "each worker loads"])
def test_2000_posts_of_8_clients_to_4_workers_are_all_stored_once(
    start_server: StartServer, args: tuple[str, ...]
) -> None:
    server = start_server(workers=4, args=args)

    def post_250(number: int) -> Counter[str]:
        acknowledged: Counter[str] = Counter()
        with server.client() as client:
            for n in range(250):
                event_id = f"{number}-{n}"
                if client.post("/ingest", envelope(SESSIONS[n % 5], event_id)).status == 200:
                    acknowledged[event_id] += 1
        return acknowledged

    acknowledged = sum(in_parallel(post_250), Counter[str]())

    # Times are not compared: of 400 envelopes a session remembers 32, and all of these have the same second.
    assert acknowledged.total() == 2000, "no post was refused"
    assert event_ids(server) == acknowledged


# --- D1: kill -9 ---


def post_until_acknowledged(client: Client, body: str) -> bool:
    """Post the same body until an answer says that it is saved; return whether that took more than one try."""
    for attempt in range(500):
        try:
            if client.post("/ingest", body).status == 200:
                return attempt > 0
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)  # the worker was killed, and its answer with it, whether it had written or not
    raise AssertionError("500 tries in vain")


@pytest.mark.parametrize("rounds", [7, pytest.param(20, marks=pytest.mark.thorough)])
def test_rounds_of_killed_workers_lose_no_update_and_store_none_twice(start_server: StartServer, rounds: int) -> None:
    server = start_server(workers=4)
    chance = random.Random(20)
    is_over = threading.Event()
    answers: list[str] = []

    def keep_posting(number: int) -> tuple[Counter[str], int]:
        acknowledged: Counter[str] = Counter()
        repeated = 0
        with server.client() as client:
            while not is_over.is_set():
                event_id = f"{number}-{acknowledged.total()}"
                # Few bodies a session, so that each repeated envelope is among those that the session remembers.
                session = f"session-{number}-{acknowledged.total() // 20}"
                repeated += post_until_acknowledged(client, envelope(session, event_id))
                acknowledged[event_id] += 1
                answers.append(event_id)
        return acknowledged, repeated

    with ThreadPoolExecutor(CLIENTS) as pool:
        posting = [pool.submit(keep_posting, number) for number in range(CLIENTS)]
        try:
            for _ in range(rounds):
                enough = len(answers) + CLIENTS
                wait_until(
                    lambda: len(answers) >= enough and len(server.worker_pids()) == 4,  # noqa: B023
                    "all four workers are there and serve",
                )
                time.sleep(chance.uniform(0, 0.05))
                assert len(server.kill_workers()) == 4
        finally:
            is_over.set()
    results = [future.result() for future in posting]

    acknowledged = sum((count for count, _ in results), Counter[str]())
    assert acknowledged.total() >= rounds * CLIENTS
    assert sum(repeated for _, repeated in results) > 0, "no answer was lost, so this run shows little"
    assert event_ids(server) == acknowledged
    assert time_on_page(server) == acknowledged.total()
    server.restart()
    with server.client() as client:
        assert client.get("/health").status == 200
    assert event_ids(server) == acknowledged


# --- D6: a stop drains ---


def test_sigterm_with_50_requests_in_flight_answers_and_stores_all_of_them(start_server: StartServer) -> None:
    server = start_server(workers=4)
    lines: list[tuple[str, socket.socket, bytes]] = []
    for number in range(50):
        body = envelope(SESSIONS[number % 5], str(number)).encode()
        head = f"POST /ingest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        line = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        line.sendall(head.encode())
        lines.append((str(number), line, body))
    for _event_id, line, body in lines:
        # A worker answers this when it has begun with the request; then it waits for the body.
        assert line.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body[:40])

    log = server.log()
    stopped = threading.Thread(target=server.stop)
    stopped.start()
    wait_until(lambda: "Handling signal: term" in server.log().removeprefix(log), "the server knows that it shall stop")
    acknowledged = Counter(event_id for event_id, line, body in lines if finished(line, body[40:]) == 200)
    stopped.join()

    assert acknowledged.total() == 50
    assert event_ids(server) == acknowledged
    assert server.ended_by_itself
    assert "SIGKILL" not in server.log(), "Gunicorn had to kill a worker"


def test_sigterm_among_50_posting_clients_keeps_every_acknowledged_write(start_server: StartServer) -> None:
    server = start_server(workers=4)
    is_over = threading.Event()
    answers: list[str] = []

    def keep_posting(number: int) -> Counter[str]:
        acknowledged: Counter[str] = Counter()
        with server.client(timeout=60) as client:
            while not is_over.is_set():
                event_id = f"{number}-{acknowledged.total()}"
                try:
                    if client.post("/ingest", envelope(SESSIONS[number % 5], event_id)).status != 200:
                        break
                except (OSError, http.client.HTTPException):
                    break  # the server stopped before it took this one
                acknowledged[event_id] += 1
                answers.append(event_id)
        return acknowledged

    with ThreadPoolExecutor(50) as pool:
        posting = [pool.submit(keep_posting, number) for number in range(50)]
        wait_until(lambda: len(answers) > 200, "the crowd is at work")
        server.stop()
        is_over.set()
    acknowledged = sum((future.result() for future in posting), Counter[str]())

    stored = event_ids(server)
    assert acknowledged.total() > 50
    assert acknowledged - stored == Counter(), "acknowledged and lost"
    assert max(stored.values()) == 1
    assert server.ended_by_itself
    assert "SIGKILL" not in server.log(), "Gunicorn had to kill a worker"


def finished(line: socket.socket, rest: bytes) -> int:
    """Send the rest of a body; return the status of the answer, 0 where none comes."""
    with line:
        try:
            line.sendall(rest)
            answer = line.recv(65536)
        except OSError:
            return 0
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


# --- C2: a holder that is stopped ---

HOLDER = """
import fcntl, os, signal, sys
with open(sys.argv[1], "r+") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def stopped_holder() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Start processes that take the lock of a session file and are stopped (SIGSTOP) while they hold it."""
    holders: list[subprocess.Popen[str]] = []

    def hold(storage: Path) -> subprocess.Popen[str]:
        lock = storage.with_name(storage.name + ".lock")
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        state = Path(f"/proc/{holder.pid}/stat")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the holder is stopped")
        return holder

    yield hold
    for holder in holders:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize("args", gate_takes(1, WAYS_TO_LOAD), ids=["preloaded", "each worker loads"])
def test_while_a_stopped_process_holds_the_lock_posts_get_503_and_afterwards_200(
    start_server: StartServer, args: tuple[str, ...], stopped_holder: Callable[[Path], subprocess.Popen[str]]
) -> None:
    server = start_server(workers=2, args=args)
    with server.client() as client:
        assert client.post("/ingest", envelope(SESSIONS[0], "before")).status == 200
    holder = stopped_holder(server.storage)

    def post(number: int) -> Reply:
        # 2 s are promised; the rest is for a busy machine. A server that waits for the lock would never answer.
        with server.client(timeout=12) as client:
            return client.post("/ingest", envelope(SESSIONS[0], f"during-{number}"))

    for reply in in_parallel(post):
        assert (reply.status, reply.json()["error"]["code"]) == (503, "store_busy")
        assert int(reply.headers["retry-after"]) >= 1
    with server.client() as client:
        assert client.get("/health").status == 503, "health tells the truth"
        assert client.post("/askai", SESSIONS[0]).status == 200, "reading needs no lock"

    holder.send_signal(signal.SIGCONT)
    holder.wait(60)
    with server.client() as client:
        assert client.post("/ingest", envelope(SESSIONS[0], "after")).status == 200
        assert client.get("/health").status == 200
    assert event_ids(server) == Counter(["before", "after"])


# --- O5: a slow model ---


@pytest.mark.parametrize("args", gate_takes(1, WAYS_TO_LOAD), ids=["preloaded", "each worker loads"])
def test_posts_are_answered_while_every_question_to_the_model_hangs(
    start_server: StartServer, args: tuple[str, ...]
) -> None:
    with FakeGroq("hang") as groq:
        server = start_server(workers=1, args=args, env={"GROQ_API_KEY": "gsk_test", "GROQ_BASE_URL": groq.base_url})
        with server.client() as client:
            for number in range(20):
                # Something in the cart and a long stay: the model is asked, and about one session only once at a time.
                times = {"/cart": 90_000, "/": 9_000}
                client.post("/ingest", {"session": f"shopper-{number:02}", "itemsInCart": 7, "timeOnPage": times})

        def ask(number: int) -> Reply:
            with server.client() as client:
                return client.post("/askai", f"shopper-{number:02}")

        with ThreadPoolExecutor(20) as pool:
            asking = [pool.submit(ask, number) for number in range(20)]
            wait_until(lambda: groq.calls >= 16, "as many questions as may hang are with the model")
            posted, while_all_hung = [], 0
            with server.client() as client:
                for number in range(100):
                    posted.append(client.post("/ingest", envelope(SESSIONS[1], str(number))).status)
                    # A question hangs for 5 s. A quiet machine answers all posts in that time, a busy one some of them.
                    while_all_hung += sum(not future.done() for future in asking) >= 16
        answers = [future.result() for future in asking]

    assert posted == [200] * 100
    assert while_all_hung >= 10, "the posts waited for the questions"
    assert [answer.status for answer in answers] == [200] * 20
    assert {answer.json()["source"] for answer in answers} == {"rules"}
    assert groq.calls == 16
