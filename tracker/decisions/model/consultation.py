"""Asking the model for a proposal about one case, within the budget."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from tracker.decisions.case import Case
from tracker.decisions.model.answer import InvalidAnswerError, answer_json_schema, parse_answer
from tracker.decisions.model.prompt import build_prompt
from tracker.decisions.proposal import ModelFailure, ModelProposal
from tracker.decisions.shop.messages import Message
from tracker.llm.budget import Budget, BudgetRefusedError, Reservation
from tracker.llm.faults import Fault
from tracker.llm.port import (
    ModelAnswer,
    ModelAnswerError,
    ModelBusyError,
    ModelClient,
    ModelError,
    ModelRateLimitedError,
    ModelTimeoutError,
    PromptPart,
)

_log = logging.getLogger(__name__)

_ANSWER_TOKENS: Final = 1000
"""The most that an answer takes with its reasoning (see tracker.llm.groq_transport), and what a server may add."""


class Consultant:
    """A model and its budget: each question is reserved before it is asked, and settled by what came of it."""

    def __init__(self, client: ModelClient, budget: Budget, clock: Callable[[], int]) -> None:
        """`clock` returns ms since 1970."""
        self._client = client
        self._budget = budget
        self._clock = clock

    def consult(self, case: Case, deadline_s: float) -> ModelProposal | ModelFailure:
        """Ask once and return within `deadline_s` seconds. Raises nothing."""
        messages = list(case.messages)
        prompt = build_prompt(case.signals, case.reading, case.shop, messages)
        try:
            reservation = self._budget.reserve(_most_tokens(prompt), self._clock())
        except BudgetRefusedError as refused:
            return ModelFailure(fault=refused.fault)
        schema = answer_json_schema(case.shop.messages, case.shop.wording == "model")
        try:
            answer = self._client.complete(prompt, schema, deadline_s)
        except ModelError as error:
            self._settle_error(reservation, error)
            return ModelFailure(fault=error.code, was_asked=True)
        return self._proposal(reservation, answer, messages)

    def _proposal(
        self, reservation: Reservation, answer: ModelAnswer, messages: list[Message]
    ) -> ModelProposal | ModelFailure:
        # A server that names no usage leaves the reservation charged.
        tokens = answer.prompt_tokens + answer.completion_tokens or None
        try:
            proposal = parse_answer(answer.text, messages)
        except InvalidAnswerError as error:
            _log.warning("the model's answer is %s", error)
            self._budget.failed(reservation, self._clock(), tokens=tokens)
            return ModelFailure(fault=Fault.INVALID, was_asked=True, answer=answer)
        self._budget.succeeded(reservation, tokens)
        return ModelProposal(proposal, answer)

    def _settle_error(self, reservation: Reservation, error: ModelError) -> None:
        if isinstance(error, ModelBusyError):
            self._budget.cancelled(reservation)
            return
        # A call that broke off in the middle may have cost anything up to its reservation.
        tokens = None if isinstance(error, ModelTimeoutError | ModelAnswerError) else 0
        pause_s = error.retry_after if isinstance(error, ModelRateLimitedError) else None
        self._budget.failed(reservation, self._clock(), tokens=tokens, retry_after_s=pause_s)


def _most_tokens(prompt: list[PromptPart]) -> int:
    """Return an upper bound of a call's tokens: a token stands for at least one byte of the prompt."""
    return sum(len(part["content"].encode()) for part in prompt) + _ANSWER_TOKENS
