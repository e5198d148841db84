r"""The grammar of the session file: the one place that spells and reads it.

    {
    "<id>":{...},
    "<id>":null,
    "<id>":{...}
    }

Every line is `"<id>":<record>`; lines are joined by `,\n`; the file ends with `\n}`. An id may stand on several lines:
the last one counts, as in every JSON parser. `null` is a tombstone: the session was deleted. JSON text escapes
newlines, so a newline in the file always ends a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from itertools import chain, repeat

import orjson

from tracker.sessions.legacy import read_record
from tracker.sessions.model import Record

HEADER = b"{"
FOOTER = b"\n}"
EMPTY = HEADER + FOOTER
TOMBSTONE = b"null"


def key_of(session_id: str) -> bytes:
    """Return the id as the file spells it, without its quotes: it holds no control character."""
    return orjson.dumps(session_id)[1:-1]


def line(session_id: str, record: Record | None) -> bytes:
    """Return one line, without what joins it to the others."""
    return b"%b:%b" % (orjson.dumps(session_id), TOMBSTONE if record is None else orjson.dumps(record))


def separator(first: bool) -> bytes:
    """Return what stands before a line: the first one follows the header and needs no comma."""
    return b"\n" if first else b",\n"


BETWEEN = len(separator(first=False))

KEY_OF_LINE = re.compile(rb'("(?:[^"\\]|\\.)*"):')


def read_line(text: bytes) -> tuple[str, Record | None]:
    """Return (session id, record) of a line; None for a tombstone. Raises ValueError where it is not one whole line."""
    found = KEY_OF_LINE.match(text)
    if found is None:
        raise ValueError("a line begins with a session id in quotes and a colon")
    session_id, value = orjson.loads(found[1]), orjson.loads(text[found.end() :])
    if value is not None and not isinstance(value, dict):
        raise ValueError("a session is an object")
    return session_id, value


def read_record_of(key: bytes, text: bytes) -> Record | None:
    """Return the record of a line of this session; None where it is not one whole line with a record of it."""
    begin = b'"%b":' % key
    try:
        record = orjson.loads(memoryview(text)[len(begin) :]) if text.startswith(begin) else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def updated_at(record: Record) -> int:
    """Return when the session was updated last (ms), also of a record that another system or a person wrote."""
    at = record.get("updatedAt")
    return at if type(at) is int and at >= 0 else read_record("", record, 0).updated_at


def _read_first(text: bytes) -> tuple[bytes, str, Record | None]:
    """Read the line at the beginning of the text. A record shows by itself where it ends.

    Where a sector of the disk ends inside the footer, a power failure leaves the comma of a later, unacknowledged line
    behind an acknowledged one, and anything behind the comma.
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


_OWN_LINE = re.compile(rb'"([A-Za-z0-9._-]{8,64})":\{"session":"\1","updatedAt":([0-9]{1,16}),')


class Scan:
    """The whole lines at the beginning of `data`, which stands behind the header (`first`) or behind a line.

    `trusts`: a line that begins as this version writes lines, and ends in `}` and a newline, is not parsed now but when
    it is read: to parse 1 KB only to know its session costs five times as much as all the rest.
    """

    def __init__(self, data: bytes, *, first: bool, trusts: bool = False) -> None:
        self.keys: list[bytes] = []
        self.lengths: list[int] = []
        self.times: list[int | None] = []
        """When each line's session was updated; None for a tombstone."""
        self.end = 0
        """Just behind the last whole line."""
        begin = separator(first)
        if data.startswith(begin):
            # Holes of a power failure read as NUL, which JSON text never holds: no line beside one is trusted.
            self._read(data.split(b"\n")[1:], len(begin), trusts and b"\0" not in data)
        self.is_whole = data[self.end :] == FOOTER
        """Whether nothing but the footer follows."""

    def _read(self, pieces: list[bytes], place: int, trusts: bool) -> None:
        is_at_the_end = pieces[-1] == FOOTER[1:]
        # Without the footer no newline shows that the last one is whole.
        lines, rest = (pieces[:-1], []) if is_at_the_end else (pieces[:-1], pieces[-1:])
        if trusts and lines:
            begun = list(map(_OWN_LINE.match, lines))
            ends = map(bytes.endswith, lines, chain(repeat(b"},", len(lines) - is_at_the_end), [b"}"]))
            if all(begun) and all(ends):
                self.keys = [line[1] for line in begun if line]
                self.times = [int(line[2]) for line in begun if line]
                self.lengths = [len(piece) - 1 for piece in lines]
                self.lengths[-1] += is_at_the_end
                self.end = place + sum(self.lengths) + BETWEEN * (len(lines) - 1)
                place, lines = self.end + BETWEEN, []
        pieces = lines + rest
        for number, piece in enumerate(pieces, 1):
            try:
                line, session_id, record = _read_first(piece)
                key, at = key_of(session_id), None if record is None else updated_at(record)
            except (ValueError, TypeError, RecursionError):
                return
            self.keys.append(key)
            self.times.append(at)
            self.lengths.append(len(line))
            self.end = place + len(line)
            if len(line) + 1 != len(piece) or number == len(pieces):
                return  # No comma and newline follow.
            place = self.end + BETWEEN


