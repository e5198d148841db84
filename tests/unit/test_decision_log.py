"""The decision log: its record form, what it keeps, how it stays bounded, and damaged or foreign entries."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from testing.advice import NOON, documents_session, log_entry, with_event
from tracker.decisions.log.entry import LogEntry
from tracker.decisions.log.session_log import KEPT, DecisionLog, fingerprint, with_claim, with_entry
from tracker.sessions.model import ShopperSession

EMPTY = ShopperSession(session="a-session")


def test_the_log_of_a_session_without_decisions_is_empty() -> None:
    log = DecisionLog.of(EMPTY)
    assert (log.records, log.entries, log.last) == ((), [], None)
    assert (log.shown, log.last_shown_ms, log.last_asked_ms) == (0, 0, 0)
    assert (log.asking_until_ms, log.asked) == (0, 0)


def test_the_newest_entries_are_kept_and_popups_are_counted_beyond_them() -> None:
    session = with_entry(EMPTY, log_entry(1, show=True, items=9))
    for at in range(2, 2 + KEPT):
        session = with_entry(session, log_entry(at))
    log = DecisionLog.of(session)
    assert [one.at for one in log.entries] == list(range(2, 2 + KEPT))
    assert (log.shown, log.last_shown_ms) == (1, 1)
    log = DecisionLog.of(with_entry(session, log_entry(99, show=True)))
    assert (log.shown, log.last_shown_ms) == (2, 99)
    assert log.last == log_entry(99, show=True)


def test_only_the_outcome_of_the_call_ends_the_claim() -> None:
    session = with_claim(EMPTY, NOON, NOON + 5000)
    log = DecisionLog.of(session)
    assert (log.asking_until_ms, log.last_asked_ms, log.asked) == (NOON + 5000, NOON, 1)
    assert DecisionLog.of(with_claim(session, NOON + 1, NOON + 2)).asked == 2
    by_another = with_entry(session, log_entry(NOON + 1))
    assert DecisionLog.of(by_another).asking_until_ms == NOON + 5000
    done = DecisionLog.of(with_entry(by_another, log_entry(NOON + 2), ends_asking=True))
    assert (done.asking_until_ms, done.last_asked_ms) == (0, NOON)


def test_nothing_of_the_session_changes_except_its_decisions() -> None:
    session = documents_session()
    changed = with_entry(with_claim(session, NOON, NOON + 1), log_entry(NOON))
    record, before = changed.to_record(), session.to_record()
    del record["decisions"]
    assert record == before
    assert session.decisions == {}


def test_the_fingerprint_changes_with_what_the_shopper_does_and_with_nothing_else() -> None:
    session = documents_session()
    same = [
        documents_session(updated_at=NOON + 3_600_000),
        documents_session(time_on_page={"/cart": 999_999}),
        with_entry(session, log_entry(NOON)),
        with_event(session, "popup_shown", NOON + 1),
        with_event(session, "popup_dropped", NOON + 1),
    ]
    others = [
        documents_session(items_in_cart=6),
        with_event(session, "click", NOON + 1),
        with_event(session, "click", NOON - 90_000),
        with_event(session, "popup_dismissed", NOON + 1),
    ]
    assert {fingerprint(one) for one in same} == {fingerprint(session)}
    assert fingerprint(session) not in {fingerprint(one) for one in others}


# --- the record form --------------------------------------------------------------------------------------------------

_BASE: dict[str, Any] = {
    "at": NOON,
    "source": "gate",
    "trigger": "too_early",
    "show": False,
    "reason": "Only 4 s on the pages: too early, before 15 s, to tell what would help.",
    "confidence": 1.0,
    "seen": "1.1790000000000.0",
    "shop": "1f2e3d4c5b6a",
    "signals": {"stage": "landed", "items": 0, "dwell": 4, "pages": 1, "hesitating": False},
}
_POPUP = {"pick": "free-returns", "message": "Free returns within 30 days.", "category": "info", "delayMs": 2000}
_COST = {"name": "openai/gpt-oss-20b", "ms": 431, "promptTokens": 612, "completionTokens": 84}

STORED_BY_1_0_0: dict[str, dict[str, Any]] = {
    "gate": _BASE,
    "rules": {**_BASE, "source": "rules", "show": True, **_POPUP},
    "rules after a budget refusal": {**_BASE, "source": "rules", "fault": "budget"},
    "rules after a time-out": {**_BASE, "source": "rules", "fault": "timeout", "prompt": "2", "model": {}},
    "rules after an invalid answer": {**_BASE, "source": "rules", "fault": "invalid", "prompt": "1", "model": _COST},
    "the model's popup": {
        **_BASE,
        "source": "groq",
        "show": True,
        **_POPUP,
        "prompt": "2",
        "model": {"pick": "free-returns", "reason": "A full cart.", "opening": "Hello!", **_COST},
    },
    "the model's silence": {
        **_BASE,
        "source": "groq",
        "confidence": 0,
        "prompt": "2",
        "model": {"pick": "none", "reason": "", **_COST},
    },
    "a veto": {
        **_BASE,
        "source": "groq",
        "veto": "the model's opening holds a number, sign or symbol",
        "prompt": "2",
        "model": {"pick": "free-returns", "reason": "A full cart.", "opening": "90% off", **_COST},
    },
}


def test_an_entry_keeps_why_the_script_asked_which_signs_there_were_and_which_rule_held() -> None:
    entry = replace(log_entry(NOON, show=True), why="exit", signs=3, rule=12)
    record = entry.to_record()
    assert (record["why"], record["signs"], record["rule"]) == ("exit", 3, 12)
    assert LogEntry.from_record(record) == entry


@pytest.mark.parametrize("record", STORED_BY_1_0_0.values(), ids=STORED_BY_1_0_0.keys())
def test_an_entry_of_1_0_0_is_read_and_written_back_byte_for_byte(record: dict[str, Any]) -> None:
    assert json.dumps(LogEntry.from_record(record).to_record()) == json.dumps(record)


DAMAGED: list[Any] = [
    None,
    7,
    "text",
    [],
    {},
    {**_BASE, "at": "yesterday"},
    {**_BASE, "signals": None},
    {**_BASE, "signals": {"items": 3}},
    {**_BASE, "show": 1},
    {**_BASE, "show": True},
    {**_BASE, "show": True, **_POPUP, "pick": None},
    {**_BASE, "model": "many"},
    {**_BASE, "model": {}, "prompt": None},
]


@pytest.mark.parametrize("damaged", DAMAGED, ids=repr)
def test_a_damaged_entry_is_passed_over_and_kept_as_it_is(damaged: Any) -> None:
    with pytest.raises(ValueError, match="entr"):
        LogEntry.from_record(damaged)
    session = replace(EMPTY, decisions={"entries": [damaged, _BASE], "shown": 1, "of a later version": True})
    log = DecisionLog.of(session)
    assert ([one.trigger for one in log.entries], len(log.records), log.shown) == (["too_early"], 2, 1)
    added = with_entry(session, log_entry(NOON, show=True))
    assert added.decisions["entries"][:2] == [damaged, _BASE]
    assert (added.decisions["shown"], added.decisions["of a later version"]) == (2, True)


@pytest.mark.parametrize(
    "decisions", [{"entries": 7}, {"entries": {"a": 1}}, {"entries": None, "shown": "two", "lastShown": [], "x": 1}]
)
def test_a_log_without_a_list_of_entries_counts_as_empty(decisions: dict[str, Any]) -> None:
    session = replace(EMPTY, decisions=decisions)
    assert DecisionLog.of(session) == DecisionLog()
    assert DecisionLog.of(with_entry(session, log_entry(5, show=True))).shown == 1
