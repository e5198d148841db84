"""The last word on every decision: what is shown is the owner's sentence, and nothing in it goes beyond the file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from marshmallow import ValidationError

from tracker.decisions.decision import MAX_MESSAGE, PopupDecision, plain_message, quiet
from tracker.decisions.lexicon import fault_in_opening
from tracker.decisions.messages import SILENT, Kind, Sentence, Shop, text_in
from tracker.decisions.proposal import Choice
from tracker.decisions.signals import SessionSummary

_CATEGORY: dict[Kind, str] = {"offer": "discount", "fact": "info", "help": "info"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worded:
    """A choice as it may leave: the decision, the sentence in it, and why more was not let through."""

    decision: PopupDecision
    sentence: Sentence | None = None
    veto: str | None = None


def guarded(choice: Choice, shop: Shop, summary: SessionSummary, today: date) -> Worded:
    """Word a choice, or veto it.

    The message is the owner's sentence, verbatim, taken from the file here and now. A model's opening before it is
    allowed only by the file's `wording` and only if it is harmless; the sentence must apply to this shopper today.
    """
    if choice.pick == SILENT:
        # A model's own reason is for the ledger; only ours leaves.
        reason = choice.reason if choice.trigger else f"After {summary.dwell_s} s the model sees no use in a popup."
        return Worded(decision=quiet(reason, choice.trigger or "model_says_no", choice.confidence))
    sentence = shop.find(choice.pick)
    if sentence is None:
        return _veto("the pick is not in the shop's file")
    if not sentence.applies(summary, today):
        return _veto(f"{sentence.id} does not apply to this shopper today")
    language = shop.language_for(summary.locale)
    message = text_in(sentence.texts, language)
    if shop.wording == "model" and choice.opening:
        fault = fault_in_opening(choice.opening, language)
        if fault is not None:
            return _veto(f"the model's opening holds {fault}")
        if len(choice.opening) + 1 + len(message) <= MAX_MESSAGE:
            message = f"{choice.opening} {message}"
    try:
        plain_message(message)
    except ValidationError as error:
        return _veto(f"the message {error.messages[0]}")
    if len(message) > MAX_MESSAGE:
        return _veto(f"the message is longer than {MAX_MESSAGE} characters")
    return Worded(
        decision=PopupDecision(
            show_popup=True,
            message=message,
            reason=choice.reason if choice.trigger else _reason(summary, sentence),
            category=_CATEGORY[sentence.kind],
            trigger=choice.trigger or _trigger(summary),
            confidence=choice.confidence,
            delay_ms=choice.delay_ms,
        ),
        sentence=sentence,
    )


def _veto(why: str) -> Worded:
    return Worded(decision=quiet("What was chosen is not for this shop to say.", "vetoed"), veto=why)


def _trigger(summary: SessionSummary) -> str:
    if summary.hesitating:
        return "hesitation"
    return "items_in_cart" if summary.items_in_cart else f"stage_{summary.stage}"


def _reason(summary: SessionSummary, sentence: Sentence) -> str:
    parts = [
        f"{summary.items_in_cart} in the cart",
        f"{summary.dwell_s} s on {summary.pages} pages",
        "hesitating" if summary.hesitating else "no checkout yet",
    ]
    return f"{', '.join(parts)}: the model picked {sentence.kind} {sentence.id}."
