"""Measuring side by side: every case once in each round, and cases are compared within their round."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Sample = Mapping[str, float]
"""The figures of one run of a case, by name."""


@dataclass(frozen=True)
class Spread:
    """The median of several figures, with the lowest and the highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        return cls(statistics.median(figures), min(figures), max(figures))

    def show(self, digits: int = 0) -> str:
        """Return `median (lowest to highest)` with this number of decimals."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


class Rounds:
    """The samples of each case, one a round."""

    def __init__(self, samples: Mapping[str, Sequence[Sample]]) -> None:
        self._samples = samples

    def spread(self, case: str, figure: str) -> Spread:
        return Spread.of([sample[figure] for sample in self._samples[case]])

    def ratio(self, case: str, other: str, figure: str) -> Spread:
        """Return the figure of one case as a multiple of the other's, round by round: common noise cancels out."""
        pairs = zip(self._samples[case], self._samples[other], strict=True)
        return Spread.of([one[figure] / two[figure] for one, two in pairs])

    def difference(self, case: str, other: str, figure: str) -> Spread:
        """Return by how much the figure of one case is above the other's, round by round."""
        pairs = zip(self._samples[case], self._samples[other], strict=True)
        return Spread.of([one[figure] - two[figure] for one, two in pairs])


def interleave(cases: Mapping[str, Callable[[], Sample]], rounds: int, what: str) -> Rounds:
    """Run every case once to warm up, then `rounds` times, each round in another order."""
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    names = list(cases)
    for number in range(rounds + 1):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            say(f"{what}: {f'round {number} of {rounds}' if number else 'warming up'}, {name}")
            sample = cases[name]()
            if number:
                samples[name].append(sample)
    return Rounds(samples)


def say(line: str) -> None:
    """Show the operator what is being done, on one line that the next call replaces."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{line[:110]}")
        sys.stderr.flush()


@dataclass(frozen=True)
class Promise:
    """A ratio or a bound that the service promises, and its measured value."""

    what: str
    asked: float
    reached: Spread
    unit: str = ""
    at_most: bool = False
    aim: float | None = None

    @property
    def is_kept(self) -> bool:
        return self.reached.median <= self.asked if self.at_most else self.reached.median >= self.asked


@dataclass
class Section:
    """One table of the report: the cases compared, how they were measured, and the promises they concern."""

    title: str
    method: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    figures: dict[str, dict[str, Spread]] = field(default_factory=dict)
    measured: str = ""
    """The day, as 2026-11-23: a record can hold tables of several days."""

    def add(self, name: str, *cells: str, **figures: Spread) -> None:
        """Add a row of the table, and its figures for the JSON."""
        self.rows.append([name, *cells])
        self.figures[name] = figures
