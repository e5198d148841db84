"""When the storefront script asks whether a popup would help: one table, the contract between script and player.

The weights of the scorecard were learned at these moments, so the script has to ask at the same ones: its table is
`MOMENTS` in tracker/storefront/assets/source/moments.js, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tracker.decisions.visit.signals import Why

ASKS_AT_ONCE: Final[frozenset[Why]] = frozenset({"exit", "again"})
"""These questions do not wait for the gap after the one before: the moment would be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The moments of asking. Times are seconds."""

    still: tuple[int, ...] = (10, 20, 60)
    """Nothing was touched on a page for so long. This counts only once there was a sign (see `visit.signs`) or with
    something in the cart: without a sign there is no question."""
    again: tuple[int, ...] = (4, 7)
    """At which click on the same thing of a page; counted anew when the cart changes."""
    turn: int = 10
    """Turning away counts after so long on a policy, content, search or cart page."""
    back: int = 10
    """Coming back to the tab counts after so long in the background."""
    early: int = 15
    """No question before so much of the visit has passed."""
    gap: int = 12
    """So much time lies between two questions, except for `ASKS_AT_ONCE`."""
    quiet: int = 120
    """For so long after a popup was drawn, no question."""
    most: int = 20
    """At most so many questions a visit."""


MOMENTS: Final = Moments()

TURNED_FROM: Final = frozenset({"policy", "content", "search", "cart"})
"""The kinds of pages where a shopper looks for an answer, so that turning away from one is a moment of asking."""
