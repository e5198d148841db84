"""Why a model is not asked about a case now, although there is something to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from tracker.decisions.case import Case
from tracker.llm.faults import Fault

MOST_QUESTIONS: Final = 4
"""How often a model is asked about one visit at most."""

Admit: TypeAlias = Callable[[Case], Fault | None]
"""Returns why a model is not asked for the sender of the question; or None, and counts the call that follows."""


def anybody(case: Case) -> None:
    """Admit every sender."""


def is_cooling_down(case: Case, cool_down_ms: int) -> bool:
    """Whether the model was asked about this session so recently that it is left alone; leaving waits for nothing."""
    return case.signals.why != "exit" and case.now_ms - case.log.last_asked_ms < cool_down_ms


def why_not_asked(case: Case, cool_down_ms: int, admit: Admit) -> Fault | None:
    """Return why the model is not asked now; None if it may be. The sender is looked at last."""
    if case.log.asked >= MOST_QUESTIONS:
        return Fault.ENOUGH
    if is_cooling_down(case, cool_down_ms):
        return Fault.COOL_DOWN
    return admit(case)
