"""Counters and histograms of this process. Each is a constant of the module that counts with it.

To count takes no lock, no file and no system call, which would cost more than the rest of it: a greenlet is switched
only where it waits. Labels come from short lists, and never from a client.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, TypeAlias

Labels: TypeAlias = tuple[str, ...]
Row: TypeAlias = list[float]
"""The numbers of one combination of labels; see `Counter` and `Histogram`. Rows are added number by number."""
Rows: TypeAlias = dict[str, dict[Labels, Row]]
"""All that was counted, by name and labels."""

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

instruments: Final[dict[str, Counter | Histogram]] = {}
"""All of them by name, in the order of their making."""


class Counter:
    """How often something happened. A row is the one number."""

    def __init__(self, name: str, description: str, *labels: str) -> None:
        """`name` without the `_total` that its reader sees."""
        self.name, self.description, self.labels = name, description, labels
        self.rows: dict[Labels, Row] = {} if labels else {(): [0.0]}
        instruments[name] = self

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count; `labels` are the values in the order of the names."""
        row = self.rows.get(labels) or self.rows.setdefault(labels, [0.0])
        row[0] += amount


class Histogram:
    """How long something took. A row has a number for each bound, one for what took longer, and the sum in seconds."""

    def __init__(self, name: str, description: str, *labels: str, bounds: tuple[float, ...] = SECONDS) -> None:
        self.name, self.description, self.labels, self.bounds = name, description, labels, bounds
        self.rows: dict[Labels, Row] = {} if labels else {(): self._zeros()}
        instruments[name] = self

    def _zeros(self) -> Row:
        return [0.0] * (len(self.bounds) + 2)

    def observe(self, seconds: float, *labels: str) -> None:
        """Count one that took so long."""
        row = self.rows.get(labels) or self.rows.setdefault(labels, self._zeros())
        row[bisect_left(self.bounds, seconds)] += 1
        row[-1] += seconds


def counted() -> Rows:
    """Return what this process has counted."""
    return {name: {labels: list(row) for labels, row in one.rows.copy().items()} for name, one in instruments.items()}


def added(many: Iterable[Rows]) -> Rows:
    """Return the sum of what several processes counted."""
    total: Rows = {}
    for one in many:
        for name, rows in one.items():
            into = total.setdefault(name, {})
            for labels, row in rows.items():
                before = into.get(labels)
                into[labels] = row if before is None else [a + b for a, b in zip(before, row, strict=True)]
    return total
