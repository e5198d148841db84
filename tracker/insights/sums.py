"""Sums over the tallies of visits. A changed visit takes its old tally out and puts its new one in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeAlias

from tracker.insights.tally import Fate, Mark, Tally
from tracker.sessions.model import LOTS

SumsRecord: TypeAlias = dict[str, Any]

_FIRST: Final = int(Mark.FIRST)
_EXAMPLE: Final = int(Mark.EXAMPLE)
_FATES: Final = tuple(map(int, Fate))
"""As plain numbers: arithmetic with flags costs five times as much, and this is done a million times at a start."""

_MARKS: Final = tuple(map(int, Mark))
_MODEL: Final = 1 + len(_MARKS)
_COLUMNS: Final = _MODEL + 3
"""Of a day: its visits, the visits with each mark, calls of the model, tokens of questions and of answers."""

_COLUMNS_OF: Final = tuple(
    (0, *(1 + number for number, mark in enumerate(_MARKS) if marks & mark)) for marks in range(2 * max(_MARKS))
)
"""The columns in which a visit counts, by its marks."""

MONTHS_BY_DAY: Final = 13
"""A day of few visits is told apart for so long, and then is a part of its month."""
FEW_VISITS: Final = 5


@dataclass(slots=True)
class EpochSums:
    """What is kept of an epoch: browsers by lot, and the orders of their visits from their offer on."""

    browsers: list[int] = field(default_factory=lambda: [0] * LOTS)
    """The newly offered browsers of each lot."""
    orders: Counter[tuple[int, int, int, str]] = field(default_factory=Counter)
    """(day, lot, minor units, currency) of each compared order: each one, because a cap on them comes later."""
    by_day: Counter[int] = field(default_factory=Counter)
    """Newly offered browsers by day."""


@dataclass(slots=True)
class Figures:
    """The sums of all visits of one kind: the shop's own, or those of simulated shoppers."""

    days: dict[int, list[int]] = field(default_factory=dict)
    orders: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Orders by (day, currency); without one where their worth was not reported."""
    minor: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Their worth in minor units."""
    fates: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    """Visits by (day, message id, fate)."""
    epochs: dict[str, EpochSums] = field(default_factory=dict)

    def _counters(self) -> dict[str, Counter[Any]]:
        return {name: getattr(self, name) for name in ("orders", "minor", "fates")}

    def visits(self, day: int) -> int:
        return self._of(day, 0)

    def marked(self, day: int, mark: Mark) -> int:
        """Return the visits of a day with a mark."""
        return self._of(day, 1 + _MARKS.index(mark))

    def model(self, day: int) -> tuple[int, int, int]:
        """Return the calls of the model on a day, the tokens of its questions, and of its answers."""
        calls, questions, answers = (self._of(day, _MODEL + number) for number in range(3))
        return calls, questions, answers

    def _of(self, day: int, column: int) -> int:
        row = self.days.get(day)
        return 0 if row is None else row[column]

    def add(self, tally: Tally, sign: int) -> None:
        """Put a tally in (`sign` 1, or how many times) or take it out (-1)."""
        _form, day, lot, marks, epoch_id, sales, popups, model, _keys = tally
        row = self.days.get(day)
        if row is None:
            row = self.days[day] = [0] * _COLUMNS
        for column in _COLUMNS_OF[marks]:
            row[column] += sign
        if model:
            for number, amount in enumerate(model, _MODEL):
                row[number] += sign * amount
        if not row[0]:
            del self.days[day]
        if sales:
            self._add_sales(tally, sign)
        if popups:
            for message_id, fates in tally.each_popup():
                for fate in _FATES:
                    if fates & fate:
                        _count(self.fates, (day, message_id, fate), sign)
        if marks & _FIRST:
            epoch = self._epoch(epoch_id)
            epoch.browsers[lot] += sign
            _count(epoch.by_day, day, sign)
            self._forget_if_empty(epoch_id)

    def _add_sales(self, tally: Tally, sign: int) -> None:
        for sale in tally.each_sale():
            _count(self.orders, (tally.day, sale.currency), sign)
            _count(self.minor, (tally.day, sale.currency), sign * sale.minor)
            if sale.compared and tally.epoch:
                _count(self._epoch(tally.epoch).orders, (tally.day, tally.lot, sale.minor, sale.currency), sign)
                self._forget_if_empty(tally.epoch)

    def _epoch(self, epoch_id: str) -> EpochSums:
        found = self.epochs.get(epoch_id)
        if found is None:
            found = self.epochs[epoch_id] = EpochSums()
        return found

    def _forget_if_empty(self, epoch_id: str) -> None:
        epoch = self.epochs[epoch_id]
        if not epoch.orders and not epoch.by_day and not any(epoch.browsers):
            del self.epochs[epoch_id]

    def merge(self, other: Figures) -> None:
        """Put all that the other figures hold in."""
        for day, row in other.days.items():
            self._add_row(day, row)
        for name, counter in other._counters().items():
            own = getattr(self, name)
            for key, number in counter.items():
                _count(own, key, number)
        for epoch_id, epoch in other.epochs.items():
            own_epoch = self._epoch(epoch_id)
            own_epoch.browsers = [a + b for a, b in zip(own_epoch.browsers, epoch.browsers, strict=True)]
            for key, number in epoch.orders.items():
                _count(own_epoch.orders, key, number)
            for day, number in epoch.by_day.items():
                _count(own_epoch.by_day, day, number)

    def _add_row(self, day: int, row: list[int]) -> None:
        self.days[day] = [a + b for a, b in zip(self.days.get(day, [0] * _COLUMNS), row, strict=True)]

    def fold(self, today: date) -> None:
        """Make days of few visits a part of their month, once they are older than 13 months."""
        years, month = divmod(today.year * 12 + today.month - 1 - MONTHS_BY_DAY, 12)
        until = date(years, month + 1, 1).toordinal()
        few = {day: _first_of_month(day) for day, row in self.days.items() if day < until and row[0] < FEW_VISITS}
        few = {day: first for day, first in few.items() if day != first}
        for day, first in few.items():
            self._add_row(first, self.days.pop(day))
        if few:
            for counter in self._counters().values():
                for key in [key for key in counter if key[0] in few]:
                    _count(counter, (few[key[0]], *key[1:]), counter.pop(key))

    def to_record(self) -> SumsRecord:
        record: SumsRecord = {
            name: [[*key, number] for key, number in sorted(counter.items())]
            for name, counter in self._counters().items()
        }
        record["days"] = [[day, *row] for day, row in sorted(self.days.items())]
        record["epochs"] = {
            epoch_id: {
                "browsers": epoch.browsers,
                "orders": [[*key, number] for key, number in sorted(epoch.orders.items())],
                "by_day": [[day, number] for day, number in sorted(epoch.by_day.items())],
            }
            for epoch_id, epoch in sorted(self.epochs.items())
        }
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Figures:
        """Read what `to_record` made. Raises ValueError, KeyError or TypeError for anything else."""
        figures = cls(days={day: row for day, *row in record["days"]})
        for name, counter in figures._counters().items():
            counter.update({tuple(key): number for *key, number in record[name]})
        for epoch_id, epoch in record["epochs"].items():
            figures.epochs[epoch_id] = EpochSums(
                browsers=list(epoch["browsers"]),
                orders=Counter({tuple(key): number for *key, number in epoch["orders"]}),
                by_day=Counter(dict(epoch["by_day"])),
            )
        return figures


