"""Merging: the same reports give the same session in any order, with any repetition and however they are split."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tracker.sessions.merge import REMEMBERED_ENVELOPES, SessionLimits, merge, merge_sessions
from tracker.sessions.model import Event, Report, ShopperSession, canonical

WIDE = SessionLimits(events=10_000, pages=200, event_bytes=10_000_000)
NOW = 1_712_345_695_000
SESSION = "af4bac4d-077a-4756-91d0-fa2570fd206f"

pages = st.sampled_from(["/", "/cart", "/products/xyz", "Product:/products/x"])
# Few distinct values, so that equal events, equal times and ties are the rule and not the exception.
events = st.builds(
    lambda kind, ts, more: {"type": kind, "ts": ts, **more},
    st.sampled_from(["view", "click"]),
    st.integers(0, 12),
    st.sampled_from([{}, {"target": "#add"}, {"target": "#buy", "n": 1}]),
)
events_by_page = st.dictionaries(pages, st.lists(events, max_size=6), max_size=4)
times = st.dictionaries(pages, st.integers(0, 5_000), max_size=4)


def reports(adds_time: bool) -> st.SearchStrategy[Report]:
    return st.builds(
        Report,
        session=st.just(SESSION),
        items_in_cart=st.none() | st.integers(0, 3),
        clock=st.integers(0, 12),
        time_on_page=times,
        events=events_by_page,
        adds_time=st.just(adds_time),
        # A browser says the same of itself in every report, or nothing.
        lot=st.sampled_from([None, 417]),
        offered=st.sampled_from(["", "3f2a9c01"]),
        example=st.booleans(),
    )


def merge_all(bodies: list[Report], limits: SessionLimits = WIDE) -> ShopperSession:
    session: ShopperSession | None = None
    for body in bodies:
        session = merge(session, body, limits, NOW)
    assert session is not None
    return session


def multiset(session: ShopperSession) -> Counter[tuple[str, str]]:
    return Counter((page, canonical(event)) for page, event in session.all_events())


def snapshot(**more: Any) -> Report:
    return Report(session=SESSION, **more)


def envelope(**more: Any) -> Report:
    return Report(session=SESSION, adds_time=True, **more)


@given(st.lists(reports(False) | reports(True), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_record(bodies: list[Report], chance: random.Random) -> None:
    once = merge_all(bodies)
    again = [*bodies, *chance.choices(bodies, k=chance.randrange(6))]
    chance.shuffle(again)
    assert merge_all(again).to_record() == once.to_record()


@given(events_by_page, st.lists(st.floats(0, 1), max_size=6), st.randoms(use_true_random=False))
def test_any_split_of_a_growing_session_into_snapshots_gives_the_same_record(
    whole: dict[str, list[Event]], cuts: list[float], chance: random.Random
) -> None:
    def known_at(share: float) -> Report:
        """Return the snapshot that a script sends after this share of each page's events, in order of time."""
        so_far = {
            page: sorted(events, key=lambda event: event["ts"])[: round(share * len(events))]
            for page, events in whole.items()
        }
        return snapshot(
            events=so_far,
            time_on_page={page: round(share * 1_000) for page in whole},
            clock=round(share * 100),
            items_in_cart=round(share * 7),
        )

    shares = [*cuts, 1.0]
    chance.shuffle(shares)
    assert merge_all([known_at(share) for share in shares]).to_record() == merge_all([known_at(1.0)]).to_record()


@given(st.lists(reports(True), min_size=1, max_size=5), st.lists(reports(False), max_size=3))
def test_an_event_is_kept_as_often_as_the_body_that_holds_it_most(
    envelopes: list[Report], snapshots: list[Report]
) -> None:
    most: Counter[tuple[str, str]] = Counter()
    for body in [*envelopes, *snapshots]:
        most |= Counter((page, canonical(event)) for page, events in body.events.items() for event in events)
    assert multiset(merge_all([*envelopes, *snapshots])) == most


@given(st.lists(reports(True), min_size=1, max_size=8))
def test_times_of_envelopes_add_up_once_a_body(bodies: list[Report]) -> None:
    total: Counter[str] = Counter()
    for body in {body.digest(): body for body in bodies}.values():
        total.update(body.time_on_page)
    assert Counter(merge_all([*bodies, *bodies]).time_on_page) == total


