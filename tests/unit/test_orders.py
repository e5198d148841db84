"""An order is counted once, with its last state, whatever arrives how often and in which order."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.insights.money import amount_text, minor_units
from tracker.insights.orders import (
    MOST_ORDERS,
    MOST_REFUNDS,
    OrderState,
    Refund,
    UnreadableOrderError,
    checkout_key,
    checkout_keys,
    order_hash,
    orders_of,
    purchases,
    read_order,
    read_refund,
    with_order,
)
from tracker.sessions.model import ShopperSession

SAMPLES = Path(__file__).parents[1] / "samples" / "orders"
TOKEN = "c0ffee00c0ffee00c0ffee00c0ffee00"
KEY = "23e0bf16a8233d47"
"""The first 16 hex digits of the token's SHA-256."""
BEGIN = 1_795_000_000_000


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return found


# --- Money ---


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("84.90", "EUR", 8490),
        ("84.9", "EUR", 8490),
        ("0.1", "EUR", 10),
        (84.9, "EUR", 8490),
        (1000, "EUR", 100_000),
        ("1000", "JPY", 1000),
        ("1000.00", "JPY", 1000),
        ("1.2345", "KWD", 1235),
        ("0.005", "USD", 1),
        ("0.00", "USD", 0),
        ("9" * 15, "JPY", 999_999_999_999_999),
    ],
)
def test_amount_is_read_as_minor_units(amount: object, currency: str, units: int) -> None:
    assert minor_units(amount, currency) == units


@pytest.mark.parametrize("amount", [None, True, "", "abc", "-1", "1e9", "1,000", "NaN", float("nan"), "9" * 16, [], {}])
def test_what_is_no_amount_is_none(amount: object) -> None:
    assert minor_units(amount, "EUR") is None


@pytest.mark.parametrize("currency", [None, "", "eur", "EURO", 978, "€"])
def test_an_amount_without_a_currency_is_none(currency: object) -> None:
    assert minor_units("1.00", currency) is None


@given(units=st.integers(0, 10**12), currency=st.sampled_from(["EUR", "JPY", "KWD", "CLF", "XYZ"]))
def test_an_amount_written_and_read_again_is_the_same(units: int, currency: str) -> None:
    assert minor_units(amount_text(units, currency), currency) == units


# --- Reading ---


@pytest.mark.parametrize("name", ["orders_create", "orders_create_spaced", "orders_create_escaped"])
def test_an_order_is_read_from_a_webhook(name: str) -> None:
    order = read_order(sample(name))

    assert (order.minor, order.currency, order.cancelled, order.counts) == (8490, "EUR", False, True)
    assert (order.key, order.order_hash) == (KEY, order_hash(5550001000001))
    assert (order.at_ms, order.updated_ms) == (1_795_542_067_000, 1_795_542_068_000)


def test_a_refund_and_a_cancellation_are_newer_states() -> None:
    created, refunded = read_order(sample("orders_create")), read_order(sample("orders_updated_refund"))
    cancelled = read_order(sample("orders_cancelled"))

    assert created.merged(refunded).net_minor == 4590
    assert cancelled.merged(created).net_minor == 0
    assert not cancelled.merged(created).counts


def test_nothing_of_the_customer_is_in_the_record() -> None:
    record = json.dumps(read_order({**sample("orders_create"), "email": "zoe@example.com"}).to_record())

    assert not any(part in record for part in ("zoe", "Zoë", "5550001000001", TOKEN, "hWN5", "0b0e5f0c", "WELCOME10"))


@pytest.mark.parametrize("missing", ["id", "current_total_price", "currency", "created_at"])
def test_an_order_without_a_field_that_counts_is_unreadable(missing: str) -> None:
    body = {key: value for key, value in sample("orders_create").items() if key != missing}
    body = {key: value for key, value in body.items() if key not in {"total_price", "processed_at"}}

    with pytest.raises(UnreadableOrderError):
        read_order(body)


def test_an_order_without_a_checkout_has_no_key() -> None:
    tokens: list[Any] = [None, "", 7, []]
    for token in tokens:
        assert read_order({**sample("orders_create"), "checkout_token": token}).key == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.sampled_from(sorted(sample("orders_create"))), value=json_values)
def test_any_value_anywhere_makes_an_order_or_an_unreadable_one(name: str, value: Any) -> None:
    for read in (read_order, read_refund):
        try:
            order = read({**sample("orders_create"), "order_id": 7, name: value})
        except UnreadableOrderError:
            continue
        assert OrderState.from_record(order.key, json.loads(json.dumps(order.to_record()))) == order


def refund_body(number: int, at: str, amount: str, currency: str = "EUR") -> dict[str, Any]:
    paid_back = {"kind": "refund", "status": "success", "amount": amount, "currency": currency}
    failed = {**paid_back, "status": "failure", "amount": "1.00"}
    return {"id": number, "order_id": 5550001000001, "created_at": at, "transactions": [paid_back, failed]}


def test_a_refund_alone_lowers_the_total_until_a_state_of_the_order_includes_it() -> None:
    created, updated = read_order(sample("orders_create")), read_order(sample("orders_updated_refund"))
    refund = read_refund(refund_body(77, "2026-11-26T09:00:00+01:00", "39.00"))

    assert not refund.counts
    assert created.merged(refund).net_minor == 8490 - 3900
    assert created.merged(refund).merged(updated).net_minor == 4590
    assert updated.merged(refund) == updated


