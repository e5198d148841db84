"""What the scorecard proposes: the message that is most likely right, if it is likely enough that it helps now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tracker.decisions.proposal import Proposal
from tracker.decisions.scorecard.scorecard import Discretion, Scorecard
from tracker.decisions.shop.messages import Message
from tracker.decisions.visit.signals import Signals

TURN_DELAY_MS: Final = 3_000
"""A page that was just opened, or come back to, is seen first."""


def delay_ms_of(why: str) -> int:
    """Return how long to wait before a popup that nothing else sets a delay for."""
    return TURN_DELAY_MS if why in {"turn_away", "back"} else 0


def answers_of(message: Message) -> tuple[str, ...]:
    """Return the scorecard's answers that this message gives.

    Those are the topics, and "quote": help with a large order is another answer than an offer for three pieces, though
    both are about quantity.
    """
    if message.kind == "help" and "quantity" in message.about:
        return ("quote",)
    return tuple(sorted(message.about))


def best_of(about: Mapping[str, float], messages: Iterable[Message]) -> tuple[Message | None, float]:
    """Return the message that is most likely right, with that probability; of equals the one about fewer things."""
    ranked = [
        (max(about[answer] for answer in answers), -len(answers), message)
        for message in messages
        if (answers := answers_of(message))
    ]
    best = max(ranked, key=lambda entry: entry[:2], default=None)
    return (None, 0.0) if best is None else (best[2], best[0])


def propose(scorecard: Scorecard, discretion: Discretion, signals: Signals, messages: Iterable[Message]) -> Proposal:
    """Propose one of these messages, or silence."""
    if not signals.numbers:
        return Proposal(message_id=None, reason="No page was opened yet.", trigger="no_page")
    message, right = best_of(scorecard.about(signals.numbers), messages)
    if message is None:
        return Proposal(
            message_id=None, reason="The shop has nothing to say to this shopper now.", trigger="nothing_to_say"
        )
    helps, reasons = scorecard.score(signals.numbers)
    probability = round(helps * right, 2)
    words = "; ".join(reason.words for reason in reasons) or "nothing stands out"
    if helps * right < scorecard.thresholds[discretion]:
        reason = f"{words}: {probability:.0%} likely that a popup would help, too little for a {discretion} shop."
        return Proposal(message_id=None, reason=reason, trigger="unlikely_to_help", confidence=1 - probability)
    return Proposal(
        message_id=message.id,
        reason=f"{words}: {probability:.0%} likely that {message.id} helps now.",
        trigger=reasons[0].name if reasons else "scorecard",
        confidence=probability,
        delay_ms=delay_ms_of(signals.why),
    )
