"""What is kept of decisions, and how it stays bounded."""

from __future__ import annotations

from typing import Any

from testing.advice import NOON, documents_session, with_event
from tracker.decisions import log as ledger
from tracker.sessions.model import ShopperSession


def entry(at: int, *, show: bool = False, items: int = 0) -> dict[str, Any]:
    return {"at": at, "show": show, "source": "rules", "signals": {"items": items}}


def test_a_session_without_decisions_has_none_and_says_never() -> None:
    session = ShopperSession(session="a-session")
    assert ledger.entries(session) == []
    assert ledger.last(session) is None
    assert (ledger.shown(session), ledger.last_shown_ms(session), ledger.last_asked_ms(session)) == (0, 0, 0)
    assert (ledger.asking_until(session), ledger.most_items(session)) == (0, 0)


def test_the_newest_entries_are_kept_and_popups_are_counted_beyond_them() -> None:
    session = ledger.with_entry(ShopperSession(session="a-session"), entry(1, show=True, items=9))
    for at in range(2, 2 + ledger.KEPT):
        session = ledger.with_entry(session, entry(at))
    assert [one["at"] for one in ledger.entries(session)] == list(range(2, 2 + ledger.KEPT))
    assert (ledger.shown(session), ledger.last_shown_ms(session)) == (1, 1)
    session = ledger.with_entry(session, entry(99, show=True))
    assert (ledger.shown(session), ledger.last_shown_ms(session)) == (2, 99)
    assert ledger.last(session) == entry(99, show=True)


def test_only_who_asks_the_model_ends_the_note_that_it_is_being_asked() -> None:
    session = ledger.claimed(ShopperSession(session="a-session"), NOON, NOON + 5000)
    assert (ledger.asking_until(session), ledger.last_asked_ms(session)) == (NOON + 5000, NOON)
    by_another = ledger.with_entry(session, entry(NOON + 1))
    assert ledger.asking_until(by_another) == NOON + 5000
    done = ledger.with_entry(by_another, entry(NOON + 2), ends_asking=True)
    assert (ledger.asking_until(done), ledger.last_asked_ms(done)) == (0, NOON)


def test_nothing_of_the_session_but_its_decisions_changes() -> None:
    session = documents_session()
    changed = ledger.with_entry(ledger.claimed(session, NOON, NOON + 1), entry(NOON))
    record, before = changed.to_record(), session.to_record()
    del record["decisions"]
    assert record == before
    assert session.decisions == {}


def test_the_fingerprint_changes_with_what_the_shopper_does_and_with_nothing_else() -> None:
    session = documents_session()
    same = [
        documents_session(updated_at=NOON + 3_600_000),
        documents_session(time_on_page={"/cart": 999_999}),
        ledger.with_entry(session, entry(NOON)),
        with_event(session, "popup_shown", NOON + 1),
    ]
    others = [
        documents_session(items_in_cart=6),
        with_event(session, "click", NOON + 1),
        with_event(session, "click", NOON - 90_000),
        with_event(session, "popup_dismissed", NOON + 1),
    ]
    assert {ledger.fingerprint(one) for one in same} == {ledger.fingerprint(session)}
    assert ledger.fingerprint(session) not in {ledger.fingerprint(one) for one in others}


def test_most_items_is_what_the_cart_held_when_asked_about() -> None:
    session = documents_session()
    for items in (0, 7, 3):
        session = ledger.with_entry(session, entry(NOON, items=items))
    assert ledger.most_items(session) == 7
