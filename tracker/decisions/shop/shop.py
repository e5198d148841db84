"""The shop as its owner's file describes it: its messages, its rules, its languages, and its frequency caps."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from tracker.decisions.language.tags import best_match
from tracker.decisions.shop.conditions import Condition
from tracker.decisions.shop.messages import BUILT_IN_HELP, Message
from tracker.decisions.shop.patterns import any_matches
from tracker.decisions.visit.owner_words import ConditionValue
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.signals import Signals

Discretion: TypeAlias = Literal["eager", "balanced", "discreet"]
"""How sure the scorecard must be before it proposes a popup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyCaps:
    """The owner's bounds on popups, from the table `[limits]` of the file."""

    popups_per_session: int = 2
    minutes_between: float = 10
    never_on: tuple[str, ...] = ()
    """Patterns of paths, `*` standing for anything: `/account*`."""
    days_after_dismissal: int = 7
    """A message that was closed rests so long, and twice as long after each further time."""
    days_after_purchase: int = 1
    """After an order there is no popup for so long."""

    seconds_before_first: int = 15
    """Before so much time on the pages a visit has hardly begun."""
    seconds_after_cart: int = 20
    """So soon after a change of the cart a shopper is still shopping."""

    def forbid(self, page: PageName) -> bool:
        """Whether no popup may appear on this page, in whichever language it is."""
        return any_matches(self.never_on, page.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the owner's: which messages to choose from when its condition holds."""

    when: Condition
    say: tuple[str, ...] = ()
    """Ids of messages, in the owner's order; empty: silence."""
    delay_s: int | None = None
    """How long to wait before the popup is shown; None: whoever proposes the message decides."""
    line: int = 0
    """Where the rule begins in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What the owner's file holds; the defaults are a shop without a file, which has the built-in help only."""

    name: str = ""
    tone: str = ""
    languages: tuple[str, ...] = ()
    """The languages of the messages, the first one being the shop's; empty: those of the built-in help."""
    other_languages: Literal["silence", "first"] = "silence"
    """For shoppers whose language the shop does not have: silence, or its first language."""
    wording: Literal["own", "model"] = "own"
    """`model`: a model may put a short opening of its own before a message."""
    discretion: Discretion = "balanced"
    caps: FrequencyCaps = field(default_factory=FrequencyCaps)
    messages: tuple[Message, ...] = (BUILT_IN_HELP,)
    """In the order of the file."""
    rules: tuple[Rule, ...] = ()
    version: str = "none"
    """Identifies the content of the file, so that a decision made for another content is recognised."""

    def language_for(self, locale: str) -> str:
        """Return the language for a shopper of this locale: the shopper's if the shop has it, else the shop's first."""
        languages = self._languages()
        return best_match(locale, languages) or languages[0]

    def speaks_to(self, locale: str) -> bool:
        """Whether a shopper of this locale may be shown a message: in their language, or in the shop's first."""
        return not locale or self.other_languages == "first" or best_match(locale, self._languages()) is not None

    def _languages(self) -> tuple[str, ...]:
        return self.languages or tuple(BUILT_IN_HELP.texts)

    def applicable(self, signals: Signals, today: date, said: Collection[str] = ()) -> list[Message]:
        """Return the messages that this shopper may see today and has not seen in this visit, in the file's order.

        `said` holds the ids of those that were shown already: a message is said once a visit.
        """
        return [message for message in self.messages if message.id not in said and message.applies(signals, today)]

    def rule_for(self, facts: Mapping[str, ConditionValue]) -> Rule | None:
        """Return the first rule whose condition holds; None if no rule's does."""
        return next((rule for rule in self.rules if rule.when.holds(facts)), None)

    def find(self, message_id: str) -> Message | None:
        """Return the message of this id, None if the file holds none."""
        for message in self.messages:
            if message.id == message_id:
                return message
        return None


def version_of(content: bytes) -> str:
    """Return a short digest of a file's content."""
    return hashlib.blake2b(content, digest_size=6).hexdigest()
