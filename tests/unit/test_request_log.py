"""The log of requests: a line a minute, and lines of their own for failures."""

from __future__ import annotations

import logging

import pytest

from tracker.ops.request_log import MINUTE_S, RequestCounts


def test_a_minute_of_requests_is_one_line_with_counts_and_times(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    counts = RequestCounts(lambda: now[0])
    for number in range(100):
        counts.add("POST", "/ingest", 200 if number else 429, 0.002)
    assert caplog.records == []

    now[0] = MINUTE_S
    counts.add("GET", "/health", 200, 0.5)

    (record,) = caplog.records
    assert record.getMessage() == "100 requests in a minute"
    assert vars(record)["requests"] == {"POST /ingest 200": 99, "POST /ingest 429": 1}
    assert (vars(record)["mean_ms"], vars(record)["longest_ms"]) == (2.0, 2.0)
    counts.write()
    assert vars(caplog.records[-1])["requests"] == {"GET /health 200": 1}
    counts.write()
    assert len(caplog.records) == 2, "a minute without requests has no line"
