"""A proposal: what the rules or a model suggest for one session. Nothing in it reaches a shopper unchecked."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.llm.faults import Fault
from tracker.llm.port import ModelAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One of the owner's messages to show, or silence; and why."""

    message_id: str | None
    """None proposes to show nothing."""
    reason: str
    """Why, for the owner."""
    trigger: str = ""
    """A short label for what in the session decided; empty in a model's proposal: the guardrails derive it."""
    opening: str = ""
    """A few words of a model's own before the message."""
    confidence: float = 1.0
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class ModelProposal:
    """A model's proposal as it came, and the answer that it was read from."""

    proposal: Proposal
    answer: ModelAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailure:
    """Why there is no proposal from a model."""

    fault: Fault
    was_asked: bool = False
    answer: ModelAnswer | None = None
    """The answer that could not be used, if one came."""
