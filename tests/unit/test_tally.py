"""The tally of a visit: its day, its marks, its sales, and what became of its popups."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from testing.visits import DAY, MORNING, offered, ordered, some_visit, visit
from tracker.decisions.log.entry import LogEntry, LoggedCall, LoggedCost, SignalsThen
from tracker.decisions.log.session_log import with_claim, with_entry
from tracker.insights.tally import Fate, Mark, Tally, known, tally
from tracker.sessions.model import Event, ShopperSession

SEPTEMBER_21 = date(2026, 9, 21).toordinal()


def of(session: ShopperSession) -> Tally:
    return tally(session, UTC)


def with_events(*events: Event, page: str = "/", **changes: Any) -> ShopperSession:
    session = visit()
    return replace(session, events={**session.events, page: [*session.events.get(page, []), *events]}, **changes)


# --- The day ----------------------------------------------------------------------------------------------------------


def test_the_day_is_that_of_the_first_event_in_the_time_zone_of_the_shop() -> None:
    before_midnight = visit(at=MORNING - MORNING % DAY + DAY - 60_000)

    assert of(before_midnight).day == SEPTEMBER_21
    assert tally(before_midnight, ZoneInfo("Europe/Berlin")).day == SEPTEMBER_21 + 1
    assert tally(before_midnight, ZoneInfo("America/Los_Angeles")).day == SEPTEMBER_21


@pytest.mark.parametrize(("away", "days"), [(-30, -2), (-2, -2), (-1, -1), (0, 0), (1, 1), (30, 2)])
def test_a_first_event_more_than_two_days_from_its_arrival_is_not_believed(away: int, days: int) -> None:
    assert of(visit(at=MORNING + away * DAY, updated_at=MORNING)).day == SEPTEMBER_21 + days


def test_the_day_stays_what_it_was_at_the_first_write() -> None:
    first = visit()
    counted = replace(first, tally=list(of(first)))
    earlier = replace(counted, events={"/": [{"type": "view", "ts": MORNING - DAY}]}, updated_at=MORNING + 90 * DAY)

    assert of(earlier).day == SEPTEMBER_21
    assert tally(counted, timezone(timedelta(hours=14))).day == SEPTEMBER_21


def test_the_day_of_a_simulated_visit_may_lie_weeks_ago() -> None:
    assert of(visit(at=MORNING - 30 * DAY, updated_at=MORNING, example=True)).day == SEPTEMBER_21 - 30


@pytest.mark.parametrize("at", [0, 2**53])
def test_any_time_has_a_day(at: int) -> None:
    assert of(ShopperSession(session="a-visit-0001", updated_at=at)).day > 0


# --- Marks and sales --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "marks"),
    [
        (visit(), Mark(0)),
        (with_events(page="/products/x"), Mark.PRODUCT),
        (with_events({"type": "add_to_cart", "ts": MORNING}), Mark.PRODUCT | Mark.CART),
        (visit(items_in_cart=2), Mark.PRODUCT | Mark.CART | Mark.LEFT),
        (with_events(page="/checkouts/1"), Mark.PRODUCT | Mark.CART | Mark.CHECKOUT),
        (with_events({"type": "checkout_started", "ts": MORNING}), Mark.PRODUCT | Mark.CART | Mark.CHECKOUT),
        (
            with_events({"type": "checkout_completed", "ts": MORNING}, items_in_cart=1),
            Mark.PRODUCT | Mark.CART | Mark.CHECKOUT | Mark.ORDERED,
        ),
        (ordered(visit(), 990, MORNING), Mark.PRODUCT | Mark.CART | Mark.CHECKOUT | Mark.ORDERED),
        (visit(example=True), Mark.EXAMPLE),
        (offered(visit(), "one"), Mark.OFFERED | Mark.FIRST),
        (offered(visit(), "one", first=False, arm="held"), Mark.OFFERED | Mark.HELD),
    ],
)
def test_a_visit_that_came_far_came_through_every_step_before(session: ShopperSession, marks: Mark) -> None:
    assert Mark(of(session).marks) == marks


def test_orders_of_the_first_visit_are_compared_from_the_offer_on() -> None:
    session = offered(visit(), "one", MORNING)
    session = ordered(session, 990, MORNING - 1, key="0" * 16)
    session = ordered(session, 4990, MORNING, key="1" * 16)

    assert of(session).sales == [990, "EUR", 0, 4990, "EUR", 1]
    assert of(session).epoch == "one"


def test_every_order_of_a_later_visit_is_compared() -> None:
    later = ordered(visit(offered="one"), 990, MORNING - 1)
    again = ordered(offered(visit(offered="one"), "one", MORNING, first=False), 990, MORNING - 1)

    assert [of(one).sales for one in (later, again)] == [[990, "EUR", 1], [990, "EUR", 1]]
    assert [of(one).epoch for one in (later, again)] == ["one", "one"]


def test_an_order_without_an_offer_is_counted_and_not_compared() -> None:
    assert of(ordered(visit(), 990, MORNING)).sales == [990, "EUR", 0]
    assert of(ordered(visit(), 990, MORNING, cancelled=True)).sales == []


def test_an_offer_reported_only_after_the_visits_own_offer_makes_no_later_visit_of_it() -> None:
    session = ordered(offered(visit(), "one", MORNING), 990, MORNING - 1)

    assert of(replace(session, offered="one")).sales == [990, "EUR", 0]


# --- Popups, model, keys ----------------------------------------------------------------------------------------------


def popup(kind: str, message_id: str = "size", after: int = 1, **keys: object) -> Event:
    return {"type": f"popup_{kind}", "ts": MORNING + after, "message_id": message_id, **keys}


@pytest.mark.parametrize(
    ("events", "fates"),
    [
        ([popup("shown")], Fate.SHOWN),
        ([popup("clicked")], Fate.SHOWN | Fate.CLICKED),
        ([popup("shown"), popup("clicked", action="apply")], Fate.SHOWN | Fate.CLICKED | Fate.APPLIED),
        ([popup("clicked", action="copy")], Fate.SHOWN | Fate.CLICKED | Fate.APPLIED),
        ([popup("dismissed")], Fate.SHOWN | Fate.CLOSED),
        ([popup("dropped")], Fate.DROPPED),
    ],
)
def test_what_became_of_a_message(events: list[Event], fates: Fate) -> None:
    assert of(with_events(*events)).popups == ["size", int(fates)]


def test_a_purchase_counts_for_messages_that_were_shown_before_it() -> None:
    session = ordered(with_events(popup("shown", "early"), popup("shown", "late", 3)), 990, MORNING + 2)

    assert dict(of(session).each_popup()) == {"early": Fate.SHOWN | Fate.BOUGHT, "late": Fate.SHOWN}


def test_what_would_have_been_said_is_counted_for_its_message() -> None:
    assert of(offered(visit(), "one", arm="held")).popups == ["size", int(Fate.WITHHELD)]


@pytest.mark.parametrize("message_id", [None, 5, "", "x" * 65])
def test_a_popup_event_without_a_message_of_the_file_counts_for_none(message_id: object) -> None:
    assert of(with_events({"type": "popup_shown", "ts": MORNING, "message_id": message_id})).popups == []


def test_calls_of_the_model_are_counted_with_their_tokens() -> None:
    cost = LoggedCost(model="scripted", ms=7, prompt_tokens=600, completion_tokens=80)
    entry = LogEntry(
        at=MORNING,
        source="groq",
        trigger="items",
        reason="Because.",
        confidence=0.7,
        fingerprint="1.1.0",
        shop_version="none",
        signals=SignalsThen(stage="cart", items=1, dwell_s=60, pages=2, hesitating=False),
        call=LoggedCall(prompt_version="1", cost=cost),
    )
    session = with_entry(with_claim(with_claim(visit(), MORNING, MORNING), MORNING, MORNING), entry)

    assert of(session).model == [2, 600, 80]
    assert of(visit()).model == []


def test_an_order_is_found_by_its_checkout_and_by_its_own_hash() -> None:
    session = ordered(with_events({"type": "checkout_started", "ts": MORNING, "key": "ab" * 8}), 990, MORNING)

    assert of(session).keys == sorted(["ab" * 8, "00ff00ff00ff00ff", f"{990:064x}"[:16]])


# --- The record -------------------------------------------------------------------------------------------------------


def test_a_tally_reads_back_from_its_record_as_itself() -> None:
    chance = random.Random(1)
    for number in range(200):
        made = of(some_visit(chance, f"visit-{number:04}", MORNING))
        read = known(orjson.loads(orjson.dumps(list(made))))
        assert read == made
        assert made.lot in range(1000)


@pytest.mark.parametrize("record", [None, [], [1], [2, 1, 1, 1, "", [], [], [], []], "text", {}])
def test_a_record_of_another_form_is_no_tally(record: object) -> None:
    assert known(record) is None


def test_a_tally_stands_at_the_head_of_the_record() -> None:
    session = visit()
    counted = replace(session, tally=list(of(session)))

    assert list(counted.to_record())[:3] == ["session", "updatedAt", "tally"]
    assert ShopperSession.from_record(counted.to_record()) == counted
