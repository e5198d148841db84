"""The local rules: the decision where no model gives one. They offer help, and claim and promise nothing."""

from __future__ import annotations

from typing import Final

from tracker.askai.decision import PopupDecision, quiet
from tracker.askai.summary import SessionSummary

EARLY_S: Final = 15
"""Below this a visit has hardly begun."""
LONG_DWELL_S: Final = 60
"""From here on, a shopper with a full cart has had the time to go to the checkout."""
BOUNCE_EVENTS: Final = 3

HELP_MESSAGE: Final = "Would you like some help with your order?"


def decide(summary: SessionSummary) -> PopupDecision:
    """Decide from a session's signals alone."""
    items, dwell = summary.items_in_cart, summary.dwell_s
    if summary.checkout_seen:
        return quiet(
            f"The checkout was seen after {dwell} s on the pages: nothing should stand in its way.", "checkout"
        )
    if summary.cart_emptied:
        return quiet("The cart was filled and is empty now: a popup would not bring it back.", "cart_emptied")
    if dwell < EARLY_S:
        return quiet(
            f"Only {dwell} s on the pages: too early, before {EARLY_S} s, to tell what would help.", "too_early"
        )
    if items == 0 and summary.pages <= 1 and summary.events < BOUNCE_EVENTS:
        return quiet(f"One page and {_count(summary.events, 'event')} in {dwell} s: hardly a visit yet.", "bounce")
    if items == 0:
        return quiet(f"Nothing in the cart after {dwell} s: still looking around.", "browsing")
    if dwell < LONG_DWELL_S:
        return quiet(
            f"{_count(items, 'item')} in the cart after {dwell} s: no sign of hesitation yet.", "still_shopping"
        )
    return PopupDecision(
        show_popup=True,
        message=HELP_MESSAGE,
        reason=f"{_count(items, 'item')} in the cart and {dwell} s on the pages, but no checkout: help may be welcome.",
        category="info",
        trigger="items_in_cart",
        confidence=0.7,
        delay_ms=2000,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