@given(
    st.lists(reports(False), min_size=1, max_size=8),
    st.builds(SessionLimits, events=st.integers(1, 8), pages=st.integers(1, 3), event_bytes=st.integers(40, 400)),
    st.randoms(use_true_random=False),
)
def test_a_full_session_keeps_the_same_newest_events_in_any_order(
    bodies: list[Report], limits: SessionLimits, chance: random.Random
) -> None:
    # Times are left out: over the limit on pages the longest are kept, which snapshots keep in any order as well,
    # and the count of dropped events says what had to make room, which does depend on who came first.
    def kept(session: ShopperSession) -> dict[str, Any]:
        record = replace(session, merge=replace(session.merge, dropped_events=0)).to_record()
        assert session.event_count() <= limits.events
        assert len(session.events) <= limits.pages
        assert len(session.time_on_page) <= limits.pages
        assert session.merge.event_bytes == sum(len(canonical(e)) for _, e in session.all_events())
        assert session.merge.event_bytes <= limits.event_bytes
        return record

    once = kept(merge_all(bodies, limits))
    again = [*bodies, *chance.choices(bodies, k=3)]
    chance.shuffle(again)
    assert kept(merge_all(again, limits)) == once


def test_a_full_session_keeps_exactly_the_newest_and_counts_what_it_dropped() -> None:
    clicks: list[Event] = [{"type": "click", "ts": ts} for ts in range(5_001)]
    limits = replace(WIDE, events=5_000)
    session = merge_all([snapshot(events={"/": clicks[:5_000]})], limits)
    assert (session.event_count(), session.merge.dropped_events) == (5_000, 0)
    session = merge(session, snapshot(events={"/cart": clicks[5_000:]}), limits, NOW)
    assert (session.event_count(), session.merge.dropped_events) == (5_000, 1)
    assert session.events["/"][0]["ts"] == 1


def test_merging_a_repeated_body_returns_the_stored_object_itself() -> None:
    for body in (snapshot(events={"/": [{"type": "view", "ts": 1}]}), envelope(time_on_page={"/": 5}, clock=3)):
        stored = merge(None, body, WIDE, NOW)
        assert merge(stored, body, WIDE, NOW + 1_000) is stored


def test_two_equal_clicks_in_one_body_count_as_two() -> None:
    click: Event = {"type": "click", "ts": 5}
    assert merge_all([snapshot(events={"/": [click, click]})]).events == {"/": [click, click]}


def test_the_cart_comes_from_the_newest_client_clock() -> None:
    late, early = snapshot(items_in_cart=0, clock=20), snapshot(items_in_cart=3, clock=10)
    assert merge_all([late, early]).items_in_cart == merge_all([early, late]).items_in_cart == 0


def test_a_body_without_a_cart_leaves_the_stored_cart_unchanged() -> None:
    assert merge_all([snapshot(items_in_cart=3, clock=1), snapshot(clock=9)]).items_in_cart == 3


def test_an_envelope_older_than_all_remembered_ones_adds_its_events_but_no_time() -> None:
    newer = [envelope(clock=clock, time_on_page={"/": 1}) for clock in range(1, REMEMBERED_ENVELOPES + 1)]
    old = envelope(clock=0, time_on_page={"/": 500}, events={"/": [{"type": "view", "ts": 1}]})
    session = merge_all([*newer, old, old])
    assert session.time_on_page == {"/": REMEMBERED_ENVELOPES}
    assert session.event_count() == 1


def test_the_time_of_a_page_never_exceeds_the_largest_exact_javascript_integer() -> None:
    huge = [envelope(clock=clock, time_on_page={"/": 2**53}) for clock in (1, 2)]
    assert merge_all(huge).time_on_page == {"/": 2**53}


def test_a_session_read_from_its_record_is_equal_to_the_original() -> None:
    session = merge_all(
        [
            envelope(clock=3, time_on_page={"/": 5}, items_in_cart=2, events={"/": [{"type": "v", "ts": 1}] * 5}),
        ],
        replace(WIDE, events=3),
    )
    kept = replace(session, further={"note": "of a later version"})
    assert ShopperSession.from_record(kept.to_record()) == kept


# --- A service with smaller limits than the one that filled the session -----------------------------------------------

SMALL = SessionLimits(events=3, pages=1, event_bytes=100)


