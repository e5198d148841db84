"""Bars by day, with a part of each bar marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from markupsafe import Markup

from tracker.owner import words
from tracker.owner.charts.svg import element, picture, short, steps

_LEFT: Final = 40
_BELOW: Final = 24
_ABOVE: Final = 8
_FORMS: Final = (("wide", 660, 7), ("narrow", 330, 4))
"""(class, width, how many days are named)."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A day: its value, and the part of it that is marked."""

    day: date
    value: float
    part: float = 0


def bars(days: Sequence[Bar], label: str, height: int = 170) -> Markup:
    """Return the chart in both forms."""
    return Markup("").join(
        picture(width, height, label, _parts(days, width, height, named), f"{look} chart")
        for look, width, named in _FORMS
    )


def _parts(days: Sequence[Bar], width: int, height: int, named: int) -> Iterator[Markup]:
    marks = steps(max((one.value for one in days), default=0))
    room = height - _ABOVE - _BELOW
    ground = height - _BELOW

    def rise(value: float) -> float:
        return room * value / marks[-1]

    for mark in marks:
        y = ground - rise(mark)
        yield element("line", class_="grid", x1=_LEFT, x2=width, y1=y, y2=y)
        yield element("text", short(mark), x=_LEFT - 8, y=y + 4, text_anchor="end")
    slot = (width - _LEFT) / max(1, len(days))
    thick = min(26.0, slot * 0.72)
    every = max(1, round(len(days) / named))
    for number, one in enumerate(days):
        x = _LEFT + slot * number + (slot - thick) / 2
        for look, value in (("bar", one.value), ("top-bar", one.part)):
            if value:
                tall = max(1.5, rise(value))
                yield element(
                    "rect", class_=look, x=x, y=ground - tall, width=thick, height=tall, rx=min(2.0, tall / 2)
                )
        if (len(days) - 1 - number) % every == 0:
            middle, half = x + thick / 2, 25
            place = min(max(middle, _LEFT + half), width - half)
            yield element("text", words.day(one.day), x=float(place), y=height - 6, text_anchor="middle")
