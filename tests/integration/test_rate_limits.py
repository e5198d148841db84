"""I3, O1 and O2: what one address and one session may do in a minute, and that nobody else feels it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from testing.gunicorn_server import GunicornServer
from tests.integration.conftest import ADMIN_TOKEN, MakeApp, StartServer
from tracker.metrics.counts import counted
from tracker.web.callers.limits import DAY_S, MINUTE_S, MOST_KEYS, Bound, Limits

UNCOUNTED = "tracker_limits_uncounted"
ONE, OTHER = "203.0.113.9", "198.51.100.7"
PROXIED = {"trusted_proxies": 1, "rate_limits": True}


@pytest.fixture
def bounded(make_app: MakeApp) -> FlaskClient:
    return make_app(**PROXIED).test_client()


def report(client: FlaskClient, session: str, address: str = ONE, **more: Any) -> TestResponse:
    return client.post("/ingest", json={"session": session, **more}, headers={"X-Forwarded-For": address})


def assert_refused(reply: TestResponse) -> None:
    assert reply.status_code == 429
    assert reply.get_json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(reply.headers["Retry-After"]) <= MINUTE_S


def test_an_address_may_begin_a_number_of_sessions_and_others_are_unhurt(bounded: FlaskClient) -> None:
    for number in range(Bound.SESSIONS.most):
        assert report(bounded, f"session-{number:04}").status_code == 200

    assert_refused(report(bounded, "one-too-many"))
    assert report(bounded, "session-0001", itemsInCart=2).status_code == 200, "known sessions go on"
    assert report(bounded, "of-another", OTHER).status_code == 200
    stored = bounded.get("/sessions/one-too-many", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert stored.status_code == 404


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "Client-IP"])
def test_no_header_of_a_client_changes_its_address(make_app: MakeApp, header: str) -> None:
    client = make_app(rate_limits=True).test_client()
    for number in range(Bound.SESSIONS.most):
        client.post("/ingest", json={"session": f"session-{number:04}"}, headers={header: f"203.0.113.{number}"})

    assert_refused(client.post("/ingest", json={"session": "one-too-many"}, headers={header: "198.51.100.1"}))


def test_behind_a_proxy_only_the_address_that_it_wrote_counts(bounded: FlaskClient) -> None:
    for number in range(Bound.SESSIONS.most):
        report(bounded, f"session-{number:04}", f"198.51.100.{number}, {ONE}")

    assert_refused(report(bounded, "one-too-many", f"192.0.2.1, {ONE}"))


def test_all_addresses_of_one_ipv6_network_count_as_one(bounded: FlaskClient) -> None:
    for number in range(Bound.SESSIONS.most):
        report(bounded, f"session-{number:04}", f"2001:db8:1:2::{number:x}")

    assert_refused(report(bounded, "one-too-many", "2001:db8:1:2:ffff::1"))
    assert report(bounded, "of-another", "2001:db8:1:3::1").status_code == 200


def test_small_reports_to_one_session_are_bounded_whatever_their_addresses(bounded: FlaskClient) -> None:
    for number in range(Bound.REPORTS.most):
        assert report(bounded, "large-session", f"198.51.100.{number}", itemsInCart=number).status_code == 200

    assert_refused(report(bounded, "large-session", OTHER, itemsInCart=7))
    assert report(bounded, "another-session", OTHER).status_code == 200


def test_small_reports_to_large_sessions_amplify_nothing(make_app: MakeApp) -> None:
    app = make_app(**PROXIED)
    client, other = app.test_client(), [{"type": "click", "ts": 1, "n": n, "x": "x" * 8000} for n in range(60)]
    for session in ("large-session", "small-session"):
        assert report(client, session, events={"/": other} if session.startswith("large") else {}).status_code == 200
    with app.test_request_context(environ_base={"REMOTE_ADDR": ONE}):
        app.extensions["limits"].add(Bound.WRITTEN, Bound.WRITTEN.most - 1_200_000)
    for number in range(10):
        assert report(client, "small-session", itemsInCart=number, sentAt=number).status_code == 200
        assert report(client, "large-session").status_code == 200, "what changes nothing writes nothing"
    told = [report(client, "large-session", itemsInCart=number, sentAt=number).status_code for number in range(4)]

    assert told == [200, 200, 429, 429], "half a MB is written for each"
    assert report(client, "large-session", OTHER, itemsInCart=9, sentAt=9).status_code == 200


def test_the_bytes_of_an_address_are_bounded_as_they_are_after_decompression(bounded: FlaskClient) -> None:
    large = json.dumps({"session": "large-session"}).ljust(1 << 20)
    for _ in range(Bound.BYTES.most // len(large) + 1):
        bounded.post("/ingest", data=large, headers={"X-Forwarded-For": ONE})

    assert_refused(report(bounded, "large-session"))
    assert report(bounded, "of-another", OTHER).status_code == 200


def test_questions_of_an_address_are_bounded(bounded: FlaskClient) -> None:
    asked = {"data": "nobody-knows-me", "headers": {"X-Forwarded-For": ONE}}
    for _ in range(Bound.QUESTIONS.most):
        assert bounded.post("/askai", **asked).status_code == 404

    assert_refused(bounded.post("/askai", **asked))


def test_wrong_tokens_of_an_address_are_bounded_and_the_right_one_waits_too(bounded: FlaskClient) -> None:
    def ask(token: str, address: str = ONE) -> TestResponse:
        return bounded.get("/sessions", headers={"Authorization": f"Bearer {token}", "X-Forwarded-For": address})

    for _ in range(Bound.WRONG_TOKENS.most):
        assert ask("wrong").status_code == 401
    assert_refused(ask("wrong"))
    assert_refused(ask(ADMIN_TOKEN))
    assert ask(ADMIN_TOKEN, OTHER).status_code == 200


def test_rate_limits_off_bounds_nobody(make_app: MakeApp) -> None:
    client = make_app(rate_limits=False).test_client()
    for number in range(Bound.SESSIONS.most + 5):
        assert client.post("/ingest", json={"session": f"session-{number:04}"}).status_code == 200


def test_a_limit_that_is_reached_behind_an_unknown_proxy_is_told_once_without_an_address(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app(rate_limits=True).test_client()
    logging.getLogger().addHandler(caplog.handler)
    for number in range(Bound.SESSIONS.most + 2):
        client.post("/ingest", json={"session": f"session-{number:04}"}, headers={"X-Forwarded-For": ONE})

    told = [record.getMessage() for record in caplog.records if "TRUSTED_PROXIES" in record.getMessage()]
    assert len(told) == 1
    assert ONE not in caplog.text


def test_the_counts_end_with_their_minute_and_hold_no_address(make_app: MakeApp) -> None:
    now = [0.0]
    bounds = Limits(is_on=True, clock=lambda: now[0])
    with make_app().test_request_context(environ_base={"REMOTE_ADDR": ONE}):
        bounds.add(Bound.SESSIONS, Bound.SESSIONS.most)
        assert not bounds.has_room(Bound.SESSIONS)
        assert ONE not in repr(vars(bounds))
        now[0] = MINUTE_S
        assert bounds.has_room(Bound.SESSIONS)


def test_the_calls_to_the_model_of_an_address_are_counted_for_a_day_and_a_tenth_of_all(make_app: MakeApp) -> None:
    now = [0.0]
    bounds = Limits(is_on=True, model_calls=1000, clock=lambda: now[0])
    with make_app().test_request_context(environ_base={"REMOTE_ADDR": ONE}):
        for _ in range(100):
            assert bounds.has_room(Bound.MODEL_CALLS)
            bounds.add(Bound.MODEL_CALLS)
            now[0] += MINUTE_S
        assert not bounds.has_room(Bound.MODEL_CALLS)
        now[0] = DAY_S
        assert bounds.has_room(Bound.MODEL_CALLS)


def test_what_cannot_be_counted_any_more_is_let_through_and_counted_as_that(make_app: MakeApp) -> None:
    bounds, before = Limits(is_on=True), counted()[UNCOUNTED][()][0]
    with make_app().test_request_context():
        for number in range(MOST_KEYS + 3):
            bounds.take(Bound.REPORTS, f"session-{number}")
        assert bounds.has_room(Bound.REPORTS, "yet-another")
    assert counted()[UNCOUNTED][()][0] == before + 3


def test_a_flood_of_one_address_hurts_nobody_else(start_server: StartServer) -> None:
    server: GunicornServer = start_server(workers=1, env={"RATE_LIMITS": "on", "TRUSTED_PROXIES": "1"})
    flood, honest = {"X-Forwarded-For": ONE}, {"X-Forwarded-For": OTHER}
    with server.client() as client:
        given = [
            client.post("/ingest", {"session": f"flood-{number:05}"}, flood).status
            for number in range(Bound.SESSIONS.most + 30)
        ]
        assert [client.post("/ingest", {"session": f"honest-{number}"}, honest).status for number in range(5)] == [
            200
        ] * 5

    assert given == [200] * Bound.SESSIONS.most + [429] * 30
    assert len(server.stored()) == Bound.SESSIONS.most + 5
    assert ONE not in server.log()
    assert ONE not in server.storage.read_text("utf-8")
