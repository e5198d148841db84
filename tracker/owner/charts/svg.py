"""Pieces of SVG, and the scales of charts."""

from __future__ import annotations

import math
from collections.abc import Iterable

from markupsafe import Markup, escape


def picture(width: int, height: int, label: str, parts: Iterable[Markup], look: str) -> Markup:
    """Return a picture that a screen reader reads as `label`; `look` is its class."""
    opened = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        look, width, height, label
    )
    return opened + Markup("").join(parts) + Markup("</svg>")


def element(name: str, text: str | None = None, **attributes: object) -> Markup:
    """Return an element. A keyword may end with `_`, and `_` in it stands for a dash: `class_`, `text_anchor`."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _number(value))
        for key, value in attributes.items()
    )
    if text is None:
        return Markup("<{}{}/>").format(name, written)
    return Markup("<{}{}>{}</{}>").format(name, written, escape(text), name)


def _number(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def steps(most: float, count: int = 3) -> list[float]:
    """Return round values from 0 up to `most` or a little more, about `count` of them above 0."""
    if most <= 0:
        return [0, 1]
    raw = most / count
    size = 10 ** math.floor(math.log10(raw))
    step = max(1, next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw))
    step = math.ceil(step) if step < 10 else step
    return [step * number for number in range(math.ceil(most / step) + 1)]


def short(value: float) -> str:
    """Return a number as an axis shows it: 800, 1.6k, 24k."""
    if value < 1000:
        return f"{value:g}"
    return f"{value / 1000:g}k" if value < 1_000_000 else f"{value / 1_000_000:g}m"
