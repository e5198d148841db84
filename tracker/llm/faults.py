"""Why a model did not decide: every code that logs and records hold, each with its explanation for the shop's owner."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """A code, such as `timeout`, which is stored and compared; `explanation` explains it to a person."""

    explanation: str

    def __new__(cls, code: str, explanation: str) -> Fault:
        """Make the member of this code."""
        fault = str.__new__(cls, code)
        fault._value_ = code
        fault.explanation = explanation
        return fault

    # The budget refused the call: no request was made.
    BUDGET = "budget", "the day's budget for the model was used up"
    HOUR = "hour", "this hour's share of the day's budget for the model was used up"
    BREAKER = "breaker", "the model had failed again and again and was left alone for a while"
    RETRY_AFTER = "retry_after", "the model's server had asked for a pause"
    UNAVAILABLE = "unavailable", "the calls could not be counted"

    # The model was not asked for another reason.
    COOL_DOWN = "cool_down", "the model had been asked about this session a short while before"
    ENOUGH = "enough", "the model had been asked about this session as often as it may be"
    BEGUN = "begun", "the visit had begun only a moment before"
    NO_PAGE = "no_page", "no page of the shop asked"
    SHARE = "share", "this sender had used its share of the day's calls"
    WAITED = "waited", "another question about the same session was under way"
    BUSY = "busy", "as many questions as allowed were under way"

    # The model was asked and gave no usable answer.
    TIMEOUT = "timeout", "the model did not answer in time"
    RATE_LIMITED = "rate_limited", "the model's server said: not now"
    REFUSED = "refused", "the model's server refused the question; check the key and the model's name"
    UNREACHABLE = "unreachable", "the model could not be reached"
    UNUSABLE = "unusable", "the model answered nothing that could be used"
    INVALID = "invalid", "the model answered something else than it was asked for"
    FAILED = "failed", "the model gave no usable answer"


_EXPLANATIONS: Final = {fault.value: fault.explanation for fault in Fault}


def explanation_of(code: str) -> str:
    """Return the explanation of a stored code; the code itself if this version does not know it."""
    return _EXPLANATIONS.get(code, code)
