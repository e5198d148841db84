"""Eligibility: the sessions that are shown nothing, whatever the rules or a model would propose."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tracker.decisions.case import Case
from tracker.decisions.decision import ByEligibility, Decision, Shown, Silence
from tracker.decisions.holdout.epoch import lot_of
from tracker.decisions.holdout.epochs import EpochSource
from tracker.decisions.holdout.offer import Offer
from tracker.decisions.scorecard.silence import silence_by_rule
from tracker.decisions.visit.signals import Signals, counted

BOUNCE_EVENTS: Final = 3
HELD: Final = "holdout"
"""The trigger of a silence that stands in the place of a popup."""


def refusal(case: Case) -> Silence | None:
    """Return the silence of the first reason against a popup; None if the session is eligible for one."""
    return (
        _visit_is_over(case)
        or _held_before(case)
        or _capped(case)
        or _too_early(case.signals, case.shop.caps.seconds_before_first)
    )


def hopeless(case: Case) -> Silence | None:
    """Return the silence of a session that no popup could help now; None if rules, scorecard or model may decide."""
    why = silence_by_rule(case.reading, case.shop.caps.seconds_after_cart)
    return None if why is None else silence(why.reason, why.trigger)


def silence(reason: str, trigger: str) -> Silence:
    """Return the decision to show nothing, without asking rules or model."""
    return Silence(reason=reason, trigger=trigger, origin=ByEligibility())


def with_offer(case: Case, decision: Decision, epochs: EpochSource) -> tuple[Decision, Offer | None]:
    """Return the decision as the browser's group gets it, and the visit's offer if this is its moment.

    The holdout comes last: whatever rules or model decided, a popup for a browser that is held out becomes silence.
    """
    known = case.log.offer
    if not isinstance(decision, Shown):
        return told(case, decision), None
    if known is not None:
        return (_withheld(decision, known) if known.arm == "held" else told(case, decision)), None
    epoch = epochs.current()
    if epoch is None:
        return decision, None
    lot = lot_of(case.session)
    offer = Offer(
        at_ms=case.now_ms,
        arm="held" if epoch.holds(lot) else "shown",
        message_id=decision.message.id,
        percent=epoch.percent,
        epoch=epoch.id,
        first=case.session.offered != epoch.id,
        lot=lot,
    )
    return (_withheld(decision, offer) if offer.arm == "held" else replace(decision, offered=epoch.id)), offer


def told(case: Case, decision: Decision) -> Decision:
    """Return the decision with the epoch that the browser is to remember, if the visit had its offer."""
    return decision if case.log.offer is None else replace(decision, offered=case.log.offer.epoch)


def _withheld(shown: Shown, offer: Offer) -> Silence:
    return Silence(
        reason=f'Held back, to compare with browsers that are shown popups. Else "{shown.message.id}": {shown.reason}',
        trigger=HELD,
        origin=shown.origin,
        confidence=shown.confidence,
        offered=offer.epoch,
        withheld=shown,
    )


def _held_before(case: Case) -> Silence | None:
    if case.log.offer is None or case.log.offer.arm != "held":
        return None
    return silence("Held back since the first popup of this visit, to compare with other browsers.", HELD)


def _visit_is_over(case: Case) -> Silence | None:
    signals = case.signals
    if signals.bought:
        return silence("The order is placed.", "bought")
    if case.memory.bought_lately(case.shop):
        return silence("This browser has placed an order a short while ago.", "bought_lately")
    if signals.in_checkout:
        seen = f"The checkout was begun after {signals.dwell_s} s on the pages"
        return silence(f"{seen}: nothing should stand in its way.", "checkout")
    if signals.popups_clicked:
        return silence("A popup was clicked already: it did what it could.", "popup_clicked")
    if not case.shop.speaks_to(signals.locale):
        return silence("The shop has no messages in this shopper's language.", "language")
    return None


def _capped(case: Case) -> Silence | None:
    signals, popups, caps = case.signals, case.popups, case.shop.caps
    if caps.forbid(signals.page):
        return silence("The shop wants no popup on this page.", "excluded_page")
    if popups.on_its_way is not None:
        # Decided a moment ago and not yet seen: the same question again gets the same popup, from the log.
        return None
    if popups.count >= caps.popups_per_session:
        return silence(f"{counted(popups.count, 'popup')} in this session: the shop allows no more.", "popup_limit")
    minutes = (case.now_ms - popups.last_ms) / 60_000
    if popups.last_ms and minutes < caps.minutes_between:
        what = "dismissed" if signals.popups_dismissed else "shown"
        return silence(f"A popup was {what} {minutes:.0f} min ago; {caps.minutes_between:g} min lie between two.", what)
    return None


def _too_early(signals: Signals, seconds: int) -> Silence | None:
    dwell = signals.dwell_s
    if dwell < seconds:
        reason = f"Only {dwell} s on the pages: too early, before {seconds} s, to tell what would help."
        return silence(reason, "too_early")
    if signals.items_in_cart == 0 and not signals.signs and signals.pages <= 1 and signals.events < BOUNCE_EVENTS:
        reason = f"One page and {counted(signals.events, 'event')} in {dwell} s: hardly a visit yet."
        return silence(reason, "bounce")
    return None
