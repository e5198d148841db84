"""Checking a changed file before it is saved: its faults and warnings, the lines that differ, and what it would do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from tracker.decisions.shop.faults import FileFault, ShopFileError
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop
from tracker.decisions.shop.warnings import warnings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A text as the owner's file; `shop` is None if it has faults."""

    text: str
    shop: Shop | None = None
    faults: tuple[FileFault, ...] = ()
    warnings: tuple[FileFault, ...] = ()


def checked(text: str, today: date) -> Checked:
    """Read a text as the owner's file."""
    try:
        shop = parse_shop(text.encode())
    except ShopFileError as error:
        return Checked(text=text, faults=tuple(error.faults))
    return Checked(text=text, shop=shop, warnings=tuple(warnings_of(shop, text, today)))


def difference(before: str, now: str) -> list[tuple[str, str]]:
    """Return the lines that differ, each as ("-" or "+", the line)."""
    return list(_difference(before, now))


def _difference(before: str, now: str) -> Iterator[tuple[str, str]]:
    for line in difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0):
        if line[:1] in "+-" and line[:3] not in ("+++", "---"):
            yield line[0], line[1:]
