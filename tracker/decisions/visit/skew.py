"""The shopper's clock beside the service's."""

from __future__ import annotations

from typing import Final

from tracker.sessions.model import ShopperSession

LATENCY_MS: Final = 3_000
"""Two clocks that differ by no more agree: a report takes some time."""
LATEST_REPORT_MS: Final = 1_800_000
"""No report of an event comes later: a visit ends after half an hour without an act."""


def skew_of(session: ShopperSession, newest_ms: int) -> int:
    """Return how far the shopper's clock is behind the service's, in ms; 0 where it is not known to be wrong.

    A clock that is some minutes wrong would otherwise make every cart old, or a change of the cart never old enough.
    """
    told_ms = max(session.merge.cart_clock, newest_ms)
    skew_ms = session.updated_at - told_ms if session.updated_at else 0
    # Only a report with a clock of its own, later than its events, tells that a clock is a little behind.
    is_told = skew_ms < 0 or skew_ms > LATEST_REPORT_MS or session.merge.cart_clock > newest_ms
    return skew_ms if is_told and abs(skew_ms) > LATENCY_MS else 0
