"""The local rules: which of the owner's sentences to say where no model picks one. They word nothing themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tracker.decisions.messages import Kind, Sentence
from tracker.decisions.proposal import Choice
from tracker.decisions.signals import SessionSummary, counted

LONG_DWELL_S: Final = 60
"""From here on, a shopper with a full cart has had the time to go to the checkout."""


def choose(summary: SessionSummary, sentences: Sequence[Sentence]) -> Choice:
    """Pick from the sentences that apply to this shopper, or nothing."""
    items, dwell = summary.items_in_cart, summary.dwell_s
    if items == 0:
        return Choice.silent(f"Nothing in the cart after {dwell} s: still looking around.", "browsing")
    if dwell < LONG_DWELL_S and not summary.hesitating:
        return Choice.silent(
            f"{counted(items, 'item')} in the cart after {dwell} s: no sign of hesitation yet.", "still_shopping"
        )
    # An offer costs the shop something: it is for those whom knowing the shop better does not decide.
    order: tuple[Kind, ...] = ("offer", "fact", "help") if summary.hesitating else ("fact", "help", "offer")
    for kind in order:
        for sentence in sentences:
            if sentence.kind == kind:
                return Choice(
                    pick=sentence.id,
                    reason=f"{counted(items, 'item')} in the cart and {dwell} s on the pages, but no checkout"
                    f"{', and hesitating' if summary.hesitating else ''}: {_WHY[kind]}",
                    trigger="hesitation" if summary.hesitating else "items_in_cart",
                    confidence=0.7,
                    delay_ms=2000,
                )
    return Choice.silent("The shop has nothing to say to this shopper now.", "nothing_to_say")


_WHY: Final[dict[Kind, str]] = {
    "offer": "an offer may decide.",
    "fact": "knowing the shop better may help.",
    "help": "help may be welcome.",
}