def test_a_refund_in_another_currency_waits_for_the_state_of_the_order() -> None:
    created = read_order(sample("orders_create"))

    assert created.merged(read_refund(refund_body(77, "2026-11-26T09:00:00+01:00", "36.00", "CHF"))).net_minor == 8490


# --- Merging ---

moments = st.integers(0, 6)
refunds = st.dictionaries(
    st.sampled_from(["r1", "r2", "r3"]),
    st.builds(Refund, moments, st.integers(0, 5), st.sampled_from(["EUR", "CHF"])),
    max_size=2,
)
states = st.builds(
    OrderState,
    key=st.sampled_from(["", KEY]),
    order_hash=st.just("h" * 64),
    minor=st.integers(0, 9),
    currency=st.sampled_from(["EUR", "CHF"]),
    at_ms=moments,
    updated_ms=moments,
    cancelled=st.booleans(),
    refunds=refunds,
)


def merged(all_states: list[OrderState]) -> OrderState:
    first, *rest = all_states
    for state in rest:
        first = first.merged(state)
    return first


@given(arrived=st.lists(states, min_size=1, max_size=6), chance=st.randoms(use_true_random=False))
def test_states_merge_to_the_same_in_any_order_and_any_number(arrived: list[OrderState], chance: random.Random) -> None:
    again = [*arrived, *chance.choices(arrived, k=50)]
    chance.shuffle(again)
    half = len(again) // 2
    in_parts = merged(again[:half]).merged(merged(again[half:]))

    assert merged(again).merged(merged(again)) == in_parts.merged(in_parts) == merged(arrived).merged(arrived[0])


def test_an_order_keeps_the_newest_refunds_only() -> None:
    alone = [
        OrderState(key="", order_hash="h", refunds={f"r{number}": Refund(BEGIN + number, 1, "EUR")})
        for number in range(MOST_REFUNDS + 5)
    ]
    chance = random.Random(7)
    found = []
    for _ in range(5):
        chance.shuffle(alone)
        found.append(merged(alone).refunds)

    assert found == [found[0]] * 5
    assert set(found[0]) == {f"r{number}" for number in range(5, MOST_REFUNDS + 5)}


# --- In a session ---


def visit(*events: dict[str, Any]) -> ShopperSession:
    return ShopperSession(session="a-visit-that-buys", events={"/checkout": list(events)} if events else {})


def bought(**more: Any) -> dict[str, Any]:
    return {"type": "checkout_completed", "ts": BEGIN, "n": "sh-1", "total": 79.3, "currency": "CHF", **more}


def test_keys_are_those_of_the_pixels_events_alone() -> None:
    events = {
        "/": [{"type": "view", "ts": 1, "key": "0" * 16}],
        "/checkout": [
            bought(key=KEY),
            bought(key="no key"),
            bought(key=7),
            {"type": "checkout_started", "ts": 1, "key": "1" * 16},
        ],
    }

    assert checkout_keys(events) == {KEY, "1" * 16}


def test_pixel_and_webhook_of_one_order_are_one_purchase() -> None:
    order = read_order(sample("orders_create"))
    by_pixel = visit(bought(key=order.key), bought(key=order.key, n="sh-2"))

    assert [(one.minor, one.currency) for one in purchases(by_pixel)] == [(7930, "CHF")]
    assert [(one.minor, one.currency) for one in purchases(with_order(by_pixel, order))] == [(8490, "EUR")]
    assert purchases(with_order(by_pixel, read_order(sample("orders_cancelled")))) == []


def test_a_purchase_without_a_key_counts_once_for_each_number_of_its_event() -> None:
    session = visit(bought(), bought(ts=BEGIN + 1), bought(n="sh-2", total=None), bought(n=None, total="x"))

    assert [one.minor for one in purchases(session)] == [7930, None, None]


def test_every_sequence_of_webhooks_leaves_the_same_session() -> None:
    arriving = [
        read_order(sample("orders_create")),
        read_order(sample("orders_updated_refund")),
        replace(read_refund(refund_body(77, "2026-11-26T09:00:00+01:00", "39.00")), key=checkout_key(TOKEN)),
    ]
    sessions = []
    for sequence in itertools.permutations(arriving * 2):
        session = visit(bought(key=checkout_key(TOKEN)))
        for order in sequence:
            session = with_order(session, order)
        sessions.append(session)

    assert sessions == [sessions[0]] * len(sessions)
    assert [(one.minor, one.currency) for one in purchases(sessions[0])] == [(4590, "EUR")]


def test_what_changes_nothing_returns_the_very_session() -> None:
    order = read_order(sample("orders_create"))
    session = with_order(visit(), order)

    assert with_order(session, order) is session
    assert with_order(session, replace(order, updated_ms=order.updated_ms - 1, minor=1)) is session


def test_a_session_keeps_its_newest_orders_and_records_of_other_versions() -> None:
    session = replace(visit(), orders={"of another version": {"v": 2}})
    for number in range(MOST_ORDERS + 3):
        key = f"{number:016x}"
        session = with_order(session, OrderState(key=key, order_hash=key, at_ms=number, updated_ms=number + 1))

    assert len(list(orders_of(session))) == MOST_ORDERS
    assert session.orders["of another version"] == {"v": 2}
    assert f"{2:016x}" not in session.orders
    assert f"{MOST_ORDERS + 2:016x}" in session.orders
