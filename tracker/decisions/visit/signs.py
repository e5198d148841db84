"""Signs: what in a visit hints that something may be in a shopper's way. Without a sign no model is asked.

A sign is less than a reason for a popup. Each one counts when it happens, so that a decision that saw fewer of them can
be told from one that saw them all.
"""

from __future__ import annotations

from typing import Final

from tracker.decisions.visit.acts import LOOKING_AROUND
from tracker.decisions.visit.pages import PageName

SIGN_EVENTS: Final = frozenset({"search", "sold_out", "discount_refused", "option_flip", "quantity_change"})
"""Events that are a sign by themselves."""
SIGN_WITH_CART: Final = frozenset({"exit_intent", "presence", "cart_view"})
"""Events that are a sign of a shopper with something in the cart, or of one of whom there was a sign before."""
RUNS: Final = frozenset({4, 7})
"""At which click in a row on one thing the run of clicks is a sign."""
PRESSES: Final = 3
"""At which click on one thing that should have changed something, and did not, they are a sign."""


def is_page_a_sign(page: PageName, *, is_again: bool, items: int) -> bool:
    """Return whether opening a page is a sign: one of text, the search, the filled cart, or one gone back to."""
    return page.is_text or page.kind == "search" or is_again or (page.kind == "cart" and items > 0)


def is_click_a_sign(act: str, run: int, presses: int) -> bool:
    """Return whether a click is a sign: on an option, a panel or a form, or on the same thing again and again."""
    return act not in LOOKING_AROUND or run in RUNS or presses == PRESSES
