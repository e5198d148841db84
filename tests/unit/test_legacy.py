"""Records of other origin: everything in them that can be read is read, and the rest is reported."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.sessions.legacy import RecordError, read_record
from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import MAX_INTEGER, Report, ShopperSession

ID = "anna-0001"
SPRING = 1_712_345_678_901


def read(record: dict[str, Any]) -> tuple[ShopperSession, list[str]]:
    unread: list[str] = []
    return read_record(ID, record, 7, unread.append), unread


@pytest.mark.parametrize(
    ("ts", "ms"),
    [
        (1_712_345_678.901, SPRING),
        (SPRING, SPRING),
        ("1712345678.901", SPRING),
        (" 1712345678901 ", SPRING),
        ("2024-04-05T19:34:38.901Z", SPRING),
        ("2024-04-05T21:34:38.901+02:00", SPRING),
        ("2024-04-05 19:34:38.901", SPRING),
        ("2024-04-05", 1_712_275_200_000),
        ("1969-12-31T23:59:59Z", 0),
        ("1.5e3", 1_500_000),
    ],
)
def test_a_time_is_read_as_a_number_as_text_and_as_a_date(ts: Any, ms: int) -> None:
    session, unread = read({"events": {"/": [{"type": "view", "ts": ts}]}, "updatedAt": ts if ts != "1.5e3" else None})

    assert session.events == {"/": [{"type": "view", "ts": ms}]}
    assert unread == []


def test_a_date_and_a_number_as_text_are_read_as_the_update_time() -> None:
    assert read({"updatedAt": "2024-04-05T19:34:38.901Z"})[0].updated_at == SPRING
    assert read({"updatedAt": str(SPRING)})[0].updated_at == SPRING


@pytest.mark.parametrize(("value", "number"), [("2", 2), ("2.0", 2), (" 3 ", 3), ("1e1", 10), ("9" * 400, MAX_INTEGER)])
def test_counts_and_times_are_read_from_text(value: str, number: int) -> None:
    session, unread = read({"itemsoncart": value, "timeonpage": {"/cart": value}})

    assert (session.items_in_cart, session.time_on_page) == (number, {"/cart": number})
    assert unread == []


@pytest.mark.parametrize(
    ("record", "places"),
    [
        ({"itemsInCart": "two"}, ["itemsInCart"]),
        ({"itemsoncart": True}, ["itemsoncart"]),
        ({"itemsInCart": -1}, ["itemsInCart"]),
        ({"itemsInCart": "٣"}, ["itemsInCart"]),
        ({"timeonpage": {"/": []}}, ["timeonpage./"]),
        ({"timeOnPage": [1]}, ["timeOnPage"]),
        ({"updatedAt": "yesterday"}, ["updatedAt"]),
        ({"events": [1]}, ["events"]),
        ({"events": {"/": {}}}, ["events./"]),
        ({"events": {"/": [5]}}, ["events./.0"]),
        ({"events": {"/": [{"type": "view", "ts": "soon"}]}}, ["events./.0.ts"]),
        ({"merge": 5, "decisions": "none"}, ["merge", "decisions"]),
        ({"lot": 1000, "offered": "a b", "orders": []}, ["lot", "offered", "orders"]),
        ({"lot": 0, "offered": "3f2a9c01", "orders": {}, "example": True}, []),
        ({"itemsInCart": None, "timeOnPage": None, "events": None, "updatedAt": None}, []),
        ({}, []),
    ],
)
def test_every_value_that_cannot_be_read_is_reported_with_its_place(record: dict[str, Any], places: list[str]) -> None:
    assert read(record)[1] == places


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = [
    *("itemsInCart", "itemsoncart", "timeOnPage", "timeonpage", "events", "updatedAt", "merge", "decisions", "more"),
    *("lot", "offered", "orders", "example"),
]
events = st.fixed_dictionaries({}, optional={"type": values, "ts": values, "more": values})
records = st.dictionaries(st.sampled_from(keys), values, max_size=6) | st.fixed_dictionaries(
    {"events": st.dictionaries(st.text(max_size=5), st.lists(events, max_size=3), max_size=2)},
    optional={"itemsInCart": values, "timeOnPage": st.dictionaries(st.text(max_size=5), values), "updatedAt": values},
)


@given(records)
@example({"updatedAt": "9999-12-31T23:59:59-23:59"})
@example({"updatedAt": "0001-01-01T00:00:00+23:59"})
def test_any_record_becomes_a_session_that_reads_back_as_itself_and_takes_reports(record: dict[str, Any]) -> None:
    try:
        session, _unread = read(record)
    except RecordError:
        return
    assert ShopperSession.from_record(session.to_record()) == session
    assert 0 <= session.updated_at <= MAX_INTEGER
    report = Report(session=ID, items_in_cart=1, clock=SPRING, events={"/": [{"type": "view", "ts": SPRING}]})
    after = merge(session, report, SessionLimits(events=5000, pages=200, event_bytes=1 << 21), SPRING)
    assert after.event_count() >= session.event_count()


def test_a_wrong_size_in_a_record_of_our_own_is_corrected() -> None:
    event = {"type": "view", "ts": SPRING}
    ours = merge(None, Report(session=ID, events={"/": [event]}), SessionLimits(events=9, pages=9, event_bytes=999), 5)
    record = ours.to_record()
    record["merge"]["eventBytes"] = 10**9

    assert read(record) == (ours, [])
