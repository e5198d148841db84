"""The report: for readers as Markdown, for programs as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.measure import Promise, Section


def markdown(sections: Sequence[Section], how: str) -> str:
    """Give the promises first, then every table. Each figure is a median, with the lowest and highest of the rounds."""
    parts = [how, "", "### What was promised", "", *_promises([one for part in sections for one in part.promises])]
    for section in sections:
        parts += ["", f"### {section.title}", "", section.method, ""]
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
    """Give {how, promises, sections}, with every spread as {median, low, high}."""
    return {
        "how": how,
        "promises": [asdict(one) | {"kept": one.is_kept} for part in sections for one in part.promises],
        "sections": [
            {"title": part.title, "figures": {name: _spreads(figures) for name, figures in part.figures.items()}}
            for part in sections
        ],
    }


def _spreads(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: asdict(spread) for name, spread in figures.items()}


def machine() -> str:
    """Say in a sentence what it was measured on."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processors, {system}; the clients run on the same ones."
