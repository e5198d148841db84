"""One question about a session, with everything that it is decided from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from tracker.decisions.browser_memory import NO_MEMORY, BrowserMemory
from tracker.decisions.log.popups import PopupsSoFar, popups_so_far
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.shop import Rule, Shop
from tracker.decisions.visit.facts import owner_facts
from tracker.decisions.visit.reading import Reading, read
from tracker.decisions.visit.signals import Signals, Why, signals_from
from tracker.sessions.model import ShopperSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A session at a moment: each part is computed once, and all steps of a decision read it from here."""

    session: ShopperSession
    reading: Reading
    signals: Signals
    log: DecisionLog
    popups: PopupsSoFar
    shop: Shop
    memory: BrowserMemory
    now_ms: int
    """The moment of the question by the service's clock."""
    today: date
    """Its day (UTC)."""
    rule: Rule | None
    """The owner's first rule that holds and has something to say, or wants silence."""
    messages: tuple[Message, ...]
    """The owner's messages that this shopper may be shown now: those of the rule, or all that apply."""

    @property
    def is_worth_asking(self) -> bool:
        """Whether there is something to ask a model: a message to say, and a sign that one may help."""
        return bool(self.messages) and (self.signals.items_in_cart > 0 or self.signals.signs > 0)

    @classmethod
    def of(
        cls, session: ShopperSession, shop: Shop, now_ms: int, why: Why = "", memory: BrowserMemory = NO_MEMORY
    ) -> Case:
        reading, log = read(session, now_ms), DecisionLog.of(session)
        signals = signals_from(session, reading, why)
        popups = popups_so_far(log, reading, signals, now_ms)
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        applicable = shop.applicable(signals, today, popups.said | memory.resting(shop))
        rule, messages = _rule_of(shop, signals, reading, applicable)
        return cls(
            session=session,
            reading=reading,
            signals=signals,
            log=log,
            popups=popups,
            shop=shop,
            memory=memory,
            now_ms=now_ms,
            today=today,
            rule=rule,
            messages=tuple(messages),
        )


def _rule_of(
    shop: Shop, signals: Signals, reading: Reading, applicable: list[Message]
) -> tuple[Rule | None, list[Message]]:
    """Return (the rule that decides, its messages in its order); (None, all that apply) if no rule decides."""
    if not shop.rules:
        return None, applicable
    facts = owner_facts(signals, reading)
    found = {message.id: message for message in applicable}
    for rule in shop.rules:
        if rule.when.holds(facts):
            messages = [found[message_id] for message_id in rule.say if message_id in found]
            if messages or not rule.say:
                return rule, messages
    return None, applicable


class SessionGoneError(Exception):
    """The session was deleted while it was decided about: nothing of it may come back."""


def still_stored(stored: ShopperSession | None) -> ShopperSession:
    """Return the session as it is stored now. Raises SessionGoneError if it is not any more."""
    if stored is None:
        raise SessionGoneError
    return stored
