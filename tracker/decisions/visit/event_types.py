"""The types of the storefront script's events, and how values of their keys are read."""

from __future__ import annotations

from typing import Final

from tracker.sessions.model import MAX_INTEGER

VIEWS: Final = frozenset({"view", "page_view", "pageview"})
ARRIVAL: Final = {"visit": int, "buys": int, "locale": str, "device": str, "campaign": str, "discount": bool}
"""What a view tells of the browser, with the types of the values."""
CART_CHANGES: Final = frozenset({"add_to_cart", "remove_from_cart"})
CHOICES: Final = frozenset({"quantity_change", "option_flip"})
NOT_BY_SHOPPER: Final = frozenset({"popup_shown", "popup_dropped", "sold_out"})
"""Events that no act of the shopper's makes."""
POPUP_TYPES: Final = frozenset({"popup_shown", "popup_dismissed", "popup_clicked", "popup_dropped"})
RESTING: Final = ("repeat", "dismissed")
"""Why the script drops a message that this browser has seen already."""
WORDS: Final = {
    "exit_intent": "moves to leave",
    "cart_view": "opens the cart",
    "search": "search",
    "sold_out": "is sold out",
    "discount_refused": "code refused",
    "checkout_started": "checkout",
    "popup_shown": "popup shown",
    "popup_dismissed": "popup closed",
}
"""Further events that belong to what was done, in words."""

MAX_COUNT: Final = 99_999
MAX_TEXT: Final = 200
"""A text from a browser is read so far."""


def whole(value: object) -> int:
    """Return a whole number of an event's key, 0 for anything else: a key may hold whatever a browser sent."""
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else 0
