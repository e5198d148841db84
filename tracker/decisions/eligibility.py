"""The cases that need no thought: whatever a model or a rule would say, nothing is shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from tracker.decisions import log as ledger
from tracker.decisions.decision import PopupDecision, quiet
from tracker.decisions.messages import Shop
from tracker.decisions.signals import SessionSummary, counted
from tracker.sessions.model import ShopperSession

EARLY_S: Final = 15
"""Below this a visit has hardly begun."""
BOUNCE_EVENTS: Final = 3
RETRY_MS: Final = 4_500
"""Within it the same popup may be fetched again, for an answer can get lost; after it, it counts as shown.

Less than the 5 s after which the original browser script asks again, which would show it a second time.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """The share of sessions that are never shown a popup, so that the others can be compared with them."""

    percent: float = 0.0

    def holds(self, session_id: str) -> bool:
        """Tell whether the session is one of them: always the same answer for the same session."""
        digest = hashlib.blake2b(session_id.encode(), digest_size=4, person=b"holdout").digest()
        return int.from_bytes(digest) < self.percent / 100 * 2**32


def gate(
    session: ShopperSession, summary: SessionSummary, shop: Shop, holdout: Holdout, now_ms: int
) -> PopupDecision | None:
    """Give the quiet decision of the first case that is met, None where it takes more to decide."""
    if holdout.holds(session.session):
        return quiet("In the holdout: shown no popup, so that the others can be compared.", "holdout")
    return _over(session, summary) or _enough(session, summary, shop, now_ms) or _early(summary)


def _over(session: ShopperSession, summary: SessionSummary) -> PopupDecision | None:
    dwell = summary.dwell_s
    if summary.bought:
        return quiet("The order is placed.", "bought")
    if summary.checkout_seen:
        return quiet(
            f"The checkout was seen after {dwell} s on the pages: nothing should stand in its way.", "checkout"
        )
    if summary.cart_emptied or (summary.items_in_cart == 0 and ledger.most_items(session) > 0):
        return quiet("The cart was filled and is empty now: a popup would not bring it back.", "cart_emptied")
    if summary.popups_clicked:
        return quiet("A popup was clicked already: it did what it could.", "popup_clicked")
    return None


def _enough(session: ShopperSession, summary: SessionSummary, shop: Shop, now_ms: int) -> PopupDecision | None:
    limits = shop.limits
    if limits.forbids(summary.path):
        return quiet("The shop wants no popup on this page.", "excluded_page")
    count = max(summary.popups_shown, ledger.shown(session))
    last_ms = ledger.last_shown_ms(session)
    reported = max(summary.popups_shown, summary.popups_dismissed + summary.popups_clicked)
    if last_ms and now_ms - last_ms <= RETRY_MS and reported < count:
        # Decided a moment ago and not yet seen: whoever asks again gets the same, from the cache.
        return None
    if count >= limits.popups_per_session:
        return quiet(f"{counted(count, 'popup')} in this session: the shop allows no more.", "popup_limit")
    # The shopper's clock may run ahead; then it counts as now.
    last_ms = max(last_ms, min(summary.last_popup_ms, now_ms))
    minutes = (now_ms - last_ms) / 60_000
    if last_ms and minutes < limits.minutes_between:
        what = "dismissed" if summary.popups_dismissed else "shown"
        return quiet(f"A popup was {what} {minutes:.0f} min ago; {limits.minutes_between:g} min lie between two.", what)
    return None


def _early(summary: SessionSummary) -> PopupDecision | None:
    dwell = summary.dwell_s
    if dwell < EARLY_S:
        return quiet(
            f"Only {dwell} s on the pages: too early, before {EARLY_S} s, to tell what would help.", "too_early"
        )
    if summary.items_in_cart == 0 and summary.pages <= 1 and summary.events < BOUNCE_EVENTS:
        return quiet(f"One page and {counted(summary.events, 'event')} in {dwell} s: hardly a visit yet.", "bounce")
    return None
