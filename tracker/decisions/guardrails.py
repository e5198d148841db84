"""The last check on every proposal: only an owner's message is shown, and nothing around it goes beyond the file."""

from __future__ import annotations

from datetime import date
from typing import Final

from marshmallow import ValidationError

from tracker.decisions.decision import Decision, Origin, Shown, Silence
from tracker.decisions.language.lexicon import fault_in_opening
from tracker.decisions.language.plain_text import MAX_MESSAGE, require_plain_text
from tracker.decisions.proposal import Proposal
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.signals import Signals

MAX_DELAY_MS: Final = 10_000
"""A popup that comes later belongs to a moment that is over."""


def checked(proposal: Proposal, origin: Origin, shop: Shop, signals: Signals, today: date) -> Decision:
    """Turn a proposal into a decision, or stop it with a veto.

    The text is the owner's message, verbatim, taken from the file here and now. A model's opening before it is let
    through only if the file's `wording` allows it and it is harmless; the message must apply to this shopper today.
    """
    if proposal.message_id is None:
        # A model's own reason stays in the log: only reasons that this project words leave.
        reason = proposal.reason if proposal.trigger else f"After {signals.dwell_s} s the model sees no use in a popup."
        trigger = proposal.trigger or "model_says_no"
        return Silence(reason=reason, trigger=trigger, confidence=proposal.confidence, origin=origin)
    message = shop.find(proposal.message_id)
    if message is None:
        return _veto("the pick is not in the shop's file", origin)
    if not message.applies(signals, today):
        return _veto(f"{message.id} does not apply to this shopper today", origin)
    language = shop.language_for(signals.locale)
    text = message.text_in(language)
    if shop.wording == "model" and proposal.opening:
        fault = fault_in_opening(proposal.opening, language)
        if fault is not None:
            return _veto(f"the model's opening holds {fault}", origin)
        if len(proposal.opening) + 1 + len(text) <= MAX_MESSAGE:
            text = f"{proposal.opening} {text}"
    try:
        require_plain_text(text)
    except ValidationError as error:
        return _veto(f"the message {error.messages[0]}", origin)
    if len(text) > MAX_MESSAGE:
        return _veto(f"the message is longer than {MAX_MESSAGE} characters", origin)
    return Shown(
        message=message,
        text=text,
        language=language,
        reason=proposal.reason if proposal.trigger else _reason(signals, message),
        trigger=proposal.trigger or _trigger(signals),
        confidence=proposal.confidence,
        delay_ms=min(proposal.delay_ms, MAX_DELAY_MS),
        origin=origin,
    )


def _veto(why: str, origin: Origin) -> Silence:
    return Silence(reason="What was chosen is not for this shop to say.", trigger="vetoed", veto=why, origin=origin)


def _trigger(signals: Signals) -> str:
    if signals.hesitating:
        return "hesitation"
    return "items_in_cart" if signals.items_in_cart else f"stage_{signals.stage}"


def _reason(signals: Signals, message: Message) -> str:
    parts = [
        f"{signals.items_in_cart} in the cart",
        f"{signals.dwell_s} s on {signals.pages} pages",
        "hesitating" if signals.hesitating else "no checkout yet",
    ]
    return f"{', '.join(parts)}: the model picked {message.kind} {message.id}."
