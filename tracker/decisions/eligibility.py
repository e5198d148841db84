"""Eligibility: the sessions that are shown nothing, whatever the rules or a model would propose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from tracker.decisions.case import Case
from tracker.decisions.decision import ByEligibility, Silence
from tracker.decisions.visit.signals import Signals, counted

EARLY_S: Final = 15
"""Before this time on the pages a visit has hardly begun."""
BOUNCE_EVENTS: Final = 3
RETRY_MS: Final = 4_500
"""Within this time the same popup may be fetched again, because an answer can get lost; after it, it counts as shown.

Less than the 5 s after which the original browser script asks again, which would show it a second time.
"""


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
    return _visit_is_over(case) or _capped(case) or _too_early(case.signals)


def silence(reason: str, trigger: str) -> Silence:
    """Return the decision to show nothing, without asking rules or model."""
    return Silence(reason=reason, trigger=trigger, origin=ByEligibility())


def _visit_is_over(case: Case) -> Silence | None:
    signals = case.signals
    if signals.bought:
        return silence("The order is placed.", "bought")
    if signals.checkout_seen:
        seen = f"The checkout was seen after {signals.dwell_s} s on the pages"
        return silence(f"{seen}: nothing should stand in its way.", "checkout")
    if signals.cart_emptied or (signals.items_in_cart == 0 and case.log.most_items > 0):
        return silence("The cart was filled and is empty now: a popup would not bring it back.", "cart_emptied")
    if signals.popups_clicked:
        return silence("A popup was clicked already: it did what it could.", "popup_clicked")
    return None


def _capped(case: Case) -> Silence | None:
    signals, log, caps = case.signals, case.log, case.shop.caps
    if caps.forbid(signals.page):
        return silence("The shop wants no popup on this page.", "excluded_page")
    count = max(signals.popups_shown, log.shown)
    reported = max(signals.popups_shown, signals.popups_dismissed + signals.popups_clicked)
    if log.last_shown_ms and case.now_ms - log.last_shown_ms <= RETRY_MS and reported < count:
        # Decided a moment ago and not yet seen: the same question again gets the same popup, from the log.
        return None
    if count >= caps.popups_per_session:
        return silence(f"{counted(count, 'popup')} in this session: the shop allows no more.", "popup_limit")
    # The shopper's clock may run ahead; a moment in the future counts as now.
    last_ms = max(log.last_shown_ms, min(signals.last_popup_ms, case.now_ms))
    minutes = (case.now_ms - last_ms) / 60_000
    if last_ms and minutes < caps.minutes_between:
        what = "dismissed" if signals.popups_dismissed else "shown"
        return silence(f"A popup was {what} {minutes:.0f} min ago; {caps.minutes_between:g} min lie between two.", what)
    return None


def _too_early(signals: Signals) -> Silence | None:
    dwell = signals.dwell_s
    if dwell < EARLY_S:
        reason = f"Only {dwell} s on the pages: too early, before {EARLY_S} s, to tell what would help."
        return silence(reason, "too_early")
    if signals.items_in_cart == 0 and signals.pages <= 1 and signals.events < BOUNCE_EVENTS:
        reason = f"One page and {counted(signals.events, 'event')} in {dwell} s: hardly a visit yet."
        return silence(reason, "bounce")
    return None
