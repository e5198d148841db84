"""Clocks: nothing that a browser sends counts as later than the service's clock plus a day."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import MAX_AHEAD_MS, MAX_INTEGER, Event, Report, ShopperSession, canonical

NOW = 1_790_000_000_000
LATEST = NOW + MAX_AHEAD_MS
SESSION = "af4bac4d-077a-4756-91d0-fa2570fd206f"
LIMITS = SessionLimits(events=20, pages=10, event_bytes=10_000)

# Around both edges, the far future, and equal values often.
moments = st.sampled_from([0, NOW - 1, NOW, LATEST - 1, LATEST, LATEST + 1, LATEST + 2, 2**52, MAX_INTEGER])
events_by_page = st.dictionaries(
    st.sampled_from(["/", "/cart"]),
    st.lists(st.builds(lambda ts: {"type": "click", "ts": ts}, moments), max_size=5),
)
reports = st.builds(
    Report,
    session=st.just(SESSION),
    items_in_cart=st.none() | st.integers(0, 3),
    clock=moments,
    time_on_page=st.dictionaries(st.sampled_from(["/", "/cart"]), st.integers(0, 9)),
    events=events_by_page,
    adds_time=st.booleans(),
)


def report(**more: Any) -> Report:
    return Report(session=SESSION, **more)


def click(ts: int) -> Event:
    return {"type": "click", "ts": ts}


def take_in(stored: ShopperSession | None, body: Report, now: int) -> ShopperSession:
    """Merge a body as the service does when it arrives at `now`."""
    return merge(stored, body.bounded(now), LIMITS, now)


def take_in_all(bodies: list[Report], now: int = NOW) -> ShopperSession:
    session: ShopperSession | None = None
    for body in bodies:
        session = take_in(session, body, now)
    assert session is not None
    return session


@given(reports)
def test_a_bounded_report_holds_nothing_beyond_the_bound_and_all_below_it(body: Report) -> None:
    left_out: list[tuple[str, str]] = []
    bounded = body.bounded(NOW, lambda where, reason: left_out.append((where, reason)))

    def count(one: Report) -> Counter[tuple[str, str]]:
        return Counter((page, canonical(event)) for page, listed in one.events.items() for event in listed)

    assert bounded.clock <= LATEST
    assert all(event["ts"] <= LATEST for listed in bounded.events.values() for event in listed)
    gone = count(body) - count(bounded)
    assert all(f'"ts":{ts}' not in spelling for _page, spelling in gone for ts in (0, NOW, LATEST))
    assert Counter(where for where, _reason in left_out) == Counter(
        f"events.{page}" for page, _spelling in gone.elements()
    )


@given(reports, st.sampled_from([NOW, NOW + 1, NOW + 2]))
def test_bounding_a_report_twice_is_the_same_as_once(body: Report, later: int) -> None:
    once = body.bounded(NOW)

    assert once.bounded(later) is once
    assert once.digest() == body.digest()


@given(st.lists(reports, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_bodies_of_the_future_merge_the_same_in_any_order_and_with_any_repetition(
    bodies: list[Report], chance: random.Random
) -> None:
    # Few enough that no limit is reached, because the count of dropped events does depend on the order.
    few = [replace(body, events={page: listed[:1] for page, listed in body.events.items()}) for body in bodies]
    again = [*few, *chance.choices(few, k=3)]
    chance.shuffle(again)

    assert take_in_all(again).to_record() == take_in_all(few).to_record()


@given(reports, st.integers(0, 3), st.integers(0, 3))
@example(Report(session=SESSION, adds_time=True, time_on_page={"/": 9}, clock=LATEST + 1), 0, 1)
@example(Report(session=SESSION, adds_time=True, time_on_page={"/": 9}, events={"/": [click(LATEST + 1)]}), 0, 1)
def test_an_envelope_that_arrives_again_when_the_bound_has_moved_past_it_counts_once(
    body: Report, first: int, wait: int
) -> None:
    body = replace(body, adds_time=True)
    once = take_in(None, body, NOW + first)

    assert take_in(once, body, NOW + first + wait) is once


@given(reports, st.integers(1, 5))
def test_after_any_body_an_honest_report_is_kept_and_sets_the_cart_a_day_later_at_most(
    body: Report, items: int
) -> None:
    stored = take_in(None, body, NOW)
    later = LATEST + 1
    honest = report(items_in_cart=items, clock=later, events={"/": [click(later)]})

    after = take_in(stored, honest, later)

    assert after.items_in_cart == items
    assert click(later) in after.events["/"]


def test_a_full_session_of_far_future_events_takes_in_the_next_real_one() -> None:
    limits = SessionLimits(events=5_000, pages=200, event_bytes=1 << 21)
    flood = report(events={"/": [click(MAX_INTEGER - n) for n in range(5_001)]})
    stored = merge(None, flood.bounded(NOW), limits, NOW)
    stored = merge(stored, report(events={"/cart": [click(NOW)]}).bounded(NOW), limits, NOW)

    assert stored.events == {"/cart": [click(NOW)]}


def test_a_clock_of_the_far_future_does_not_stop_the_cart_from_changing() -> None:
    stored = take_in(None, report(items_in_cart=2, clock=NOW), NOW)
    stored = take_in(stored, report(items_in_cart=0, clock=MAX_INTEGER), NOW)
    assert stored.items_in_cart == 2
    assert take_in(stored, report(items_in_cart=3, clock=NOW + 1), NOW + 1).items_in_cart == 3


@pytest.mark.parametrize(("ts", "is_kept"), [(LATEST - 1, True), (LATEST, True), (LATEST + 1, False)])
def test_the_bound_is_exact(ts: int, is_kept: bool) -> None:
    left_out: list[str] = []
    bounded = report(clock=ts, events={"/": [click(ts)]}).bounded(NOW, lambda where, _reason: left_out.append(where))

    assert bool(bounded.events["/"]) is is_kept
    assert bounded.clock == (ts if is_kept else 0)
    assert left_out == ([] if is_kept else ["events./"])


def test_a_clock_beyond_the_bound_is_replaced_by_the_newest_event_within_it() -> None:
    body = report(clock=MAX_INTEGER, items_in_cart=1, events={"/": [click(NOW), click(NOW - 5)]})

    assert body.bounded(NOW).clock == NOW


# --- Sessions that were stored while a clock was wrong ----------------------------------------------------------------


def test_an_update_time_of_2036_becomes_the_present_with_the_next_report() -> None:
    in_2036 = 2_090_000_000_000
    stored = take_in(None, report(clock=NOW, events={"/": [click(NOW)]}), in_2036)
    assert stored.updated_at == in_2036

    assert take_in(stored, report(clock=NOW), NOW).updated_at == NOW
    assert stored.bounded(NOW + 5).updated_at == NOW, "the time of the newest event"
    assert replace(stored, events={}).bounded(NOW + 5).updated_at == NOW + 5


def test_a_stored_cart_clock_of_the_far_future_gives_way_to_the_next_report() -> None:
    stored = ShopperSession(session=SESSION, updated_at=NOW)
    stored = replace(stored, merge=replace(stored.merge, cart_clock=MAX_INTEGER))

    assert take_in(stored, report(items_in_cart=3, clock=NOW), NOW).items_in_cart == 3


def test_a_clock_that_is_set_back_a_little_does_not_move_the_update_time_backwards() -> None:
    stored = take_in(None, report(clock=NOW), NOW)

    assert take_in(stored, report(events={"/": [click(NOW)]}), NOW - 60_000).updated_at == NOW


def test_a_session_within_the_bound_is_returned_unchanged() -> None:
    stored = take_in(None, report(clock=NOW), NOW)

    assert stored.bounded(NOW) is stored
    assert stored.bounded(NOW - MAX_AHEAD_MS) is stored


def test_the_total_time_of_a_session_never_exceeds_the_largest_exact_javascript_integer() -> None:
    pages = {f"/{n}": MAX_INTEGER for n in range(200)}

    assert ShopperSession(session=SESSION, time_on_page=pages).overview()["timeMs"] == MAX_INTEGER
