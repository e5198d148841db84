"""The plain rule: what is proposed where a script tells too little for the scorecard, which the original one does.

The scorecard learned from visits as the storefront script tells them: each page with its time, each change of the cart,
each absence. Of another script's visit the cart and the time on its pages are known, and nothing else that it weighs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tracker.decisions.proposal import Proposal
from tracker.decisions.shop.messages import Kind, Message
from tracker.decisions.visit.signals import Signals, counted

LONG_DWELL_S: Final = 60
"""After so long, a shopper with a full cart has had the time to go to the checkout."""

_WHY: Final[dict[Kind, str]] = {
    "offer": "an offer may decide.",
    "fact": "knowing the shop better may help.",
    "help": "help may be welcome.",
}


def propose_plainly(signals: Signals, messages: Sequence[Message]) -> Proposal:
    """Propose one of the messages that apply to this shopper, or silence."""
    items, dwell = signals.items_in_cart, signals.dwell_s
    if items == 0:
        return _silence(f"Nothing in the cart after {dwell} s: still looking around.", "browsing")
    if dwell < LONG_DWELL_S and not signals.hesitating:
        reason = f"{counted(items, 'item')} in the cart after {dwell} s: no sign of hesitation yet."
        return _silence(reason, "still_shopping")
    # An offer costs the shop something: it is for shoppers whom knowing the shop better does not decide.
    order: tuple[Kind, ...] = ("offer", "fact", "help") if signals.hesitating else ("fact", "help", "offer")
    for kind in order:
        of_kind = [message for message in messages if message.kind == kind]
        if not of_kind:
            continue
        # The one about what the shopper looked for most; of equals the first in the file.
        message = max(of_kind, key=lambda one: max((_share(signals, topic) for topic in one.about), default=0.0))
        hesitating = ", and hesitating" if signals.hesitating else ""
        cart = f"{counted(items, 'item')} in the cart and {dwell} s on the pages, but no checkout"
        return Proposal(
            message_id=message.id,
            reason=f"{cart}{hesitating}: {_WHY[kind]}",
            trigger="hesitation" if signals.hesitating else "items_in_cart",
            confidence=0.7,
            delay_ms=2000,
        )
    return _silence("The shop has nothing to say to this shopper now.", "nothing_to_say")


def _share(signals: Signals, topic: str) -> float:
    return signals.numbers.get(f"share_{topic}", 0.0)


def _silence(reason: str, trigger: str) -> Proposal:
    return Proposal(message_id=None, reason=reason, trigger=trigger)
