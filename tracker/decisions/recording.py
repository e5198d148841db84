"""Writing decisions to the log: the entry of a decision, and when a repeated one needs no new entry."""

from __future__ import annotations

from tracker.decisions.case import Case, still_stored
from tracker.decisions.decision import ByEligibility, ByModel, ByRules, Decision, Shown, Silence
from tracker.decisions.holdout.offer import Offer
from tracker.decisions.log.entry import LogEntry, LoggedCall, LoggedCost, LoggedPopup, LoggedProposal, SignalsThen
from tracker.decisions.log.popups import way_ms
from tracker.decisions.log.session_log import DecisionLog, fingerprint, with_entry
from tracker.decisions.model.answer import one_plain_line
from tracker.decisions.model.prompt import PROMPT_VERSION
from tracker.decisions.proposal import Proposal
from tracker.decisions.visit.event_types import NOT_BY_SHOPPER
from tracker.llm.port import ModelAnswer
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore


def record(
    store: SessionStore, case: Case, decision: Decision, offer: Offer | None = None, *, ends_asking: bool = False
) -> None:
    """Add the decision to the session's log, unless it only repeats the last entry.

    `offer`: this is the visit's first would-show moment. `ends_asking`: the decision is the outcome of the call to the
    model that was claimed in the session. Raises SessionGoneError or a StoreError.
    """
    entry = entry_of(case, decision)
    must_add = ends_asking or offer is not None
    if not must_add and _is_known(case, case.log, entry):
        return

    def added(stored: ShopperSession | None) -> ShopperSession:
        session = still_stored(stored)
        was_decided_meanwhile = session.decisions != case.session.decisions
        if was_decided_meanwhile and not must_add and _is_known(case, DecisionLog.of(session), entry):
            return session
        return with_entry(session, entry, offer, ends_asking=ends_asking)

    store.update(case.session.session, added)


def _is_known(case: Case, log: DecisionLog, entry: LogEntry) -> bool:
    before = log.last
    if before is None or not entry.repeats(before):
        return False
    return entry.popup is None or entry.at - before.at <= way_ms(case.reading)


def entry_of(case: Case, decision: Decision) -> LogEntry:
    """Return the log entry of a decision."""
    signals, origin = case.signals, decision.origin
    popup = withheld = veto = None
    match decision:
        case Shown():
            popup = _popup_of(decision)
        case Silence():
            veto = decision.veto
            withheld = None if decision.withheld is None else _popup_of(decision.withheld)
    failure = origin.failure if isinstance(origin, ByRules) else None
    return LogEntry(
        at=case.now_ms,
        source=origin.source,
        trigger=decision.trigger,
        reason=decision.reason,
        confidence=decision.confidence,
        fingerprint=fingerprint(case.session),
        shop_version=case.shop.version,
        signals=SignalsThen(
            stage=signals.stage,
            items=signals.items_in_cart,
            dwell_s=signals.dwell_s,
            pages=signals.pages,
            hesitating=signals.hesitating,
        ),
        why=signals.why,
        signs=signals.signs,
        noted=sum(case.reading.counts[kind] for kind in NOT_BY_SHOPPER),
        skew_ms=case.reading.skew_ms,
        memory=case.memory.to_record(),
        rule=None if case.rule is None or isinstance(origin, ByEligibility) else case.rule.line,
        popup=popup,
        withheld=withheld,
        veto=veto,
        fault=None if failure is None else str(failure.fault),
        call=_call_of(decision),
    )


def _popup_of(shown: Shown) -> LoggedPopup:
    return LoggedPopup(message_id=shown.message.id, text=shown.text, category=shown.category, delay_ms=shown.delay_ms)


def _call_of(decision: Decision) -> LoggedCall | None:
    match decision.origin:
        case ByModel(proposed):
            return LoggedCall(
                prompt_version=PROMPT_VERSION, proposal=_proposal(proposed.proposal), cost=_cost(proposed.answer)
            )
        case ByRules(failure) if failure is not None and failure.was_asked:
            cost = None if failure.answer is None else _cost(failure.answer)
            return LoggedCall(prompt_version=PROMPT_VERSION, cost=cost)
    return None


def _proposal(proposal: Proposal) -> LoggedProposal:
    opening = one_plain_line(proposal.opening)
    return LoggedProposal(message_id=proposal.message_id, reason=proposal.reason, opening=opening)


def _cost(answer: ModelAnswer) -> LoggedCost:
    return LoggedCost(
        model=answer.model,
        ms=answer.latency_ms,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )
