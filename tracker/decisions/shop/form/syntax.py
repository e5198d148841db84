"""Reading TOML that a person wrote: the usual slips are named in plain words, each with the line as it should be.

A line with a known slip is corrected and the file read again, so that all slips are found at once, and what is wrong
with the values behind them too. The corrected text is used for nothing but finding faults.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from tracker.decisions.shop.faults import FileFault
from tracker.decisions.shop.form.fields import iso_day

# Each slip costs reading the file once or a few times more; what is longer was written by no person.
_MOST_SLIPS: Final = 30
_LONGEST_LINE: Final = 1000
_LONGEST_TEXT: Final = 64 * 1024

_TABLES: Final = "facts|offers|help|rules"
_SINGLE_BRACKETS: Final = re.compile(rf"\s*\[\s*({_TABLES})\s*\](?!\])")

# What tomllib says (3.11 to 3.14) -> what that means to somebody who does not know TOML.
_PLAIN_WORDS: Final = (
    ("Cannot overwrite a value", "the same key stands twice in this table"),
    ("Cannot declare", "this table stands twice"),
    ("Cannot mutate immutable", "this table was written in { } already"),
    ("Unclosed array", "a list is not closed: ] is missing"),
    ("Unclosed inline table", "a } is missing, or quotes stand within a text"),
    ("Illegal character '\\n'", "a closing quote or bracket is missing at the end of this line"),
    ("Illegal character", "holds a character that no text may hold"),
    ("Unescaped '\\'", "a backslash has a meaning of its own in quotes: leave it out"),
    ("Invalid hex value", "a backslash has a meaning of its own in quotes: leave it out"),
    ("Expected '=' after a key", "must have the form key = value"),
    ("Invalid statement", "is no line of this file: it must have the form key = value"),
    ("Invalid initial character for a key", "a key or } is missing here: a table in { } stands in one line"),
    ("Invalid date", "is no day of the calendar"),
    ("Invalid value", "the value after = is missing, or lacks its quotes"),
    ("Expected newline or end", "something stands after the value: a text needs quotes around all of it"),
    ("Expected ']' at the end", "a bracket is missing in the name of a table"),
    ("Expected ']]' at the end", "a bracket is missing in the name of a table"),
)


class Found(NamedTuple):
    """What could be read of a file, and the slips in it."""

    text: str
    """The text with all known slips corrected, line by line the same as the file."""
    values: dict[str, Any] | None
    """None if something else is wrong."""
    faults: list[FileFault]


def read_toml(text: str) -> Found:
    """Read a file's text."""
    text, faults = _with_double_brackets(text)
    while True:
        try:
            return Found(text, tomllib.loads(text), faults)
        except tomllib.TOMLDecodeError as error:
            line = _line_of(error, text)
            said = str(error).partition(" (at")[0]
        except (ValueError, RecursionError):
            # A number of thousands of digits, thousands of brackets.
            faults.append(FileFault(1, "something in the file is far too long or deep"))
            return Found(text, None, faults)
        corrected = _corrected(text, line)
        if corrected is None or len(faults) >= _MOST_SLIPS:
            return Found(text, None, [*faults, FileFault(line, _plain_words(said, text, line))])
        text = corrected.text
        faults += corrected.faults


def _line_of(error: tomllib.TOMLDecodeError, text: str) -> int:
    at = re.search(r"at line (\d+)", str(error))
    return int(at[1]) if at else text.rstrip().count("\n") + 1


def _plain_words(said: str, text: str, line: int) -> str:
    lines = text.split("\n")
    if line <= len(lines) and re.search(r"=\s*[0-9]+[-./][0-9]+[-./][0-9]+", lines[line - 1]):
        return "is no day of the calendar"
    return next((plain for start, plain in _PLAIN_WORDS if said.startswith(start)), f"cannot be read: {said}")


class _Corrected(NamedTuple):
    text: str
    faults: list[FileFault]


def _corrected(text: str, line: int) -> _Corrected | None:
    """Return the text with the slip of a line corrected; None if it is none of those that are known."""
    lines = text.split("\n")
    if line > len(lines) or len(lines[line - 1]) > _LONGEST_LINE or len(text) > _LONGEST_TEXT:
        return None
    for correct_lines in (_spread_table, _open_list):
        if corrected := correct_lines(lines.copy(), line):
            return corrected
    content = lines[line - 1]
    for message, correct in _SLIPS:
        for better in correct(content):
            if better == content:
                continue
            changed = "\n".join([*lines[: line - 1], better, *lines[line:]])
            if _goes_further(changed, line):
                return _Corrected(changed, [FileFault(line, message, better.strip())])
    return None


def _goes_further(text: str, line: int) -> bool:
    """Whether a text can be read beyond a line."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _line_of(error, text) > line
    except (ValueError, RecursionError):
        return False
    return True


def _with_double_brackets(text: str) -> tuple[str, list[FileFault]]:
    """Return the text with [facts] as [[facts]], and a fault for each such line: TOML takes it for a single table."""
    faults: list[FileFault] = []
    lines = text.split("\n")
    for number, content in enumerate(lines):
        if found := _SINGLE_BRACKETS.match(content):
            lines[number] = f"[[{found[1]}]]" + content[found.end() :]
            message = f"each of the {found[1]} has a header of its own, in two brackets"
            faults.append(FileFault(number + 1, message, f"[[{found[1]}]]"))
    return "\n".join(lines), faults


def _spread_table(lines: list[str], line: int) -> _Corrected | None:
    """Correct a table in { } that is spread over several lines."""
    inside = [re.sub(r"\s*#.*$", "", one).strip().rstrip(",") for one in lines[line - 1 : line + 8]]
    if not re.search(r"{[^}]*$", inside[0]) or '"' not in "".join(inside[1:]):
        return None
    for length, content in enumerate(inside[1:], 2):
        if "}" in content:
            joined = ", ".join(filter(None, inside[:length])).replace("{, ", "{ ").replace(", }", " }")
            lines[line - 1 : line - 1 + length] = [joined, *[""] * (length - 1)]
            text = "\n".join(lines)
            fault = FileFault(line, "a table in { } stands in one line", joined)
            return _Corrected(text, [fault]) if _goes_further(text, line) else None
    return None


def _open_list(lines: list[str], line: int) -> _Corrected | None:
    """Correct a list whose end is missing, which is noticed only further below."""
    for above in range(min(line, len(lines)) - 1, max(0, line - 20), -1):
        content = lines[above - 1].rstrip()
        if re.search(r"=\s*\[[^\]]*[^\],\s]\s*$", content):
            lines[above - 1] = f"{content}]"
            text = "\n".join(lines)
            fault = FileFault(above, "a bracket is missing", f"{content.strip()}]")
            return _Corrected(text, [fault]) if _goes_further(text, line) else None
    return None


# --- The slips. Each function yields the lines that may have been meant. ----------------------------------------------

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
    if header := re.match(rf"^\s*\[*\s*({_TABLES}|limits)\s*\]*{_END}", content):
        limits = header[1] == "limits"
        yield f"[limits]{header[2]}" if limits else f"[[{header[1]}]]{header[2]}"
    for end in ("]", " }", "] }", " } ]"):
        yield re.sub(_END, rf"{end}\1", content, count=1)


def _backslash(content: str) -> Iterator[str]:
    yield re.sub(r"\\(?![btnfr\"\\uU])", "", content)


_SLIPS: Final[tuple[tuple[str, Callable[[str], Iterator[str]]], ...]] = (
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
)
