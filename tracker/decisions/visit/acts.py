"""Acts: what a click is about, from the name that the storefront script gave its target. Stems of several languages."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

Topic: TypeAlias = Literal["shipping", "returns", "size", "payment", "price", "quantity", "contact"]

TOPICS: Final[tuple[Topic, ...]] = ("shipping", "returns", "size", "payment", "price", "quantity", "contact")
"""What a message may be about: the fixed list of the owner's file."""

# The first pattern that is found names the act, so the narrow ones come first.
STEMS: Final = {
    "size_chart": r"size-?(chart|guide)|sizing|groessentab|guide-des-tailles",
    "size": r"\bsize|groesse|größe|taille|talla|taglia|\bmaat",
    "colour": r"colou?r|farbe|couleur|\bkleur",
    "discount": r"discount|coupon|promo|voucher|gutschein|rabatt|code-promo|descuento",
    "checkout": r"checkout|payment-button|kasse|paiement",
    "add": r"product-form__submit|add[-_ ]?to[-_ ]?cart|cart[-_ ]?add|warenkorb",
    "drawer": r"cart-icon|cart-drawer|drawer__close",
    "returns": r"return|refund|rueckgabe|retour",
    "shipping": r"shipping|deliver|versand|liefer|livraison|estimate",
    "quantity": r"quantity|qty|menge|quantite",
    "faq": r"faq",
    "chat": r"chat",
    "lookup": r"track|\border\b|sendung",
    "sent": r"(contact|wholesale|return-form|kontakt)[\w-]*(submit|send|button)",
    "form": r"contact|company|wholesale|note",
    "login": r"customer__|sign-in|log-?in|recover",
    "signup": r"newsletter|e-?mail",
    "sold_out": r"notify|back-in-stock",
    "picture": r"media|slider|thumb|zoom|gallery|share|wishlist|review",
    "filter": r"facet|filter|sort",
    "menu": r"menu",
    "panel": r"accordion|summary|details|tab",
    "country": r"locali[sz]ation|country|currency",
}
_PATTERNS: Final = {act: re.compile(stems, re.IGNORECASE) for act, stems in STEMS.items()}
_PANEL: Final = re.compile(r"(summary|details)\b|#?[\w-]*faq", re.IGNORECASE)
"""What opens a text on the page; it puts nothing into the cart and leads nowhere, whatever else its name says."""
_STEPS: Final = frozenset({"checkout", "add"})

ACT_TOPICS: Final[dict[str, Topic]] = {
    "size": "size",
    "size_chart": "size",
    "discount": "price",
    "filter": "price",
    "returns": "returns",
    "shipping": "shipping",
    "country": "shipping",
    "faq": "contact",
    "lookup": "contact",
    "login": "contact",
    "quantity": "quantity",
}
"""Which topic an act is a sign of."""

SUBJECT_TOPICS: Final[dict[str, Topic]] = {
    "shipping": "shipping",
    "returns": "returns",
    "size": "size",
    "payment": "payment",
    "newsletter": "price",
    "sale": "price",
    "wholesale": "quantity",
    "tracking": "contact",
    "contact": "contact",
    "faq": "contact",
}
"""Which topic a page is a sign of, by its subject (see `pages`)."""

LEADS_ON: Final = frozenset({"checkout", "add", "lookup", "signup", "login", "menu", "size_chart", "shipping", "other"})
"""Acts that should change something at once: the third of them on one thing without a change is in vain."""

LOOKING_AROUND: Final = frozenset({"picture", "colour", "menu", "filter", "add", "other"})
"""Acts of looking around: no sign that something is in the way."""


@lru_cache(maxsize=4096)
def act_of(target: str) -> str:
    """Return what a click is about, "other" if its target's name does not tell."""
    found = (act for act, pattern in _PATTERNS.items() if pattern.search(target))
    if _PANEL.match(target):
        return next((act for act in found if act not in _STEPS), "panel")
    return next(found, "other")
