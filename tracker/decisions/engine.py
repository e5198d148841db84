"""The engine: how a decision about one session comes about. It reads from top to bottom.

    eligibility -> a standing decision -> silence by rule -> the owner's rule that holds -> a model, after a sign and
    within its budget -> the rule itself, or else the scorecard -> the guardrails -> the holdout -> the log

Each part is called from here; only the engine knows their order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tracker.decisions.browser_memory import NO_MEMORY, BrowserMemory
from tracker.decisions.case import Case, SessionGoneError
from tracker.decisions.decision import ByModel, ByRules, Decision
from tracker.decisions.eligibility import hopeless, refusal, silence, told, with_offer
from tracker.decisions.guardrails import checked
from tracker.decisions.holdout.epochs import EpochSource, FixedEpoch
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.model.asking import Admit, anybody, why_not_asked
from tracker.decisions.model.consultation import Consultant
from tracker.decisions.proposal import ModelFailure, ModelProposal
from tracker.decisions.recording import record
from tracker.decisions.rules import propose_by_rules
from tracker.decisions.scorecard.scorecard import Scorecard, shipped
from tracker.decisions.shop.live_file import ShopSource
from tracker.decisions.single_flight import ClaimedError, SingleFlight
from tracker.decisions.standing import standing_decision
from tracker.decisions.visit.signals import Why
from tracker.llm.budget import Budget
from tracker.llm.faults import Fault
from tracker.llm.port import ModelClient
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreError, UnknownSessionError

_log = logging.getLogger(__name__)

_DELETED: Final = silence("The session was deleted meanwhile.", "deleted")
_NOT_KEPT: Final = silence("Decisions cannot be kept now.", "store")
_ASKING: Final = silence("Another question about this shopper is being answered just now.", "asking")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Engine:
    """Decides about sessions, and logs each decision in its session."""

    def __init__(
        self,
        store: SessionStore,
        shop: ShopSource,
        *,
        model: ModelClient | None = None,
        budget: Budget | None = None,
        scorecard: Scorecard | None = None,
        epochs: EpochSource | None = None,
        clock: Callable[[], int] = _now_ms,
        deadline_s: float = 5.0,
        cool_down_s: float = 25.0,
        waits_at_once: int = 4,
    ) -> None:
        """Without both a model and a budget, the owner's rules and the scorecard decide: by default the shipped one.

        `epochs` tells which browsers are held out, by default none; `clock` returns ms since 1970. A question takes at
        most `deadline_s`; `cool_down_s` lie between two calls about a session; `waits_at_once` wait for others.
        """
        self._store = store
        self._shop = shop
        self._consultant = None if model is None or budget is None else Consultant(model, budget, clock)
        self._scorecard = scorecard or shipped()
        self._epochs = epochs or FixedEpoch()
        self._clock = clock
        self._deadline_s = deadline_s
        self._cool_down_ms = round(cool_down_s * 1000)
        self._flight = SingleFlight(store, clock, lease_s=deadline_s, waits_at_once=waits_at_once)

    def advise(
        self, session_id: str, why: Why = "", memory: BrowserMemory = NO_MEMORY, admit: Admit = anybody
    ) -> Decision:
        """Decide whether a popup would help now, within the deadline, whatever the model does.

        `why` is the script's reason for the question, `memory` what its browser remembers; `admit` has the last
        word on whether the model is asked. A decision that cannot be logged shows nothing, because then no
        frequency cap could be held. Raises UnknownSessionError, or a StoreError if the session cannot be read.
        """
        session = self._store.get(session_id)
        if session is None:
            raise UnknownSessionError(session_id)
        case = Case.of(session, self._shop.current(), self._clock(), why, memory)
        try:
            return self._decide(case, admit)
        except SessionGoneError:
            return _DELETED
        except StoreError as error:
            _log.warning("a decision could not be logged, so nothing is shown: %s", error)
            return _NOT_KEPT

    def preview(
        self,
        session: ShopperSession,
        *,
        at_ms: int | None = None,
        why: Why = "",
        memory: BrowserMemory = NO_MEMORY,
        ask: bool = False,
        proposed: ModelProposal | None = None,
    ) -> Decision:
        """Return what would be decided for the session at a moment (default: now), in whichever group its browser is.

        Nothing is logged, and no popup used up. `ask`: ask the model where it would be asked, which counts against the
        budget like any call. `proposed`: what a model proposed before, taken in place of an answer as long as its
        message is one to choose from.
        """
        case = Case.of(session, self._shop.current(), self._clock() if at_ms is None else at_ms, why, memory)
        if (refused := refusal(case) or hopeless(case)) is not None:
            return refused
        if ask and self._consultant is not None and case.is_worth_asking:
            return self._by_model(self._consultant, case, self._deadline_s)
        if proposed is not None and _may_propose(case, proposed):
            return _by_proposal(case, proposed)
        return self._by_rules(case)

    def on_stage(self, store: SessionStore, shop: ShopSource, clock: Callable[[], int], *, ask: bool = False) -> Engine:
        """Return an engine that decides as this one about other sessions, by another file and another clock.

        It has no holdout. `ask`: it asks this one's model, which counts against the same budget.
        """
        other = Engine(store, shop, scorecard=self._scorecard, clock=clock, deadline_s=self._deadline_s)
        other._cool_down_ms = self._cool_down_ms
        other._consultant = self._consultant if ask else None
        return other

    def _decide(self, case: Case, admit: Admit) -> Decision:
        if (refused := refusal(case)) is not None:
            return self._logged(case, refused)
        if (standing := standing_decision(case, self._cool_down_ms)) is not None:
            return told(case, standing)
        if (refused := hopeless(case)) is not None:
            return self._logged(case, refused)
        if self._consultant is None or not case.is_worth_asking:
            return self._logged(case, self._by_rules(case))
        until = time.monotonic() + self._deadline_s
        if case.log.asking_until_ms > case.now_ms:
            return self._after_another(case, until)
        if (fault := why_not_asked(case, self._cool_down_ms, admit)) is not None:
            return self._logged(case, self._by_rules(case, ModelFailure(fault=fault)))
        try:
            claimed = self._flight.claim(case)
        except ClaimedError:
            return self._after_another(case, until)
        case = replace(case, session=claimed, log=DecisionLog.of(claimed))
        decision = self._by_model(self._consultant, case, until - time.monotonic())
        return self._logged(case, decision, ends_asking=True)

    def _after_another(self, case: Case, until: float) -> Decision:
        """Wait for the answer of another question about the session, and decide by it."""
        session = self._flight.wait(case.session.session, until)
        if session is None:
            return _ASKING
        case = Case.of(session, self._shop.current(), self._clock(), case.signals.why, case.memory)
        decided = refusal(case) or standing_decision(case, self._cool_down_ms) or hopeless(case)
        if decided is not None:
            return told(case, decided)
        return self._logged(case, self._by_rules(case, ModelFailure(fault=Fault.WAITED)))

    def _by_model(self, consultant: Consultant, case: Case, deadline_s: float) -> Decision:
        """Decide by the model's proposal, or by the rules if it gave none."""
        outcome = consultant.consult(case, deadline_s)
        return self._by_rules(case, outcome) if isinstance(outcome, ModelFailure) else _by_proposal(case, outcome)

    def _by_rules(self, case: Case, failure: ModelFailure | None = None) -> Decision:
        proposal = propose_by_rules(case, self._scorecard)
        return checked(proposal, ByRules(failure), case.shop, case.signals, case.today)

    def _logged(self, case: Case, decision: Decision, *, ends_asking: bool = False) -> Decision:
        decision, offer = with_offer(case, decision, self._epochs)
        record(self._store, case, decision, offer, ends_asking=ends_asking)
        return decision


def _by_proposal(case: Case, proposed: ModelProposal) -> Decision:
    """Decide by a model's proposal."""
    proposal = proposed.proposal
    if case.rule is not None and case.rule.delay_s is not None:
        proposal = replace(proposal, delay_ms=case.rule.delay_s * 1000)
    return checked(proposal, ByModel(proposed), case.shop, case.signals, case.today)


def _may_propose(case: Case, proposed: ModelProposal) -> bool:
    """Whether a model that is asked now could make this proposal."""
    message_id = proposed.proposal.message_id
    return case.is_worth_asking and (message_id is None or message_id in {message.id for message in case.messages})
