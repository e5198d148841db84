"""The report: Markdown for readers, JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.measure import Promise, Section, Spread


def markdown(sections: Sequence[Section], how: str) -> str:
    """Return the promises and then every table; each figure is the median of the rounds with their range."""
    parts = [how, "", "### What was promised", "", *_promises([one for part in sections for one in part.promises])]
    for section in sections:
        measured = f" Measured on {section.measured}." if section.measured else ""
        parts += ["", f"### {section.title}", "", section.method + measured, ""]
        parts += _table(section.columns, section.rows)
    return "\n".join(parts) + "\n"


def _promises(promises: Sequence[Promise]) -> list[str]:
    rows = []
    for one in promises:
        word = "at most" if one.at_most else "at least"
        aim = "" if one.aim is None else f" (aim {one.aim:g})"
        digits = 2 if one.asked < 10 else 0
        asked = f"{word} {one.asked:,.{0 if one.asked >= 10 else 2}f} {one.unit}".strip() + aim
        rows.append([one.what, asked, one.reached.show(digits), "yes" if one.is_kept else "**no**"])
    return _table(("", "asked", "reached", "kept"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    line = ["---", *["---:" for _ in columns[1:]]]
    return [f"| {' | '.join(row)} |" for row in (columns, line, *rows)]


def as_json(sections: Sequence[Section], how: str) -> dict[str, Any]:
    """Return {how, sections}: every table with its promises, and every spread as {median, low, high}."""
    return {"how": how, "sections": [asdict(section) for section in sections]}


def from_json(record: dict[str, Any]) -> list[Section]:
    """Return the sections of a record that `as_json` made."""
    return [
        Section(
            **{key: one[key] for key in ("title", "method", "columns", "rows", "measured")},
            promises=[Promise(**{**promise, "reached": Spread(**promise["reached"])}) for promise in one["promises"]],
            figures={
                name: {figure: Spread(**spread) for figure, spread in figures.items()}
                for name, figures in one["figures"].items()
            },
        )
        for one in record["sections"]
    ]


def merged(old: Sequence[Section], new: Sequence[Section]) -> list[Section]:
    """Return the older sections, each replaced by the newer one of the same title, and the newer ones beside them."""
    newer = {section.title: section for section in new}
    return [newer.pop(section.title, section) for section in old] + list(newer.values())


def machine() -> str:
    """Return a sentence about the machine that the figures were measured on."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processors, {system}; the clients run on the same ones."
