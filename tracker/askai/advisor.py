"""The one place where a decision comes about: summary, prompt, model and check, with the rules behind them all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tracker.askai.decision import DECISION_JSON_SCHEMA, DecisionError, PopupDecision, parse_decision
from tracker.askai.language_model import ModelAnswer, ModelClient, ModelError
from tracker.askai.prompt import build_prompt
from tracker.askai.rules import decide
from tracker.askai.summary import SessionSummary, summarise
from tracker.sessions.model import ShopperSession

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A decision and how it came about."""

    decision: PopupDecision
    source: Literal["groq", "rules"]
    fault: str | None = None
    """Why the rules had to stand in for the model: a ModelError's code, or `invalid`; None when they did not."""
    answer: ModelAnswer | None = None
    """What the model said and cost, also when it could not be used; None when it did not answer."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Advisor:
    """Gives advice on sessions. Holds no lock, so that a slow model keeps nobody else waiting."""

    def __init__(
        self,
        model: ModelClient | None = None,
        *,
        clock: Callable[[], int] = _now_ms,
        deadline_s: float = 5.0,
    ) -> None:
        """Take the model to ask (None: the rules answer), the time in ms since 1970, and how long a model may take."""
        self._model = model
        self._clock = clock
        self._deadline_s = deadline_s

    def advise(self, session: ShopperSession) -> Advice:
        """Say whether a popup would help now, within the model's deadline and without any of its faults."""
        summary = summarise(session, self._clock())
        if self._model is None:
            return Advice(decision=decide(summary), source="rules")
        return self._ask(self._model, summary)

    def _ask(self, model: ModelClient, summary: SessionSummary) -> Advice:
        answer = None
        try:
            answer = model.complete(build_prompt(summary), DECISION_JSON_SCHEMA, self._deadline_s)
            return Advice(decision=parse_decision(answer.text), source="groq", answer=answer)
        except ModelError as error:
            fault = error.code
        except DecisionError as error:
            fault = "invalid"
            _log.warning("the model's answer is %s", error)
        return Advice(decision=decide(summary), source="rules", fault=fault, answer=answer)
