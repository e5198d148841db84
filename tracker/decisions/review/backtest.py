"""Backtest: stored decisions judged anew, each at its own moment, by today's file, rules and scorecard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast, get_args

from tracker.decisions.browser_memory import NO_MEMORY, BrowserMemory
from tracker.decisions.decision import ByModel, Decision, Shown
from tracker.decisions.eligibility import HELD
from tracker.decisions.engine import Engine
from tracker.decisions.log.entry import LogEntry
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.proposal import ModelProposal, Proposal
from tracker.decisions.review.past import PastLostError, session_then
from tracker.decisions.visit.signals import Why
from tracker.llm.port import ModelAnswer
from tracker.sessions.model import ShopperSession


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision comes down to; `pick` is the message's id, None if nothing is shown."""

    show: bool
    pick: str | None
    trigger: str

    @classmethod
    def of_entry(cls, entry: LogEntry) -> Outcome:
        popup = entry.popup or entry.withheld
        return cls(popup is not None, None if popup is None else popup.message_id, entry.trigger)

    @classmethod
    def of_decision(cls, decision: Decision) -> Outcome:
        if isinstance(decision, Shown):
            return cls(True, decision.message.id, decision.trigger)
        return cls(False, None, decision.trigger)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One stored decision beside today's for the same moment."""

    session: str
    at: int
    """The moment, ms since 1970."""
    before: Outcome
    now: Outcome | None
    """None: the session of that moment cannot be made again, see `past`."""

    @property
    def changed(self) -> bool:
        """Whether the shopper would see something else."""
        return self.now is not None and (self.before.show, self.before.pick) != (self.now.show, self.now.pick)

    def to_record(self) -> dict[str, Any]:
        return {**asdict(self), "changed": self.changed}


def backtest(engine: Engine, session: ShopperSession, *, ask: bool = False) -> Iterator[Comparison]:
    """Decide anew what was asked about a session, each question by the events, cart and popups of its moment.

    Logs nothing. Each decision is judged alone: the popups before it are those that were decided then. Where a model
    had decided, its proposal of then is checked by today's file and rules, unless `ask` lets the model decide anew,
    which counts against its budget. Of a browser that was held out, what it would have been shown is compared.
    """
    for number, entry in DecisionLog.of(session).numbered():
        if entry.trigger == HELD and entry.withheld is None:
            continue  # nothing was judged: the browser was held out already
        before = Outcome.of_entry(entry)
        try:
            then = session_then(session, entry, number)
        except PastLostError:
            yield Comparison(session.session, entry.at, before, None)
            continue
        decision = engine.preview(
            then, at_ms=entry.at, why=_why(entry), memory=_memory(entry), ask=ask, proposed=_proposal(entry)
        )
        yield Comparison(session.session, entry.at, before, Outcome.of_decision(decision))


def _why(entry: LogEntry) -> Why:
    return cast(Why, entry.why) if entry.why in get_args(Why) else ""


def _memory(entry: LogEntry) -> BrowserMemory:
    try:
        return BrowserMemory.from_record(entry.memory)
    except (TypeError, ValueError):
        return NO_MEMORY


def _proposal(entry: LogEntry) -> ModelProposal | None:
    """Return what a model proposed then; None if none did."""
    logged = None if entry.call is None else entry.call.proposal
    if logged is None or entry.source != ByModel.source:
        return None
    proposal = Proposal(
        message_id=logged.message_id, reason=logged.reason, opening=logged.opening, confidence=entry.confidence
    )
    return ModelProposal(proposal, ModelAnswer(text="", model="", latency_ms=0, prompt_tokens=0, completion_tokens=0))
