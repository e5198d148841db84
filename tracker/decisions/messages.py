"""What the shop's owner says of the shop: its facts, its offers, its own sentences, and how often to speak at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

from tracker.decisions.pages import without_language
from tracker.decisions.signals import SessionSummary

Texts: TypeAlias = Mapping[str, str]
"""A sentence by language, the shop's first language first."""

Kind: TypeAlias = Literal["help", "fact", "offer"]

SILENT: Final = "none"
"""The pick that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Something that a popup may say, word for word."""

    id: str
    kind: Kind
    texts: Texts
    code: str | None = None
    """What the shopper enters at the checkout, for an offer."""
    first_day: date | None = None
    last_day: date | None = None
    min_items: int = 0
    first_visit: bool = False
    """Only for shoppers who are not known from an earlier visit."""
    stages: frozenset[str] = frozenset()
    """The stages it is for; none named: all."""

    def to_offer(self, message: str) -> dict[str, str]:
        """Give {id, text, code?} for the answer: the text as it stands in the message that makes the offer."""
        text = next(text for text in self.texts.values() if message.endswith(text))
        return {"id": self.id, "text": text, **({"code": self.code} if self.code else {})}

    def applies(self, summary: SessionSummary, today: date) -> bool:
        """Tell whether it may be said to this shopper today."""
        return (
            (self.first_day is None or self.first_day <= today)
            and (self.last_day is None or today <= self.last_day)
            and summary.items_in_cart >= self.min_items
            and not (self.first_visit and summary.returning)
            and (not self.stages or summary.stage in self.stages)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PopupLimits:
    """How much a shopper is asked to bear."""

    popups_per_session: int = 2
    minutes_between: float = 10
    never_on: tuple[str, ...] = ()
    """Paths, `*` standing for anything: `/account*`."""

    def forbids(self, path: str) -> bool:
        """Tell whether no popup may appear on this page, in whichever language it is."""
        paths = {path, without_language(path)}
        return any(fnmatchcase(one, pattern) for one in paths for pattern in self.never_on)


BUILT_IN_HELP: Final = Sentence(
    id="help",
    kind="help",
    texts={
        "en": "Would you like some help with your order?",
        "de": "Können wir dir bei deiner Bestellung helfen?",
        "fr": "Pouvons-nous vous aider avec votre commande ?",
        "es": "¿Te ayudamos con tu pedido?",
        "it": "Possiamo aiutarti con il tuo ordine?",
        "pt": "Podemos ajudar com o seu pedido?",
        "nl": "Kunnen we helpen met je bestelling?",
    },
)
"""What can be said for any shop, for it claims nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The owner's file as it was read; without one, a shop that offers help and says nothing else."""

    name: str = ""
    tone: str = ""
    languages: tuple[str, ...] = ()
    """The languages that sentences are in, the first one being the shop's; none: whatever the shopper's is."""
    wording: Literal["own", "model"] = "own"
    limits: PopupLimits = field(default_factory=PopupLimits)
    sentences: tuple[Sentence, ...] = (BUILT_IN_HELP,)
    version: str = "none"
    """Names the content of the file, so that an answer given for another content is known."""

    def language_for(self, locale: str) -> str:
        """Give the language to speak to a shopper of this locale: theirs if the shop has it, else the shop's first."""
        spoken = locale.partition("-")[0]
        languages = self.languages or tuple(BUILT_IN_HELP.texts)
        return spoken if spoken in languages else languages[0]

    def applicable(self, summary: SessionSummary, today: date) -> list[Sentence]:
        """Give what may be said to this shopper today, in the order of the file."""
        return [sentence for sentence in self.sentences if sentence.applies(summary, today)]

    def find(self, sentence_id: str) -> Sentence | None:
        """Give the sentence of this id."""
        return next((sentence for sentence in self.sentences if sentence.id == sentence_id), None)


def text_in(texts: Texts, language: str) -> str:
    """Give the sentence in a language, or in the shop's first where it is not there in that one."""
    return texts.get(language) or next(iter(texts.values()))


def version_of(content: bytes) -> str:
    """Name a file's content."""
    return hashlib.blake2b(content, digest_size=6).hexdigest()
