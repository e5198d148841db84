"""A reload (SIGHUP) and an upgrade of the running service (SIGUSR2): nobody is refused, and nothing is lost."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.gunicorn_server import GunicornServer, children_of, wait_until
from tests.integration.conftest import StartServer

CLIENTS = 6


class Crowd:
    """Clients that post all the time, half of them on a new connection each time."""

    def __init__(self, server: GunicornServer) -> None:
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self._server = server
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(CLIENTS)]

    def _post(self, number: int) -> None:
        with self._server.client() as client:
            while not self._is_over.is_set():
                event = {"type": "view", "ts": 1712345678000 + self.answers.total(), "by": number}
                body = {"session": f"crowd-{number:04}", "events": {"/": [event]}}
                try:
                    self.answers[client.post("/ingest", body).status] += 1
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append(repr(error))
                if number % 2:
                    client.close()

    def wait_for(self, more: int) -> None:
        wanted = self.answers.total() + more
        wait_until(lambda: bool(self.failures) or self.answers.total() >= wanted, f"{more} more posts are answered")

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def renewed_workers(server: GunicornServer) -> Iterator[None]:
    """Wait after the block until two new workers serve in place of the old ones."""
    old = set(server.worker_pids())
    yield
    wait_until(
        lambda: len(server.worker_pids()) == 2 and not old & set(server.worker_pids()),
        "two new workers serve in place of the old ones",
    )


@pytest.mark.parametrize(
    "args", [(), pytest.param(("--preload",), marks=pytest.mark.thorough)], ids=["each worker loads", "preloaded"]
)
def test_reloads_under_load_refuse_nobody(start_server: StartServer, args: tuple[str, ...]) -> None:
    server = start_server(workers=2, args=args)
    with Crowd(server) as crowd:
        for _ in range(2):
            crowd.wait_for(20)
            with renewed_workers(server):
                os.kill(server.pid, signal.SIGHUP)
            crowd.wait_for(20)

    assert crowd.failures == []
    assert set(crowd.answers) == {200}


def test_a_reload_with_a_wrong_setting_is_told_and_the_settings_before_stay(start_server: StartServer) -> None:
    server = start_server(workers=2, settings="MAX_PAGES=7\n")
    env_file = server.folder / ".env"

    def answer_to_eight_pages() -> int:
        with server.client() as client:
            return client.post("/ingest", {"session": "eight-pages", "events": {f"/{n}": [] for n in range(8)}}).status

    assert answer_to_eight_pages() == 422
    env_file.write_text("MAX_PAGES=lots\n", "utf-8")
    with renewed_workers(server):
        os.kill(server.pid, signal.SIGHUP)
        assert {answer_to_eight_pages() for _ in range(20)} == {422}
    with renewed_workers(server):
        server.kill_workers()
    assert answer_to_eight_pages() == 422
    env_file.write_text("MAX_PAGES=8\n", "utf-8")
    os.kill(server.pid, signal.SIGHUP)
    wait_until(lambda: answer_to_eight_pages() == 200, "a sound file is taken up")

    assert "MAX_PAGES must be a whole number from 1 to 1000000, not 'lots' (.env line 1)." in server.log()


@contextlib.contextmanager
def ended(pid: int) -> Iterator[None]:
    """Stop the process when the block ends, and wait until it is gone."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the next master ends")


@pytest.mark.parametrize(
    "as_script", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["python -m gunicorn", "gunicorn"]
)
def test_an_upgrade_of_the_running_service_refuses_nobody(start_server: StartServer, as_script: bool) -> None:
    server = start_server(workers=1, as_script=as_script)
    old = server.pid
    with Crowd(server) as crowd:
        crowd.wait_for(20)
        before = set(server.worker_pids())
        os.kill(old, signal.SIGUSR2)
        wait_until(lambda: len(set(server.worker_pids()) - before) == 1, "the next master starts")
        (following,) = set(server.worker_pids()) - before
        with ended(following):
            wait_until(lambda: len(children_of(following)) == 1, "its worker is there", 60)
            crowd.wait_for(20)
            server.stop()
            crowd.wait_for(20)
            crowd.stop()

    assert crowd.failures == []
    assert set(crowd.answers) == {200}
