"""Clocks that are wrong, over HTTP: a browser of the far future cannot put a session out of reach."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.integration.conftest import ADMIN_TOKEN, MakeApp

ANNA = "anna-0001"
FAR = 2**53
DAY = 86_400_000


def now() -> int:
    return time.time_ns() // 1_000_000


def report(client: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/ingest", json={"session": ANNA, **body})
    assert answer.status_code == 200
    result: dict[str, Any] = answer.get_json()
    return result


def stored(client: FlaskClient) -> dict[str, Any]:
    answer = client.get(f"/sessions/{ANNA}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    record: dict[str, Any] = answer.get_json()
    return record


def test_events_of_the_far_future_are_left_out_and_counted(client: FlaskClient) -> None:
    events = [{"type": "click", "ts": ts} for ts in (now(), now() + 2 * DAY, FAR)]
    answer = report(client, events={"/": events})

    assert (answer["saved"], answer["rejected"]) == (True, 2)
    assert {one["reason"] for one in answer["reasons"]} == {"ts is more than a day ahead of the service's clock"}
    assert stored(client)["events"] == {"/": events[:1]}


def test_after_a_flood_of_far_future_events_a_real_one_is_kept(make_app: MakeApp) -> None:
    client = make_app(max_session_events=50).test_client()
    report(client, events={"/": [{"type": "click", "ts": FAR - n} for n in range(51)]})
    real = {"type": "click", "ts": now()}

    assert "rejected" not in report(client, events={"/cart": [real]})
    assert stored(client)["events"] == {"/cart": [real]}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_far_future_clock_does_not_freeze_the_cart(client: FlaskClient, is_first: bool) -> None:
    if not is_first:
        report(client, itemsInCart=1, sentAt=now())
    report(client, itemsInCart=0, sentAt=FAR)
    report(client, itemsInCart=2, sentAt=now() + 1)

    assert stored(client)["itemsInCart"] == 2


def test_an_envelope_of_the_far_future_adds_its_time_once(client: FlaskClient) -> None:
    state = {"itemsInCart": 1, "timeonpage": {"/": 500}, "events": {"/": [{"type": "click", "ts": 2**40}]}}
    for _ in range(3):
        body = {"reason": "interval", "ts": 2**40, "session": ANNA, "state": state}
        assert client.post("/events", json=body).status_code == 200

    assert stored(client)["timeOnPage"] == {"/": 500}


def test_the_total_of_the_longest_times_stays_exact_in_javascript(client: FlaskClient) -> None:
    report(client, timeOnPage={f"/{n}": FAR for n in range(200)})

    (line,) = client.get("/sessions", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).get_json()["sessions"]
    assert line["timeMs"] == FAR


def test_an_empty_post_to_a_service_with_smaller_limits_removes_nothing(make_app: MakeApp) -> None:
    large, small = make_app().test_client(), make_app(max_session_events=10).test_client()
    events = [{"type": "click", "ts": 1_700_000_000_000 + n} for n in range(1_000)]
    report(large, events={"/": events})
    report(small)
    report(small, itemsInCart=1)

    assert len(stored(large)["events"]["/"]) == 1_000
