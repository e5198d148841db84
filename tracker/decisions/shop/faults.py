"""The faults of an owner's file, each with the line that it stands in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""The way to a value in the file: ("facts", 0, "text")."""


@dataclass(frozen=True, slots=True)
class FileFault:
    """One thing that is wrong in the file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class ShopFileError(Exception):
    """The file cannot be used; `faults` holds every reason, in the order of their lines."""

    def __init__(self, faults: list[FileFault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.line)
        super().__init__("; ".join(map(str, self.faults)))


def schema_faults(text: str, messages: Mapping[Any, Any], place: Place = ()) -> list[FileFault]:
    """Turn marshmallow's messages for the file's values into faults with lines."""
    found: list[FileFault] = []
    for key, inner in messages.items():
        here = (*place, key)
        if isinstance(inner, dict):
            found += schema_faults(text, inner, here)
        else:
            found += [FileFault(line_of(text, here), f"{_spelled(here)}: {_decapitalised(one)}") for one in inner]
    return found


def _spelled(place: Place) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in place)


def _decapitalised(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


def line_of(text: str, place: Place) -> int:
    """Return the line of a fault at this place: its key's line, else its table's header, else the first."""
    table = next((part for part in place if isinstance(part, str)), "")
    number = next((part for part in place if isinstance(part, int)), 0)
    key = next((part for part in reversed(place) if isinstance(part, str)), "")
    line, seen, inside, header_line = 1, -1, True, 1
    for line, content in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([A-Za-z_]+)", content)
        if header:
            seen += header[1] == table and content.lstrip().startswith("[[")
            inside = header[1] == table and (seen == number or seen < 0)
            if inside:
                header_line = line
        elif (inside or table == key) and re.match(rf"\s*\"?{re.escape(key)}\"?\s*[.=]", content):
            return line
    return header_line
