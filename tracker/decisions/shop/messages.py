"""The messages that a popup may show, word for word: the shop's help, facts and offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, TypeAlias

from tracker.decisions.visit.signals import Signals

Texts: TypeAlias = Mapping[str, str]
"""A message's text by language, the shop's first language first."""

Kind: TypeAlias = Literal["help", "fact", "offer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the owner's, and the shoppers whom it is for."""

    id: str
    kind: Kind
    texts: Texts
    code: str | None = None
    """For an offer: the code that the shopper enters at the checkout."""
    first_day: date | None = None
    last_day: date | None = None
    min_items: int = 0
    first_visit: bool = False
    """Only for shoppers who are not known from an earlier visit."""
    stages: frozenset[str] = frozenset()
    """Only for shoppers at one of these stages; empty: at any stage."""

    def applies(self, signals: Signals, today: date) -> bool:
        """Whether this shopper may see it today."""
        return (
            (self.first_day is None or self.first_day <= today)
            and (self.last_day is None or today <= self.last_day)
            and signals.items_in_cart >= self.min_items
            and not (self.first_visit and signals.returning)
            and (not self.stages or signals.stage in self.stages)
        )

    def text_in(self, language: str) -> str:
        """Return the text in a language, or in the shop's first language if there is none in that one."""
        return self.texts.get(language) or next(iter(self.texts.values()))


BUILT_IN_HELP: Final = Message(
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
"""The message for a shop without its own help: it suits every shop because it claims nothing."""
