"""Proposals without a model: by the owner's rule that holds, or by the scorecard."""

from __future__ import annotations

from tracker.decisions.case import Case
from tracker.decisions.proposal import Proposal
from tracker.decisions.scorecard.plain_rule import propose_plainly
from tracker.decisions.scorecard.proposing import delay_ms_of, propose
from tracker.decisions.scorecard.scorecard import Scorecard


def propose_by_rules(case: Case, scorecard: Scorecard) -> Proposal:
    """Propose the first message of the rule that holds; without a rule, what the scorecard makes of the visit."""
    rule, signals = case.rule, case.signals
    if rule is None:
        if case.reading.by_storefront:
            return propose(scorecard, case.shop.discretion, signals, case.messages)
        return propose_plainly(signals, case.messages)
    if not case.messages:
        return Proposal(
            message_id=None, reason=f"The rule in line {rule.line} of the file wants silence now.", trigger="rule"
        )
    return Proposal(
        message_id=case.messages[0].id,
        reason=f"The rule in line {rule.line} of the file holds.",
        trigger="rule",
        delay_ms=delay_ms_of(signals.why) if rule.delay_s is None else rule.delay_s * 1000,
    )
