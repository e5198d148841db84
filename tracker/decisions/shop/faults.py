"""The faults of an owner's file: each with its line, what is wrong there, and the line as it should be."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""The way to a value in the file: ("facts", 0, "text")."""


@dataclass(frozen=True, slots=True)
class FileFault:
    """One thing that is wrong in the file."""

    line: int
    message: str
    instead: str = ""
    """The line as it should be; empty if that cannot be known."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" + (f"; write {self.instead}" if self.instead else "")


class ShopFileError(Exception):
    """The file cannot be used; `faults` holds every reason, in the order of their lines."""

    def __init__(self, faults: list[FileFault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.line)
        super().__init__("; ".join(map(str, self.faults)))


class Slip(str):
    """The message of a fault that is corrected by writing `new` for `old` in its line."""

    __slots__ = ("new", "old")

    old: str
    new: str

    def __new__(cls, message: str, old: str, new: str) -> Slip:
        slip = super().__new__(cls, message)
        slip.old, slip.new = old, new
        return slip


def unknown(what: str, known: Collection[str]) -> str:
    """Return the message for a name that nothing has, with the name that was probably meant."""
    meant = nearest(what, known)
    if meant is None:
        return f"must be one of: {', '.join(known)}"
    return Slip(f'"{what}" is unknown: did you mean "{meant}"?', what, meant)


def nearest(what: str, known: Collection[str]) -> str | None:
    """Return the known name that is spelled most like this one; None if none is much like it."""
    plain = what.lower()
    for spelling in (plain.replace("-", "_"), plain):
        if close := get_close_matches(spelling, known, 1, 0.7):
            return close[0]
    longer = [one for one in known if len(plain) >= 4 and one.startswith(plain)]
    return longer[0] if len(longer) == 1 else None


def schema_faults(text: str, messages: Mapping[Any, Any], place: Place = ()) -> list[FileFault]:
    """Turn marshmallow's messages for the file's values into faults with lines."""
    found: list[FileFault] = []
    for key, inner in messages.items():
        # marshmallow files what concerns a whole table under the name "_schema".
        here = place if key == "_schema" else (*place, key)
        if isinstance(inner, dict):
            found += schema_faults(text, inner, here)
        else:
            found += [fault_at(text, here, one) for one in inner]
    return found


def fault_at(text: str, place: Place, message: str) -> FileFault:
    """Return the fault of the value at a place."""
    line = line_of(text, place)
    instead = ""
    if isinstance(message, Slip):
        content = text.split("\n")[line - 1]
        if message.old in content:
            instead = content.replace(message.old, message.new, 1).strip()
    return FileFault(line, f"{_spelled(place)}: {_decapitalised(message)}", instead)


def _spelled(place: Place) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in place)


def _decapitalised(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


_HEADER = re.compile(r"\s*(\[\[?)\s*([\w-]+)((?:\s*\.\s*[\w-]+)*)\s*\]")


def line_of(text: str, place: Place) -> int:
    """Return the line of a fault at this place: its innermost key's line, else its table's header, else the first."""
    table = next((part for part in place if isinstance(part, str)), "")
    number = next((part for part in place if isinstance(part, int)), 0)
    keys = [part for part in place if isinstance(part, str)]
    seen, inside, at_top, header_line = -1, False, True, 1
    found: dict[str, int] = {}
    for line, content in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(content):
            at_top = False
            name = header[2]
            if not header[3]:
                seen += name == table and header[1] == "[["
            inside = name == table and (seen == number or seen < 0)
            if inside and not header[3]:
                header_line = line
            elif inside:
                found.setdefault(header[3].strip(" ."), line)
        elif inside or at_top:
            key = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[.=]", content)
            if key and (inside or key[1] == table):
                found.setdefault(key[1], line)
    return next((found[key] for key in reversed(keys) if key in found), header_line)
