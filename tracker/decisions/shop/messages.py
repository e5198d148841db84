"""The messages that a popup may show, word for word: the shop's help, facts and offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, TypeAlias

from tracker.decisions.language.tags import best_match
from tracker.decisions.shop.patterns import any_matches
from tracker.decisions.visit.acts import TOPICS, Topic
from tracker.decisions.visit.signals import Signals

Texts: TypeAlias = Mapping[str, str]
"""A text by language, the shop's first language first."""

Kind: TypeAlias = Literal["help", "fact", "offer"]

TOPICS_OF_KIND: Final[Mapping[Kind, frozenset[Topic]]] = {
    "offer": frozenset({"price"}),
    "help": frozenset({"contact"}),
    "fact": frozenset(),
}
"""What a message is about whose owner does not say it."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in hundredths, as a Shopify cart counts every currency, and its currency ("" for any)."""

    hundredths: int
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the owner's, and the shoppers whom it is for."""

    id: str
    kind: Kind
    texts: Texts
    about: frozenset[Topic] = frozenset()
    """What it answers; empty: only a rule of the owner's or a model says it."""
    code: str | None = None
    """For an offer: the code that the shopper enters at the checkout."""
    apply: bool = False
    """The button of the offer applies its code."""
    opens: str | None = None
    """What the button opens: a path of the shop, "cart", "event:NAME", or an address of mailto, tel or wa.me."""
    button: Texts | None = None
    first_day: date | None = None
    last_day: date | None = None
    stages: frozenset[str] = frozenset()
    """Only for shoppers at one of these stages; empty: at any stage."""
    pages: tuple[str, ...] = ()
    """Only on pages whose path matches one of these patterns; empty: on any page."""
    min_items: int = 0
    max_items: int | None = None
    min_total: Money | None = None
    first_visit: bool = False
    """Only for shoppers who are not known from an earlier visit."""
    first_order: bool = False
    """Only for shoppers of whom no purchase is known."""
    once_in_days: int | None = None
    """Not within so many days after it was shown; the browser remembers the day."""

    def runs_on(self, day: date) -> bool:
        """Whether the day is one of those on which the message may be shown at all."""
        return (self.first_day is None or self.first_day <= day) and (self.last_day is None or day <= self.last_day)

    def applies(self, signals: Signals, today: date) -> bool:
        """Whether this shopper may see it today."""
        return (
            self.runs_on(today)
            and self.min_items <= signals.items_in_cart
            and (self.max_items is None or signals.items_in_cart <= self.max_items)
            and (self.min_total is None or _reaches(self.min_total, signals))
            and not (self.first_visit and signals.returning)
            and not (self.first_order and _has_ordered(signals))
            and (not self.stages or signals.stage in self.stages)
            and self._fits_page(signals)
        )

    def _fits_page(self, signals: Signals) -> bool:
        page = signals.page
        if self.pages and not any_matches(self.pages, page.path):
            return False
        if not signals.by_storefront:
            # Another script draws no button: no message of it has a way, and none leads anywhere.
            return True
        if self.kind == "help" and self.opens is None and page.kind == "cart":
            # A question that nothing answers only stands in the way there.
            return False
        return not self.leads_to(page.path)

    def leads_to(self, path: str) -> bool:
        """Whether the button opens this very page."""
        target = "/cart" if self.opens == "cart" else self.opens or ""
        return target.startswith("/") and any_matches([target.partition("?")[0].partition("#")[0]], path)

    def text_in(self, language: str) -> str:
        """Return the text in a language, or in the shop's first language if there is none in that one."""
        return _in(language, self.texts)

    def button_in(self, language: str) -> str | None:
        """Return the words of the button in a language; None if it has none of its own."""
        return None if self.button is None else _in(language, self.button)


def _in(language: str, texts: Texts) -> str:
    return texts[best_match(language, tuple(texts)) or next(iter(texts))]


def _reaches(least: Money, signals: Signals) -> bool:
    """Whether the cart is known to be worth so much; in another currency nobody can tell."""
    if signals.total is None or (least.currency and least.currency != signals.currency):
        return False
    return signals.total >= least.hundredths


def _has_ordered(signals: Signals) -> bool:
    # A browser without consent, or an older script, counts no orders: then the first visit has to do.
    return signals.returning if signals.orders is None else signals.orders > 0


BUILT_IN_HELP: Final = Message(
    id="help",
    kind="help",
    texts={
        "en": "Would you like to see your cart again?",
        "de": "Möchtest du deinen Warenkorb noch einmal ansehen?",
        "fr": "Voulez-vous revoir votre panier ?",
        "es": "¿Quieres ver tu carrito otra vez?",
        "it": "Vuoi rivedere il tuo carrello?",
        "pt": "Quer ver o seu carrinho outra vez?",
        "nl": "Wil je je winkelwagen nog eens bekijken?",
    },
    about=frozenset(TOPICS) - {"quantity"},
    opens="cart",
    min_items=1,
)
"""The message for a shop without its own help. It suits every shop: it claims nothing, and its button leads to a page
that every shop has. It is about everything but quantities, because it is for whatever holds a shopper up at a cart.
"""
