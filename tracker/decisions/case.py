"""One question about a session, with everything that it is decided from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.signals import Signals, signals_of
from tracker.sessions.model import ShopperSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A session at a moment: each part is computed once, and all steps of a decision read it from here."""

    session: ShopperSession
    signals: Signals
    log: DecisionLog
    shop: Shop
    now_ms: int
    """The moment of the question by the service's clock."""
    today: date
    """Its day (UTC)."""

    @classmethod
    def of(cls, session: ShopperSession, shop: Shop, now_ms: int) -> Case:
        return cls(
            session=session,
            signals=signals_of(session, now_ms),
            log=DecisionLog.of(session),
            shop=shop,
            now_ms=now_ms,
            today=datetime.fromtimestamp(now_ms / 1000, UTC).date(),
        )

    def messages(self) -> list[Message]:
        """Return the owner's messages that this shopper may see today."""
        return self.shop.applicable(self.signals, self.today)


class SessionGoneError(Exception):
    """The session was deleted while it was decided about: nothing of it may come back."""


def still_stored(stored: ShopperSession | None) -> ShopperSession:
    """Return the session as it is stored now. Raises SessionGoneError if it is not any more."""
    if stored is None:
        raise SessionGoneError
    return stored
