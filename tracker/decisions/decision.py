"""A decision: a popup to show or silence, with its reason for the owner and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias, TypedDict

from tracker.decisions.language.popup_words import PopupWords, popup_words
from tracker.decisions.proposal import ModelFailure, ModelProposal
from tracker.decisions.shop.messages import Kind, Message

Source: TypeAlias = Literal["gate", "cache", "groq", "rules"]
"""The name of a decision's origin in answers and records, as since 1.0.0: `gate` is eligibility, `groq` the model."""

Category: TypeAlias = Literal["info", "discount", "reminder", "none"]

_CATEGORY: Final[dict[Kind, Category]] = {"offer": "discount", "fact": "info", "help": "info"}


@dataclass(frozen=True, slots=True)
class ByEligibility:
    """The session is not eligible for a popup, whatever rules or a model would propose."""

    source: ClassVar[Source] = "gate"


@dataclass(frozen=True, slots=True)
class FromLog:
    """An earlier decision that still stands."""

    source: ClassVar[Source] = "cache"


@dataclass(frozen=True, slots=True)
class ByRules:
    """The local rules proposed it: there is no model, or it failed."""

    source: ClassVar[Source] = "rules"
    failure: ModelFailure | None = None


@dataclass(frozen=True, slots=True)
class ByModel:
    """A model proposed it."""

    source: ClassVar[Source] = "groq"
    proposed: ModelProposal


Origin: TypeAlias = ByEligibility | FromLog | ByRules | ByModel


class PopupFields(TypedDict):
    """The seven fields of an answer that the shop's script reads."""

    show_popup: bool
    message: str
    reason: str
    category: str
    trigger: str
    confidence: float
    delay_ms: int


class ActionFields(TypedDict, total=False):
    """What the popup's button does: it opens something, or applies a code."""

    label: str
    opens: str
    apply: str


class OfferFields(TypedDict, total=False):
    """The offer that a popup makes; `code` only if there is one."""

    id: str
    text: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Show a popup with one of the owner's messages."""

    message: Message
    text: str
    """What the shopper reads: the message in one language, perhaps after a model's opening."""
    language: str
    """The language in which it is shown, if the message is in it."""
    reason: str
    trigger: str
    """A short label for what in the session decided: `items_in_cart`."""
    confidence: float
    delay_ms: int
    """How long to wait before showing it."""
    origin: Origin
    offered: str = ""
    """The epoch that the browser is to remember, for which this visit had its offer."""

    @property
    def category(self) -> Category:
        return _CATEGORY[self.message.kind]

    def fields(self) -> PopupFields:
        return PopupFields(
            show_popup=True,
            message=self.text,
            reason=self.reason,
            category=self.category,
            trigger=self.trigger,
            confidence=self.confidence,
            delay_ms=self.delay_ms,
        )

    def words(self) -> PopupWords:
        """Return the words of the popup's own buttons."""
        return popup_words(self.language)

    def action(self) -> ActionFields | None:
        """Return what the popup's button does; None for a message without one."""
        message, words = self.message, self.words()
        if message.apply and message.code:
            label = message.button_in(self.language) or words["apply"]
            return ActionFields(label=label, apply=message.code)
        if message.opens is None:
            return None
        label = message.button_in(self.language) or words[_word_for(message.opens)]
        return ActionFields(label=label, opens=message.opens)

    def offer(self) -> OfferFields | None:
        """Return the offer with its text as it stands in the popup; None for a message of another kind."""
        if self.message.kind != "offer":
            return None
        text = next(text for text in self.message.texts.values() if self.text.endswith(text))
        offer = OfferFields(id=self.message.id, text=text)
        return offer | OfferFields(code=self.message.code) if self.message.code else offer


def _word_for(opens: str) -> Literal["view_cart", "open", "write"]:
    if opens in {"cart", "/cart"}:
        return "view_cart"
    return "open" if opens.startswith("/") else "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Show nothing."""

    reason: str
    trigger: str
    origin: Origin
    confidence: float = 1.0
    veto: str | None = None
    """Why the guardrails stopped a proposal, if they did."""
    offered: str = ""
    """See Shown.offered; silence in the place of a popup is an offer too."""
    withheld: Shown | None = None
    """What would have been shown, if the browser were not held out."""

    def fields(self) -> PopupFields:
        return PopupFields(
            show_popup=False,
            message="",
            reason=self.reason,
            category="none",
            trigger=self.trigger,
            confidence=self.confidence,
            delay_ms=0,
        )


Decision: TypeAlias = Shown | Silence
