"""Reading TOML that a person wrote: the usual slips are named in plain words, each with the line as it should be.

A line with a known slip is corrected and the file read again, so that all slips are found at once, and what is wrong
with the values behind them too. The corrected text is used for nothing but finding faults.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final, NamedTuple

from tracker.decisions.shop.faults import FileFault
from tracker.decisions.shop.form.slips import SLIPS, TABLES

# Each slip costs reading the file once or a few times more; what is longer was written by no person.
_MOST_SLIPS: Final = 30
_LONGEST_LINE: Final = 1000
_LONGEST_TEXT: Final = 64 * 1024

_SINGLE_BRACKETS: Final = re.compile(rf"\s*\[\s*({TABLES})\s*\](?!\])")

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
    if _is_sound(content):
        # What is wrong is that it stands there, such as a second time.
        return None
    for message, correct in SLIPS:
        for better in correct(content):
            if better == content or not _is_sound(better):
                continue
            changed = "\n".join([*lines[: line - 1], better, *lines[line:]])
            if _goes_further(changed, line):
                return _Corrected(changed, [FileFault(line, message, better.strip())])
    return None


def _is_sound(line: str) -> bool:
    """Whether a line can be read by itself, as most lines of the file can."""
    try:
        tomllib.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


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
