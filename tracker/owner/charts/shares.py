"""One bar for a share of a whole: a step of the way to the till, or a budget."""

from __future__ import annotations

from markupsafe import Markup

from tracker.owner.charts.svg import element


def share(part: float, whole: float) -> Markup:
    """Return the bar. It stands beside its number, so a screen reader passes it over."""
    filled = 0.0 if whole <= 0 else 300 * min(1.0, part / whole)
    if part:
        filled = max(3.0, filled)
    inside = element("rect", class_="track", width=300, height=6, rx=3)
    if filled:
        inside += element("rect", class_="top-bar", width=filled, height=6, rx=min(3.0, filled / 2))
    return Markup('<svg viewBox="0 0 300 6" preserveAspectRatio="none" height="7" aria-hidden="true">{}</svg>').format(
        inside
    )