def _first_of_month(day: int) -> int:
    return date.fromordinal(day).replace(day=1).toordinal()


def _count(counter: Counter[Any], key: Any, number: int) -> None:
    """Add to a counter, and keep no key that stands for nothing: sums are then equal where what they count is."""
    counter[key] += number
    if not counter[key]:
        del counter[key]


@dataclass(slots=True)
class Sums:
    """All sums: of the shop's own visits, and apart from them of simulated shoppers."""

    own: Figures = field(default_factory=Figures)
    example: Figures = field(default_factory=Figures)

    def exchange(self, old: Tally | None, new: Tally | None) -> None:
        """Take a visit's old tally out and put its new one in; None: there is none. The same twice changes nothing."""
        if old == new:
            return
        for tally, sign in ((old, -1), (new, 1)):
            if tally is not None:
                self.add_alike(tally, sign)

    def add_alike(self, tally: Tally, number: int) -> None:
        """Put in as many visits of the same tally; fewer than 0: take them out."""
        (self.example if tally.marks & _EXAMPLE else self.own).add(tally, number)

    def merge(self, other: Sums) -> None:
        """Put all that the other sums hold in."""
        self.own.merge(other.own)
        self.example.merge(other.example)

    def fold(self, today: date) -> None:
        """See Figures.fold."""
        self.own.fold(today)
        self.example.fold(today)

    def to_record(self) -> SumsRecord:
        return {"own": self.own.to_record(), "example": self.example.to_record()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Sums:
        """Read what `to_record` made. Raises ValueError, KeyError or TypeError for anything else."""
        return cls(own=Figures.from_record(record["own"]), example=Figures.from_record(record["example"]))
