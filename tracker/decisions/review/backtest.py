"""Backtest: stored visits decided anew, by today's file, rules and prompt, beside what was decided then."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from tracker.decisions.decision import Decision, Shown
from tracker.decisions.engine import Engine
from tracker.decisions.log.entry import LogEntry
from tracker.decisions.log.session_log import DecisionLog
from tracker.sessions.model import ShopperSession


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision comes down to; `pick` is the message's id, None if nothing was shown."""

    show: bool
    pick: str | None
    trigger: str

    @classmethod
    def of_entry(cls, entry: LogEntry) -> Outcome:
        popup = entry.popup
        return cls(popup is not None, None if popup is None else popup.message_id, entry.trigger)

    @classmethod
    def of_decision(cls, decision: Decision) -> Outcome:
        if isinstance(decision, Shown):
            return cls(True, decision.message.id, decision.trigger)
        return cls(False, None, decision.trigger)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One session's last logged outcome (None: nobody had asked) beside today's."""

    session: str
    before: Outcome | None
    now: Outcome

    @property
    def changed(self) -> bool:
        """Whether the shopper would see something else."""
        return self.before is None or (self.before.show, self.before.pick) != (self.now.show, self.now.pick)

    def to_record(self) -> dict[str, Any]:
        return {**asdict(self), "changed": self.changed}


def backtest(engine: Engine, session: ShopperSession, *, ask: bool = False) -> Comparison:
    """Decide a session anew as it stood at its last report, as if nobody had asked before. Logs nothing.

    `ask`: let the model decide about an eligible session, which counts against its budget.
    """
    decision = engine.preview(replace(session, decisions={}), at_ms=session.updated_at, ask=ask)
    last = DecisionLog.of(session).last
    return Comparison(
        session=session.session,
        before=None if last is None else Outcome.of_entry(last),
        now=Outcome.of_decision(decision),
    )