@given(st.lists(reports(False) | reports(True), min_size=1, max_size=6))
def test_a_report_without_events_and_times_removes_nothing_under_smaller_limits(bodies: list[Report]) -> None:
    stored = merge_all(bodies)
    for empty in (snapshot(), envelope(clock=1)):
        after = merge(stored, empty, SMALL, NOW)
        assert (after.events, after.time_on_page) == (stored.events, stored.time_on_page)


@given(st.lists(reports(False) | reports(True), min_size=1, max_size=6), reports(False))
def test_a_session_beyond_smaller_limits_neither_shrinks_nor_grows(bodies: list[Report], report: Report) -> None:
    stored = merge_all(bodies)
    after = merge(stored, report, SMALL, NOW)

    assert after.event_count() <= max(stored.event_count(), SMALL.events)
    assert after.merge.event_bytes <= max(stored.merge.event_bytes, SMALL.event_bytes)
    assert len(after.time_on_page) <= max(len(stored.time_on_page), SMALL.pages)
    assert len(after.time_on_page) >= len(stored.time_on_page)


def test_an_empty_post_under_a_limit_of_ten_leaves_a_thousand_events() -> None:
    clicks: list[Event] = [{"type": "click", "ts": ts} for ts in range(1_000, 2_000)]
    stored = merge_all([snapshot(events={"/": clicks}, time_on_page={"/": 5, "/cart": 7})])
    ten = SessionLimits(events=10, pages=1, event_bytes=300)

    assert merge(stored, snapshot(), ten, NOW) is stored
    assert merge(stored, snapshot(time_on_page={"/": 6}), ten, NOW).time_on_page == {"/": 6, "/cart": 7}
    one_more = merge(stored, snapshot(events={"/": [{"type": "click", "ts": 2_000}]}), ten, NOW)
    assert (one_more.event_count(), one_more.merge.dropped_events) == (1_000, 1)


# --- Copies of a session from another store ---------------------------------------------------------------------------


@given(st.lists(reports(False) | reports(True), min_size=1, max_size=6), st.integers(-100_000, 100_000))
def test_merging_a_copy_of_the_same_session_returns_the_stored_object_itself(bodies: list[Report], later: int) -> None:
    stored = merge_all(bodies)
    copy = replace(ShopperSession.from_record(stored.to_record()), updated_at=stored.updated_at + later)

    assert merge_sessions(stored, copy, WIDE) is stored


def test_a_copy_that_adds_something_brings_the_later_time_of_update() -> None:
    stored = merge_all([snapshot(clock=1, items_in_cart=1)])
    copy = replace(merge_all([snapshot(clock=2, items_in_cart=2)]), updated_at=NOW + 5)

    assert merge_sessions(stored, copy, WIDE).updated_at == NOW + 5
    assert merge_sessions(copy, stored, WIDE) is copy


def test_the_first_lot_and_the_first_offer_that_were_reported_stay() -> None:
    session = merge_all(
        [snapshot(), snapshot(lot=0, offered="one"), snapshot(lot=999, offered="two"), envelope(), envelope(lot=5)]
    )

    assert (session.lot, session.offered) == (0, "one")


def test_a_lot_alone_is_something_new_and_its_repetition_is_not() -> None:
    first = merge_all([snapshot(items_in_cart=1)])
    second = merge(first, snapshot(items_in_cart=1, lot=417), WIDE, NOW)

    assert second.lot == 417
    assert merge(second, snapshot(items_in_cart=1, lot=417), WIDE, NOW) is second


def test_orders_of_two_stores_come_together_and_the_one_stored_here_takes_precedence() -> None:
    here = replace(merge_all([snapshot(lot=3)]), orders={"a": 1, "b": 2})
    other = replace(merge_all([snapshot(lot=9, offered="one", example=True)]), orders={"b": 3, "c": 4})
    merged = merge_sessions(here, other, WIDE)

    assert merged.orders == {"a": 1, "b": 2, "c": 4}
    assert (merged.lot, merged.offered, merged.example) == (3, "one", True)
    assert merge_sessions(merged, other, WIDE) is merged


def test_a_record_without_these_fields_has_none_of_their_keys() -> None:
    record = merge_all([snapshot(items_in_cart=1)]).to_record()

    assert record.keys().isdisjoint({"lot", "offered", "orders", "example"})
