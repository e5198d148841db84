"""What is counted of decisions, and of the model's calls that some of them took."""

from __future__ import annotations

from typing import Final

from tracker.decisions.decision import ByModel, ByRules, Decision, Shown
from tracker.llm.port import ModelAnswer
from tracker.metrics.counts import Counter

_DECISIONS: Final = Counter("tracker_decisions", "Decisions, by source and the message shown.", "source", "message")
_CALLS: Final = Counter("tracker_model_calls", "Calls of the model, and of these the outcome.", "outcome")
_TOKENS: Final = Counter("tracker_model_tokens", "Tokens that the model's server counted.", "kind")
_FAULTS: Final = Counter("tracker_model_faults", "Why the rules decided in the model's place, asked or not.", "fault")


def count_decision(decision: Decision) -> None:
    """Count a decision that was made for a shopper."""
    origin = decision.origin
    _DECISIONS.add(origin.source, decision.message.id if isinstance(decision, Shown) else "")
    if isinstance(origin, ByModel):
        _count_call("answered", origin.proposed.answer)
    elif isinstance(origin, ByRules) and (failure := origin.failure) is not None:
        _FAULTS.add(failure.fault.value)
        if failure.was_asked:
            _count_call("failed", failure.answer)


def _count_call(outcome: str, answer: ModelAnswer | None) -> None:
    _CALLS.add(outcome)
    if answer is not None:
        _TOKENS.add("prompt", amount=answer.prompt_tokens)
        _TOKENS.add("completion", amount=answer.completion_tokens)