_KEY = re.compile(r'"(?:[^"\\\n]|\\.){0,256}"\s*:\s*(?=\{|null)')


def salvage(data: bytes) -> Iterator[tuple[str, Record | None]]:
    """Return every (session id, record) that stands whole in a broken file of any layout, in order."""
    text = data.decode("utf-8", "surrogateescape")
    decoder = json.JSONDecoder()
    place = 0
    while key := _KEY.search(text, place):
        place = key.end()
        try:
            session_id = json.loads(key.group().rstrip().removesuffix(":")).encode("utf-8", "replace").decode()
            record, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        # A null is a tombstone only as a line of its own: an event whose record is torn may hold one, too.
        is_line = text[key.start() - 1] == "\n" and text[end : end + 1] in {",", "\n"}
        if is_session(record) or (record is None and is_line):
            place = end
            yield session_id, record


def is_session(value: object) -> bool:
    """Return whether a JSON value looks like a session of this system or of the original one."""
    if not isinstance(value, dict) or not isinstance(value.get("events", {}), dict):
        return False
    return not value.keys().isdisjoint({"session", "itemsInCart", "itemsoncart", "timeOnPage", "timeonpage", "events"})


class Tail(Enum):
    """What stands behind the last whole line where it is not the footer."""

    TORN = "a line that a crash cut short, which was never acknowledged"
    HOLES = "lines that a power failure left out, with whole ones behind them"
    DAMAGED = "something that no crash leaves"


_TORN_LINE = re.compile(rb',\}?|(?:,?\n(?:"[^\n]*)?)?')
_OLD_FOOTER = re.compile(rb'(?:\n\n"|\n\}["\w.-])[^\n]*')
"""A footer that stayed, or its first byte because a sector ends there, where a line was written over it."""
_ONLY_A_FOOTER = re.compile(rb"[ \t\r\n]*\}?[ \t\r\n]*")
_FIRST_KEY = re.compile(rb'\n"([^"\\\0\n]*)')


def judge(rest: bytes, *, behind_a_line: bool = True) -> Tail:
    """Judge what follows the last whole line, or the header where no line precedes (`behind_a_line` false).

    A killed process leaves a part of one line. A power failure may leave any of the unsynced blocks out, which then
    read as NUL bytes; only lines that were never acknowledged can be hit, but whole ones may stand behind them.
    Anything else was done by a person or by a failing disk, and may have hit what was acknowledged. So may all that
    does not begin as our own first line does: that is another system's layout, and no torn line of ours.
    """
    if not behind_a_line and not _ONLY_A_FOOTER.fullmatch(rest) and not _begins_as_ours(rest):
        return Tail.DAMAGED
    left_out = b"\0" in rest or _OLD_FOOTER.match(rest)
    *terminated, _last = rest.split(b"\n")
    if any(map(_is_whole_line, terminated)):
        return Tail.HOLES if left_out else Tail.DAMAGED
    if left_out or _TORN_LINE.fullmatch(rest) or _ONLY_A_FOOTER.fullmatch(rest):
        return Tail.TORN
    return Tail.DAMAGED


def _begins_as_ours(rest: bytes) -> bool:
    if rest.startswith(FOOTER):
        return True
    key = _FIRST_KEY.match(rest)
    if key is None:
        return False
    text = rest.partition(b"\0")[0]
    begins = [b'\n"%b":%b' % (key[1], value) for value in (b'{"session":"', TOMBSTONE)]
    return any(text.startswith(begin) or begin.startswith(text) for begin in begins)


def _is_whole_line(piece: bytes) -> bool:
    try:
        read_line(piece.removesuffix(b","))
    except (ValueError, RecursionError):
        return False
    return True
