"""Reading events: the fast path for a batch gives the same result as checking each event."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tracker.ingest.events import EventLimits, Rejections, read_events
from tracker.sessions.model import MAX_INTEGER

LIMITS = EventLimits(event_bytes=300, depth=5, body_events=5000, pages=200)
NEEDS_THE_SLOW_PATH: dict[str, Any] = {"type": "view", "ts": 1, "text": "a\\b"}

texts = st.text(max_size=12) | st.sampled_from(["a\\b", "a\nb", "\x7f", "{", "[", "\u2028", "größer", "\ud83d"])
numbers = st.sampled_from([0, 7, -1, 1.5, MAX_INTEGER, MAX_INTEGER + 1, -MAX_INTEGER - 1, 1e300, 2**63, 2**64])
scalars = texts | numbers | st.booleans() | st.none()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
good = st.fixed_dictionaries(
    {"type": st.sampled_from(["view", "click"]), "ts": st.integers(0, 9)}, optional={"target": texts, "n": numbers}
)
events = st.lists(good | st.fixed_dictionaries({"type": values, "ts": values}, optional={"more": values}) | values)


def read(listed: list[Any]) -> tuple[list[Any], list[dict[str, str]], int]:
    rejected = Rejections()
    found = read_events({"/": listed}, LIMITS, 2, False, rejected)
    return found["/"], rejected.reasons, rejected.count


@given(events)
@example([{"type": "view", "ts": 1, "target": "\ud83d"}])
@example([{"type": "view", "ts": 1, "n": 2**64}, {"type": "view", "ts": -1}])
@example([{"type": "view", "ts": 1, "n": 1e300}, {"type": "\x7f", "ts": 1}])
@example([{"type": "view", "ts": 1, "more": {"a\\b": "\u2028"}}, None, []])
def test_the_fast_path_gives_the_same_events_as_checking_each(listed: list[Any]) -> None:
    together = read(listed)
    one_by_one = read([*listed, NEEDS_THE_SLOW_PATH])

    assert one_by_one[0].pop() == NEEDS_THE_SLOW_PATH
    assert repr(together) == repr(one_by_one)


def test_events_keep_their_order_and_a_fault_its_position() -> None:
    listed = [{"type": "click", "ts": number, "text": "ä" * (number % 50 == 7)} for number in range(500)]
    listed[77] = {"type": "click"}
    kept, reasons, count = read(listed)

    assert [event["ts"] for event in kept] == [number for number in range(500) if number != 77]
    assert (reasons[0]["where"], count) == ("events./.77", 1)
