"""The grammar of the session file: what is spelled is read back, and what a crash leaves is told from damage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.sessions.model import Record, ShopperSession
from tracker.storage.json_file.text import (
    EMPTY,
    FOOTER,
    HEADER,
    Scan,
    Tail,
    judge,
    key_of,
    line,
    read_line,
    salvage,
    separator,
    updated_at,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', "\\", "\n", "\r\n", "\x00", "\u2028", '":', "}", "\n}", ',\n"a":{}', "null", "🧦", '{"session":"x"}', "é"]
)
ids = st.from_regex(r"[A-Za-z0-9._-]{8,64}", fullmatch=True) | texts.filter(bool)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
records: st.SearchStrategy[Record] = st.builds(
    lambda further, at, events: {**further, "session": "x", "events": events, "updatedAt": at},
    st.dictionaries(texts, values, max_size=3),
    st.integers(0, 2**53),
    st.dictionaries(texts, st.lists(st.dictionaries(texts, values, max_size=3), max_size=2), max_size=2),
)
lines = st.lists(st.tuples(ids, st.none() | records), max_size=6)


def spell(content: list[tuple[str, Record | None]]) -> bytes:
    return HEADER + b"".join(separator(first=not at) + line(*one) for at, one in enumerate(content)) + FOOTER


Found = list[tuple[int, int, bytes, int | None]]
"""Of each line: where it stands, how long it is, the key of its session, and when that was updated."""


def scan(data: bytes, *, trusts: bool = False) -> tuple[Found, Scan]:
    """Scan a file; offsets count from its beginning."""
    return found_by(Scan(data[len(HEADER) :], first=True, trusts=trusts), len(HEADER) + 1)


def found_by(scan: Scan, offset: int) -> tuple[Found, Scan]:
    found: Found = []
    for key, length, at in zip(scan.keys, scan.lengths, scan.times, strict=True):
        found.append((offset, length, key, at))
        offset += length + 2
    return found, scan


@given(ids, st.none() | records)
@example("a", None)
def test_a_line_is_read_as_it_was_spelled(session_id: str, record: Record | None) -> None:
    spelled = line(session_id, record)
    assert b"\n" not in spelled
    assert read_line(spelled) == (session_id, record)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b'"',
        b'"a"',
        b'"a":',
        b'"a":1',
        b'"a":[]',
        b'"a":"b"',
        b'"a":{',
        b'"a":{}}',
        b'"a":{},',
        b"a:{}",
        b'x"a":{}',
        b'"a":{"b":NaN}',
        b'"a":nul',
        b'"a\xff":{}',
        b'"a":{"b":"\xff"}',
        b'"a"x:{}',
        b"null",
        b"\x00" * 9,
    ],
)
def test_a_text_that_is_not_one_whole_line_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError):
        read_line(broken)


@given(lines)
@example([])
@example([("a", None), ("a", None)])
def test_a_whole_file_is_scanned_to_its_footer_and_is_what_any_json_parser_reads(
    content: list[tuple[str, Record | None]],
) -> None:
    data = spell(content)
    found, scan_ = scan(data)
    assert scan_.is_whole
    assert data[len(HEADER) + scan_.end :] == FOOTER
    assert [(key, at is None) for _, _, key, at in found] == [(key_of(who), record is None) for who, record in content]
    assert [read_line(data[offset : offset + length]) for offset, length, _, _ in found] == content
    assert json.loads(data) == dict(content)


def test_the_empty_file_is_whole() -> None:
    assert scan(EMPTY)[1].is_whole
    assert json.loads(EMPTY) == {}


@given(lines.filter(bool), st.data())
def test_a_file_cut_anywhere_gives_its_whole_lines_and_the_rest_is_torn(
    content: list[tuple[str, Record | None]], data: st.DataObject
) -> None:
    whole = spell(content)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    found, scan_ = scan(cut)
    ends = [len(spell(content[:count])) - len(FOOTER) for count in range(1, len(content) + 1)]
    count = sum(end <= len(cut) for end in ends)
    assert [read_line(cut[offset : offset + length]) for offset, length, _, _ in found] == content[:count]
    assert not scan_.is_whole
    assert judge(cut[len(HEADER) + scan_.end :]) is Tail.TORN


@given(lines, records, records, st.data())
def test_a_line_left_out_by_a_power_failure_never_costs_the_ones_before_it(
    before: list[tuple[str, Record | None]], lost: Record, late: Record, data: st.DataObject
) -> None:
    """Of the blocks behind the last promised line any may be as they were: NUL, or the old foot."""
    old = spell(before)
    new = spell([*before, ("lost-0001", lost), ("late-0002", late)])
    start = len(old) - len(FOOTER)
    end = data.draw(st.integers(start, len(new)))
    hole = data.draw(st.integers(start, end))
    state = new[:start] + (old[start:].ljust(len(new), b"\0"))[: hole - start] + new[hole:]
    found, scan_ = scan(state)
    assert [key for _, _, key, _ in found][: len(before)] == [key_of(who) for who, _ in before]
    if not scan_.is_whole:
        assert judge(state[len(HEADER) + scan_.end :]) is not Tail.DAMAGED


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b",",
        b"\n",
        b",\n",
        b'\n"',
        b',\n"abc',
        b',\n"abcdefgh":{"session":"x"',
        b",}",
        b",\n" + b"\x00" * 40,
        b"\n}\n",
        b"\n}\r\n",
        b"}",
        b" }\n",
        b"\n}\x00\x00\x00",
        b'\n}"abcdefgh":{"s',
        b'\n\n"abcdefgh":{"s',
        b'\n}abcdefgh":{"s',
        b"\x00" * 512,
        b'\x00\x00"events":{}}\n}',
        b'\n}"abcdefgh":{}\n}',
    ],
)
def test_a_tail_that_a_crash_leaves_is_torn(rest: bytes) -> None:
    assert judge(rest) is Tail.TORN


@pytest.mark.parametrize(
    "rest",
    [
        b',\n\x00\x00\x00\n"abcdefgh":{}\n}',
        b'\n}"abcdefgh":{},\n"ijklmnop":{}\n}',
        b'\n\n"abcdefgh":{}\n}',
        b',\n"abc\x00\x00\x00\x00,\n"ijklmnop":{},\n"qrs',
    ],
)
def test_whole_lines_behind_a_hole_are_found(rest: bytes) -> None:
    assert judge(rest) is Tail.HOLES


@pytest.mark.parametrize(
    "rest",
    [
        b"x",
        b'"abcdefgh":{}}',
        b'"a": 1}',
        b"[]",
        b"\n]\n}",
        b"\n}\n{\n}",
        b'\n}{"a":{}}',
        b',\n"a":x,\n"ijklmnop":{}\n}',
        b'\n"a":1,\n"b":2\n}',
        b'\n  "abcdefgh": {\n    "session": "abcdefgh"\n  }\n}\n',
        b"\n}\nhello",
        b",\n,\n",
    ],
)
def test_a_tail_that_no_crash_leaves_is_damage(rest: bytes) -> None:
    assert judge(rest) is Tail.DAMAGED


@given(lines, st.sampled_from([None, 0, 2, "\t"]))
def test_salvage_gives_every_session_of_a_sound_file_in_any_layout(
    content: list[tuple[str, Record | None]], indent: int | str | None
) -> None:
    plain = {who: record for who, record in content if record is not None}
    saved = dict(salvage(json.dumps(plain, indent=indent, ensure_ascii=False).encode()))
    assert saved == plain


@given(lines.filter(bool), st.binary(max_size=40), st.data())
def test_salvage_gives_every_whole_line_before_and_behind_the_damage(
    content: list[tuple[str, Record | None]], junk: bytes, data: st.DataObject
) -> None:
    content = [(f"session-{at}", record) for at, (_who, record) in enumerate(content)]
    hit = data.draw(st.integers(0, len(content) - 1))
    spelled = [line(*one) for one in content]
    spelled[hit] = b"#" + junk.replace(b'"', b"'").replace(b"\n", b" ") + b"#"
    saved = dict(salvage(HEADER + b"\n" + b",\n".join(spelled) + FOOTER))
    assert saved == {who: record for at, (who, record) in enumerate(content) if at != hit}


def test_salvage_takes_an_event_with_a_null_for_no_deletion() -> None:
    whole = spell([("shopper-1", {"session": "shopper-1", "events": {}})])
    torn = whole.removesuffix(FOOTER) + b',\n"shopper-2":{"events":{"/":[{"type":"x","shopper-1":null,"b":'
    assert dict(salvage(torn)) == {"shopper-1": {"session": "shopper-1", "events": {}}}


@pytest.mark.parametrize(
    ("record", "at"),
    [
        ({"updatedAt": 5}, 5),
        ({"updatedAt": 5.4, "events": {}}, 5),
        ({"updatedAt": True, "events": {"/": [{"ts": 1_700_000_000}]}}, 1_700_000_000_000),
        ({"updatedAt": "soon"}, 0),
        ({"updatedAt": -1}, 0),
        ({}, 0),
    ],
)
def test_when_a_session_was_updated_is_known_of_any_record(record: Record, at: int) -> None:
    assert updated_at(record) == at


@given(st.lists(st.sampled_from(["session-a", "session-b", "Session.c-d_e"]), min_size=1), st.booleans())
def test_lines_known_by_their_beginnings_are_those_that_parsing_finds(ids: list[str], first: bool) -> None:
    records = [ShopperSession(session=one, updated_at=number).to_record() for number, one in enumerate(ids)]
    spelled = separator(first) + separator(first=False).join(map(line, ids, records)) + FOOTER

    trusting, parsing = (Scan(spelled, first=first, trusts=trusts) for trusts in (True, False))
    assert found_by(trusting, 0)[0] == found_by(parsing, 0)[0]
    assert (trusting.end, trusting.is_whole) == (parsing.end, parsing.is_whole) == (len(spelled) - len(FOOTER), True)


@pytest.mark.parametrize(
    "foreign",
    [
        b'"session-a":null',
        b'"session-a":{"session":"session-b","updatedAt":1,"events":{}}',
        b'"session-a":{"itemsInCart":1,"session":"session-a","updatedAt":1}',
        b'"session-a":{"session":"session-a","updatedAt":-1,"events":{}}',
        b'"session-a":{"session":"session-a","updatedAt":1,"events":{"/":[',
        b'"session-a":{"session":"session-a","updatedAt":1,"events":{}}\n}',
        b'"a":{"session":"a","updatedAt":1,"events":{}}',
        b"",
    ],
)
def test_a_line_that_this_version_would_not_write_is_parsed(foreign: bytes) -> None:
    sound = line("session-z", ShopperSession(session="session-z").to_record())

    for spelled in (b",\n" + foreign, b",\n" + sound + b",\n" + foreign, sound, b",\n" + foreign + b",\n" + sound):
        trusting, parsing = (Scan(spelled + FOOTER, first=False, trusts=trusts) for trusts in (True, False))
        assert found_by(trusting, 0)[0] == found_by(parsing, 0)[0]
        assert (trusting.end, trusting.is_whole) == (parsing.end, parsing.is_whole)


def test_a_line_with_a_hole_is_never_known_by_its_beginning() -> None:
    """A power failure leaves NUL bytes out of an unflushed line; it would put an acknowledged one out of use."""
    sound = line("session-a", {**ShopperSession(session="session-a").to_record(), "text": "x" * 40})
    holed = sound.replace(b"x" * 40, b"\0" * 40)

    assert Scan(b",\n" + sound + b",\n" + holed + FOOTER, first=False, trusts=True).keys == [b"session-a"]


@pytest.mark.parametrize("session_id", [":x", ":", '":', "", 'a"b":c', "a\nb", "\0", "é", "\\"])
def test_an_id_of_any_spelling_is_found_where_it_ends(session_id: str) -> None:
    """S1: an id that began with a colon was searched for `":` and made the store unreadable."""
    record = {"session": session_id, "events": {}, "updatedAt": 1}
    spelled = line(session_id, record)

    assert read_line(spelled) == (session_id, record)
    assert Scan(b"\n" + spelled + FOOTER, first=True).is_whole
    assert dict(salvage(HEADER + b"\n" + spelled + FOOTER)) == {session_id: record}


@pytest.mark.parametrize(
    "rest",
    [
        b'\n  "shopper-1": {\n    "session": "shopper-1"\n  }\n}' + b"\0" * 512,
        b'\n"shopper-1": {\n"session": "shopper-1"' + b"\0" * 512,
        '\n  "shopper-1": {}\n}'.encode("utf-16-le"),
        b'"shopper-1":{"session":"shopper-1"}' + b"\0" * 9,
        b"\0" * 512,
    ],
)
def test_another_layout_at_the_beginning_of_a_file_is_not_a_torn_line(rest: bytes) -> None:
    """S2: it was cut, and kept under the name of a torn line."""
    assert judge(rest, behind_a_line=False) is Tail.DAMAGED


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"\n",
        b"\n}",
        b"\n}\0\0\0",
        b'\n"shopper-',
        b'\n"shopper-1":{"sess',
        b'\n"shopper-1":{"session":"shopper-1"',
    ],
)
def test_our_own_first_line_may_be_torn(rest: bytes) -> None:
    assert judge(rest, behind_a_line=False) is Tail.TORN
