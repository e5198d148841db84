"""A database that is killed under load: what several instances of the service answer meanwhile, and what is lost."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from threading import Event

from testing.gunicorn_server import GunicornServer, wait_until
from testing.postgres_server import PostgresServer
from tracker.storage import open_store

CLIENTS = 8


@dataclass
class Outage:
    """What happened."""

    acknowledged: set[str] = field(default_factory=set)
    """The events of reports that were answered with 200."""
    refused: Counter[str] = field(default_factory=Counter)
    """Answers of 503, by their Retry-After."""
    other: list[bytes] = field(default_factory=list)
    """The bodies of any other answers."""
    took_s: list[float] = field(default_factory=list)
    """How long each answer took."""
    ready_s: list[float] = field(default_factory=list)
    """How long it took from the start of the server until it took connections, after each kill."""
    back_s: list[float] = field(default_factory=list)
    """The same until a report was stored."""
    lost: set[str] = field(default_factory=set)
    """Events that were acknowledged and are not stored."""
    doubled: set[str] = field(default_factory=set)
    """Events that are stored more than once."""


def report(session: str, event: str) -> str:
    """Return the body of a report with one click."""
    click = {"type": "click", "ts": 1_790_000_000_000, "id": event}
    return json.dumps({"session": session, "itemsInCart": 1, "events": {"/": [click]}})


def kill_under_load(instances: list[GunicornServer], server: PostgresServer, url: str, kills: int) -> Outage:
    """Report with eight clients while the server is killed and started again, so many times."""
    outage, is_over = Outage(), Event()

    def shop(client_number: int) -> None:
        with instances[client_number % len(instances)].client() as client:
            for number in count():
                if is_over.is_set():
                    return
                event = f"killed-{client_number}-{number}"
                began = time.monotonic()
                answer = client.post("/ingest", report(f"shopper-{number % 20:04}", event))
                outage.took_s.append(time.monotonic() - began)
                if answer.status == 200:
                    outage.acknowledged.add(event)
                elif answer.status == 503:
                    outage.refused[answer.headers["retry-after"]] += 1
                else:
                    outage.other.append(answer.body)

    def wrote(more: int) -> Callable[[], bool]:
        before = len(outage.acknowledged)
        return lambda: len(outage.acknowledged) >= before + more

    with ThreadPoolExecutor(CLIENTS) as pool:
        shopping = [pool.submit(shop, number) for number in range(CLIENTS)]
        try:
            for _ in range(kills):
                wait_until(wrote(30), "reports are stored")
                before = outage.refused.total()
                server.kill()
                wait_until(lambda before=before: outage.refused.total() > before, "reports are refused")  # type: ignore[misc]
                began, is_back = time.monotonic(), wrote(1)
                server.start()
                outage.ready_s.append(time.monotonic() - began)
                wait_until(is_back, "reports are stored again")
                outage.back_s.append(time.monotonic() - began)
            wait_until(wrote(30), "reports are stored again")
        finally:
            is_over.set()
            if not server.is_running:
                server.start()
    for one in shopping:
        one.result()
    stored = events_in(url)
    outage.lost = outage.acknowledged - stored.keys()
    outage.doubled = {event for event, times in stored.items() if times > 1}
    return outage


def events_in(url: str) -> Counter[str]:
    """Return how often each event is stored."""
    store = open_store(url)
    try:
        return Counter(event["id"] for one in store.iterate() for _page, event in one.all_events())
    finally:
        store.close()
