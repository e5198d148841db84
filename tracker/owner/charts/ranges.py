"""A range of change around "no change": what popups do to orders, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from markupsafe import Markup

from tracker.owner import words
from tracker.owner.charts.svg import element, picture

_FORMS: Final = (("wide", 560, 7), ("narrow", 340, 5))
"""(class, width, the most marks on the scale)."""
_HEIGHT: Final = 92
_SIDE: Final = 30


def change_range(low: float, high: float, likely: float | None, kind: str, label: str) -> Markup:
    """Return the range in both forms. Changes are parts: 0.05 is +5 %. `likely`: where a point is drawn, if any is."""
    return Markup("").join(
        picture(width, _HEIGHT, label, _parts(low, high, likely, kind, width, marks), look)
        for look, width, marks in _FORMS
    )


def signed(part: float) -> str:
    """Return a change in percent, with its sign: +16 %."""
    rounded = round(part * 100)
    sign = "+" if rounded > 0 else "\N{MINUS SIGN}" if rounded < 0 else ""
    return sign + words.percent(abs(rounded))


def _scale(low: float, high: float, most: int) -> list[float]:
    """Return round changes that hold the range and no change, in order."""
    least, largest = min(low, -0.1), max(high, 0.1)
    for step in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0):
        first = int(-(-least // step) - 1) if least % step else int(least / step)
        last = int(largest // step + 1) if largest % step else int(largest / step)
        if last - first + 1 <= most:
            return [number * step for number in range(first, last + 1)]
    return [-10.0, 0.0, 10.0]


def _parts(low: float, high: float, likely: float | None, kind: str, width: int, most: int) -> Iterator[Markup]:
    marks = _scale(low, high, most)

    def place(value: float) -> float:
        inside = (min(max(value, marks[0]), marks[-1]) - marks[0]) / (marks[-1] - marks[0])
        return _SIDE + inside * (width - 2 * _SIDE)

    y = 44.0
    yield element(
        "rect", class_="track", x=place(marks[0]), y=y - 6, width=place(marks[-1]) - place(marks[0]), height=12, rx=6
    )
    yield element(
        "rect",
        class_=f"range {kind}",
        x=place(low),
        y=y - 10,
        width=max(4.0, place(high) - place(low)),
        height=20,
        rx=10,
    )
    yield element("line", class_="zero", x1=place(0), x2=place(0), y1=y - 20, y2=y + 20)
    if likely is not None:
        yield element("circle", class_=f"point {kind}", cx=place(likely), cy=y, r=8)
        yield element(
            "text",
            signed(likely),
            class_="strong",
            x=min(max(place(likely), 24.0), width - 24.0),
            y=16,
            text_anchor="middle",
        )
    for mark in marks:
        text = "no change" if abs(mark) < 1e-9 else signed(mark)
        yield element("text", text, x=place(mark), y=84, text_anchor="middle")
