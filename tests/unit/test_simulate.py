"""Simulated shoppers: the same seed gives the same shoppers, and they send what a browser could send."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tracker.cli.simulate.command import simulate_command
from tracker.decisions.rehearsal.stage import FixedShop
from tracker.decisions.shop.shop import Shop
from tracker.demo.sender import run
from tracker.demo.shoppers import KINDS, Shopper, shoppers
from tracker.ingest.events import EventLimits
from tracker.ingest.schemas import IngestSchema
from tracker.storage.memory import MemoryStore

NOW = 1_800_000_000_000
DAY = 86_400_000


def people(seed: int = 1, count: int = 300) -> list[Shopper]:
    return list(shoppers(seed, count, NOW, DAY))


def test_the_same_seed_gives_the_same_shoppers() -> None:
    assert people() == people()
    assert people(2)[0].posts != people()[0].posts


def test_every_kind_of_shopper_appears_about_as_often_as_its_share() -> None:
    kinds = Counter(shopper.kind for shopper in people(count=2000))

    for kind, share in KINDS.items():
        assert share / 2 < kinds[kind] / 20 < share * 2


def test_the_service_takes_every_post_without_a_rejection() -> None:
    schema = IngestSchema(EventLimits(event_bytes=8192, depth=16, body_events=5000, pages=200))
    for shopper in people():
        for post in shopper.posts:
            if post.path == "/askai":
                assert json.loads(post.body)["session"] == shopper.session
                continue
            ingested = schema.load(json.loads(post.body))
            assert ingested.rejected.count == 0
            assert ingested.report.session == shopper.session
            assert ingested.report.example


def test_no_event_lies_in_the_future_and_the_clock_of_a_visit_never_runs_backwards() -> None:
    for shopper in people():
        times = [event["ts"] for body in bodies(shopper) for page in body["events"].values() for event in page]
        assert max(times) <= NOW
        assert min(times) >= NOW - DAY - 1_500_000
        assert [body["sentAt"] for body in bodies(shopper)] == sorted(body["sentAt"] for body in bodies(shopper))


def bodies(shopper: Shopper) -> list[dict[str, Any]]:
    return [json.loads(post.body) for post in shopper.posts if post.path == "/ingest"]


@pytest.mark.parametrize(
    ("kind", "event"),
    [("buyer", "checkout_completed"), ("hesitator", "add_to_cart"), ("browser", "view"), ("bouncer", "view")],
)
def test_each_kind_of_shopper_shows_its_typical_events(kind: str, event: str) -> None:
    for shopper in people():
        if shopper.kind == kind:
            assert any(f'"{event}"' in post.body for post in shopper.posts)
        if shopper.kind in {"bouncer", "browser"}:
            assert not any("add_to_cart" in post.body for post in shopper.posts)


def test_posts_to_a_service_that_is_not_running_are_counted_as_failed() -> None:
    done: list[int] = []
    outcome = run("http://127.0.0.1:9", people(count=5), 0, 2, lambda: done.append(1))

    assert len(done) == 5
    assert set(outcome.statuses) <= {"/ingest failed", "/askai failed"}


def simulate(*options: str, store: MemoryStore | None = None) -> Result:
    store = store or MemoryStore()
    command = simulate_command(store, FixedShop(Shop()))
    return CliRunner().invoke(command, list(options))


def test_nothing_is_sent_where_no_service_answers() -> None:
    answer = simulate("--url", "http://127.0.0.1:9", "--shoppers", "1")

    assert answer.exit_code == 1
    assert "No service answers at http://127.0.0.1:9: start it with" in answer.output


def test_the_port_of_the_service_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9")

    assert "http://127.0.0.1:9:" in simulate("--shoppers", "1").output


def test_a_service_on_another_machine_needs_the_option_anywhere() -> None:
    answer = simulate("--url", "https://shop-tracker.example", "--shoppers", "1")

    assert answer.exit_code == 2
    assert "--anywhere" in answer.output


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8000", "http://"])
def test_an_invalid_url_is_refused_and_the_option_named(url: str) -> None:
    answer = simulate("--url", url)

    assert answer.exit_code == 2
    assert "--url" in answer.output
