r"""What the session file holds, as text: the one place that knows its grammar.

    {
    "<id>":{...},
    "<id>":null,
    "<id>":{...}
    }

Every line is `"<id>":<record>`; lines are joined by `,\n`; the file ends with `\n}`. An id may stand on several lines:
the last one counts, as every JSON parser has it. `null` says that the session was deleted. A record holds no newline,
for JSON text escapes them, so a line break always is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

import orjson

from tracker.sessions.legacy import read_record
from tracker.sessions.model import Record

HEAD = b"{"
FOOT = b"\n}"
EMPTY = HEAD + FOOT
DELETED = b"null"


class Line(NamedTuple):
    """One line of the file: where its text stands, whose it is, and when that was updated (None: it is deleted)."""

    offset: int
    length: int
    session_id: str
    updated_at: int | None


def line(session_id: str, record: Record | None) -> bytes:
    """Spell one line, without what joins it to the others."""
    return orjson.dumps(session_id) + b":" + (DELETED if record is None else orjson.dumps(record))


def joint(first: bool) -> bytes:
    """Give what stands before a line: the head needs no comma."""
    return b"\n" if first else b",\n"


def read_line(text: bytes) -> tuple[str, Record | None]:
    """Give (session id, record) of a line; None for a deleted one. Raises ValueError where it is not a whole line."""
    close = text.find(b'":')
    if not text.startswith(b'"') or close < 0:
        raise ValueError("a line begins with a session id in quotes")
    if b"\\" in text[:close]:
        # Only ids that an older system let in need escapes; let the JSON parser find where such a one ends.
        spelled = text.decode()
        session_id, close = json.JSONDecoder().raw_decode(spelled)
        if spelled[close : close + 1] != ":":
            raise ValueError("a session id is followed by a colon")
        value = orjson.loads(spelled[close + 1 :])
    else:
        session_id = text[1:close].decode()
        value = orjson.loads(text[close + 2 :])
    if value is not None and not isinstance(value, dict):
        raise ValueError("a session is an object")
    return session_id, value


def updated_at(record: Record) -> int:
    """Tell when the session was updated last, also of a record that a hand wrote."""
    at = record.get("updatedAt")
    return at if type(at) is int and at >= 0 else read_record("", record, 0).updated_at


def _read_first(text: bytes) -> tuple[bytes, str, Record | None]:
    """Read the line that stands first in the text. A record shows by itself where it ends, which is the last word.

    Where a sector of the disk ends in the midst of the foot, a power failure leaves the comma of a later line, which
    nobody was promised, behind a line that somebody was, and anything behind the comma.
    """
    text = text.removesuffix(b",")
    try:
        return text, *read_line(text)
    except ValueError:
        decoder, spelled = json.JSONDecoder(), text.decode("utf-8", "surrogateescape")
        _session_id, end = decoder.raw_decode(spelled)
        _record, end = decoder.raw_decode(spelled, end + 1)
        text = spelled[:end].encode("utf-8", "surrogateescape")
        return text, *read_line(text)


class Scan:
    """Reads whole lines from a place in the file on, up to its end or to the first byte that does not fit."""

    def __init__(self, data: bytes, start: int, first: bool) -> None:
        """Begin at `start`, which is just behind the head (`first`) or behind a line."""
        self._data = data
        self.end = start
        """Just behind the last whole line (or the head): where the foot stands if all is well."""
        self.first = first
        """Whether no line was seen yet."""
        self.lines = 0

    def __iter__(self) -> Iterator[Line]:
        data = self._data
        while True:
            joint_here = joint(self.first)
            start = self.end + len(joint_here)
            if data[self.end : start] != joint_here:
                return
            stop = data.find(b"\n", start)
            text = data[start : stop if stop >= 0 else None]
            try:
                text, session_id, record = _read_first(text)
                line = Line(start, len(text), session_id, None if record is None else updated_at(record))
            except (ValueError, RecursionError):
                return
            self.end, self.first = start + len(text), False
            self.lines += 1
            yield line

    @property
    def is_whole(self) -> bool:
        """Whether nothing but the foot follows: to be asked after the iteration."""
        return self._data[self.end :] == FOOT


_OWN_LINE = re.compile(rb'"([A-Za-z0-9._-]{8,64})":\{"session":"\1","updatedAt":([0-9]{1,16}),')


def own_lines(data: bytes, first: bool) -> list[Line] | None:
    """Read the lines that make up all of `data` by how this version begins each; None where one is not so.

    For what a process of this version just wrote. Parsing a line of 25 KB again, only to know whose it is, would cost
    as much as writing it.
    """
    begin, between = joint(first), joint(first=False)
    if not data.startswith(begin):
        return None
    lines: list[Line] = []
    place = len(begin)
    for piece in data[place:].split(between):
        found = _OWN_LINE.match(piece)
        if found is None or not piece.endswith(b"}") or b"\n" in piece:
            return None
        lines.append(Line(place, len(piece), found[1].decode(), int(found[2])))
        place += len(piece) + len(between)
    return lines


_KEY = re.compile(r'"(?:[^"\\\n]|\\.){1,256}"\s*:\s*(?=\{|null)')


def salvage(data: bytes) -> Iterator[tuple[str, Record | None]]:
    """Give every (session id, record) that stands whole in a broken file of any layout, in order."""
    text = data.decode("utf-8", "surrogateescape")
    decoder = json.JSONDecoder()
    place = 0
    while key := _KEY.search(text, place):
        place = key.end()
        try:
            session_id = json.loads(key.group().rstrip().removesuffix(":"))
            record, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        # A null is a deletion only as a line of its own: an event whose record is torn may hold one, too.
        is_line = text[key.start() - 1] == "\n" and text[end : end + 1] in {",", "\n"}
        if is_session(record) or (record is None and is_line):
            place = end
            yield session_id, record


def is_session(value: object) -> bool:
    """Tell whether a JSON value looks like a session of this system or of the original one."""
    if not isinstance(value, dict) or not isinstance(value.get("events", {}), dict):
        return False
    return not value.keys().isdisjoint({"session", "itemsInCart", "itemsoncart", "timeOnPage", "timeonpage", "events"})


class Tail(Enum):
    """What stands behind the last whole line where it is not the foot."""

    TORN = "a line that a crash cut short, which was never acknowledged"
    HOLES = "lines that a power failure left out, with whole ones behind them"
    DAMAGED = "something that no crash leaves"


_TORN_LINE = re.compile(rb',\}?|(?:,?\n(?:"[^\n]*)?)?')
_OLD_FOOT = re.compile(rb'(?:\n\n"|\n\}["\w.-])[^\n]*')
"""A foot that stayed, or whose first byte did because a sector ends there, where a line was written over it."""
_ONLY_A_FOOT = re.compile(rb"\s*\}?\s*")


def judge(rest: bytes) -> Tail:
    """Judge what follows the last whole line.

    A killed process leaves a part of one line. A power failure may leave any of the unsynced blocks out, which read as
    NUL bytes then; only lines that were never acknowledged can be hit, but whole ones may stand behind them. Whatever
    else is found, a hand or a failing disk did it, and it may have hit what was acknowledged.
    """
    left_out = b"\0" in rest or _OLD_FOOT.match(rest)
    *terminated, _last = rest.split(b"\n")
    if any(map(_is_whole_line, terminated)):
        return Tail.HOLES if left_out else Tail.DAMAGED
    if left_out or _TORN_LINE.fullmatch(rest) or _ONLY_A_FOOT.fullmatch(rest):
        return Tail.TORN
    return Tail.DAMAGED


def _is_whole_line(piece: bytes) -> bool:
    try:
        read_line(piece.removesuffix(b","))
    except (ValueError, RecursionError):
        return False
    return True
