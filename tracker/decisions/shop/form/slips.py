"""The usual slips of a person who writes TOML: each function yields what may have been meant by a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tracker.decisions.shop.form.fields import iso_day

TABLES: Final = "facts|offers|help|rules"
"""The tables that stand in two brackets, as a regular expression."""

_BARE: Final = r"(?![0-9]+[-./][0-9]+[-./][0-9]+)[^\s\"'\[\]{}#=][^\"'#\[\]{}=]*?"
_END: Final = r"(\s*(?:#.*)?)$"
_QUOTES: Final = "“”„‟«»″"
_APOSTROPHES: Final = "‘’‚‹›′"


def _curly_quotes(content: str) -> Iterator[str]:
    straight = content.translate(dict.fromkeys(map(ord, _QUOTES), '"'))
    yield straight
    yield straight.translate(dict.fromkeys(map(ord, _APOSTROPHES), '"'))


def _day(content: str) -> Iterator[str]:
    if found := re.search(r"=\s*([0-9]+[./-][0-9]+[./-][0-9]+)" + _END, content):
        day = iso_day(found[1])
        if day is not None:
            yield content[: found.start(1)] + day + found[2]


def _decimal_comma(content: str) -> Iterator[str]:
    yield re.sub(r"(=\s*[0-9]+),([0-9]+)" + _END, r"\1.\2\3", content)


def _word_for_flag(content: str) -> Iterator[str]:
    def plain(found: re.Match[str]) -> str:
        return found[1] + ("true" if found[2].lower() in {"yes", "true", "on"} else "false")

    yield re.sub(r"(=\s*)(yes|no|true|false|on|off)\b", plain, content, flags=re.IGNORECASE)


def _comparison(content: str) -> Iterator[str]:
    # items = >= 3, and items >= 3
    yield re.sub(r"(\w+)\s*(?:=\s*)?(>=|<=|!=|>|<)\s*([0-9.]+)", r'\1 = "\2 \3"', content)


def _colon(content: str) -> Iterator[str]:
    yield re.sub(r"^(\s*[\w-]+)\s*:\s*", r"\1 = ", content)
    yield re.sub(r"([{,]\s*[\w-]+)\s*:\s*(?=[\"'\[{0-9tf])", r"\1 = ", content)


def _comment(content: str) -> Iterator[str]:
    yield re.sub(r"^(\s*)(//|;|--|<!--)\s*", r"\1# ", content)
    yield re.sub(r"([\"'\]}0-9e])\s+(//|;)\s+([^\"']*)$", r"\1 # \3", content)


def _semicolon(content: str) -> Iterator[str]:
    yield re.sub(r"\s*[;,]\s*$", "", content)


def _trailing_comma(content: str) -> Iterator[str]:
    yield re.sub(r",\s*}", " }", content)


def _missing_quotes(content: str) -> Iterator[str]:
    yield re.sub(rf"^(\s*[\w-]+\s*=\s*)({_BARE}){_END}", r'\1"\2"\3', content)
    if found := re.search(rf"=\s*\[([^\[\]\"']+)\]{_END}", content):
        quoted = ", ".join(f'"{one.strip()}"' for one in found[1].split(",") if one.strip())
        yield content[: found.start(1)] + quoted + "]" + found[2]
    # Within { }: each value up to the next comma or the end.
    yield re.sub(r"=\s*([^\s\"'\[\]{},=0-9tf][^\"'\[\]{},=]*?)\s*(?=[,}])", r'= "\1"', content)


def _missing_quote(content: str) -> Iterator[str]:
    yield re.sub(rf"(=\s*\"[^\"]*?){_END}", r'\1"\2', content)
    yield re.sub(rf"(=\s*)([^\s\"'\[{{][^\"]*\"){_END}", r'\1"\2\3', content)
    yield re.sub(r"(=\s*\"[^\"]*?)\s*}" + _END, r'\1" }\2', content)


def _inner_quotes(content: str) -> Iterator[str]:
    if found := re.match(rf"^(\s*[\w-]+\s*=\s*)\"(.*\".*)\"{_END}", content):
        yield f"{found[1]}'{found[2]}'{found[3]}" if "'" not in found[2] else content


def _missing_bracket(content: str) -> Iterator[str]:
    if header := re.match(rf"^\s*\[*\s*({TABLES}|limits)\s*\]*{_END}", content):
        limits = header[1] == "limits"
        yield f"[limits]{header[2]}" if limits else f"[[{header[1]}]]{header[2]}"
    for end in ("]", " }", "] }", " } ]"):
        yield re.sub(_END, rf"{end}\1", content, count=1)


def _backslash(content: str) -> Iterator[str]:
    yield re.sub(r"\\(?![btnfr\"\\uU])", "", content)


def _inserted(content: str, new: str, places: Iterable[re.Match[str]]) -> Iterator[str]:
    """Yield the line with something inserted at each of these places."""
    for place in places:
        yield content[: place.end()] + new + content[place.end() :]


def _missing_sign(content: str) -> Iterator[str]:
    yield from _inserted(content, "= ", re.finditer(r"(^|[{,])\s*[\w-]+\s+(?=[\"'\[{0-9tf])", content))


def _missing_quote_inside(content: str) -> Iterator[str]:
    yield from _inserted(content, '"', re.finditer(r"[=\[,{]\s*(?=[^\s\"'\[\]{}=,])", content))
    yield from _inserted(content, '"', re.finditer(r"[^\s\"'\[\]{},](?=\s*[,\]}])", content))


def _missing_comma(content: str) -> Iterator[str]:
    yield from _inserted(content, ",", re.finditer(r"[\"'\]}0-9e](?=\s+[\"'\w{])", content))


def _missing_bracket_inside(content: str) -> Iterator[str]:
    for bracket in ("]", " }"):
        yield from _inserted(content, bracket, re.finditer(r"[\"'\w\]}](?=\s*[,\]}])", content))
    for bracket in ("[", "{ ", "[ { "):
        yield from _inserted(content, bracket, re.finditer(r"[=\[,]\s*(?=[\"'\w{])", content))


SLIPS: Final[tuple[tuple[str, Callable[[str], Iterator[str]]], ...]] = (
    ("curly quotes: texts stand in straight ones", _curly_quotes),
    ("a day is written as year-month-day, without quotes", _day),
    ("a number has a point, not a comma", _decimal_comma),
    ("yes and no are written true and false, in small letters", _word_for_flag),
    ("a comparison stands in quotes, after =", _comparison),
    ("between a key and its value stands =", _colon),
    ("a remark begins with #", _comment),
    ("a line ends without a comma or semicolon", _semicolon),
    ("the last value in { } has no comma after it", _trailing_comma),
    ("a text stands in quotes", _missing_quotes),
    ("a quote is missing", _missing_quote),
    ("quotes within a text: put the whole text in single ones", _inner_quotes),
    ("a bracket is missing or too many", _missing_bracket),
    ("a backslash has a meaning of its own in quotes: leave it out", _backslash),
    ("= is missing between a key and its value", _missing_sign),
    ("a quote is missing", _missing_quote_inside),
    ("a comma is missing", _missing_comma),
    ("a bracket is missing", _missing_bracket_inside),
)
"""What is wrong with a line, and the lines that may have been meant; the first one that can be read is taken."""
