"""Eligibility: the sessions that are shown nothing, whatever the rules or a model would propose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from tracker.decisions.case import Case
from tracker.decisions.decision import ByEligibility, Silence
from tracker.decisions.scorecard.silence import silence_by_rule
from tracker.decisions.visit.signals import Signals, counted

BOUNCE_EVENTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """The share of sessions that are never shown a popup, so that the others can be compared with them."""

    percent: float = 0.0

    def holds(self, session_id: str) -> bool:
        """Whether the session belongs to it; always the same answer for the same session."""
        digest = hashlib.blake2b(session_id.encode(), digest_size=4, person=b"holdout").digest()
        return int.from_bytes(digest) < self.percent / 100 * 2**32


def refusal(case: Case, holdout: Holdout) -> Silence | None:
    """Return the silence of the first reason against a popup; None if the session is eligible for one."""
    if holdout.holds(case.session.session):
        return silence("In the holdout: shown no popup, so that the others can be compared.", "holdout")
    return _visit_is_over(case) or _capped(case) or _too_early(case.signals, case.shop.caps.seconds_before_first)


def hopeless(case: Case) -> Silence | None:
    """Return the silence of a session that no popup could help now; None if rules, scorecard or model may decide."""
    why = silence_by_rule(case.reading, case.shop.caps.seconds_after_cart)
    return None if why is None else silence(why.reason, why.trigger)


def silence(reason: str, trigger: str) -> Silence:
    """Return the decision to show nothing, without asking rules or model."""
    return Silence(reason=reason, trigger=trigger, origin=ByEligibility())


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
