"""The words that the owner's rules are written with: what each one means, and which values it can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

ConditionValue: TypeAlias = float | bool | str | tuple[str, ...]
"""A number, a flag, a text, or paths."""

WordKind: TypeAlias = Literal["number", "flag", "path", "text"]


class OwnerWord(NamedTuple):
    """One word of `when`; `values` are all that a text can be, where they are fixed."""

    kind: WordKind
    meaning: str
    values: tuple[str, ...] = ()


OWNER_WORDS: Final[Mapping[str, OwnerWord]] = {
    "read": OwnerWord("path", "A policy or content page that was on the screen for 5 seconds or longer."),
    "page": OwnerWord("path", "The page that the shopper is on."),
    "opened": OwnerWord("path", "Any page that was opened in this visit."),
    "items": OwnerWord("number", "The items in the cart."),
    "total": OwnerWord("number", "The value of the cart in its currency, such as 59.90."),
    "currency": OwnerWord("text", "The currency of the cart, such as EUR."),
    "visit": OwnerWord("number", "The number of this visit: 1 is the first visit of this browser."),
    "first_visit": OwnerWord("flag", "Whether this is the first visit of this browser."),
    "device": OwnerWord("text", "The class of the device.", ("phone", "tablet", "desktop")),
    "why": OwnerWord(
        "text",
        "Why the script asks now: the cart changed, nothing was touched for a while, the shopper moves to leave, came"
        " back to the tab, turned away from a page of text, a search or the cart, clicks on the same thing again, or"
        " opened a page.",
        ("cart", "idle", "exit", "back", "turn_away", "again", "page"),
    ),
    "seconds": OwnerWord("number", "The seconds since the visit began."),
    "still": OwnerWord("number", "The seconds since the shopper last did something."),
    "cart_changed": OwnerWord("number", "The seconds since the cart last changed."),
    "cart_looks": OwnerWord("number", "How often the cart was looked at, as a page or as a drawer."),
    "removals": OwnerWord("number", "How often something was taken out of the cart."),
    "refills": OwnerWord("number", "How often something was added again after a removal."),
    "quantity_changes": OwnerWord("number", "How often a quantity was changed."),
    "option_flips": OwnerWord("number", "How often an option such as size or colour was changed."),
    "same_product": OwnerWord("number", "How often the most-viewed product was opened."),
    "products": OwnerWord("number", "How many different products were opened."),
    "searches": OwnerWord("number", "How often the shopper searched."),
    "same_click": OwnerWord("number", "How often the same thing was clicked in a row."),
    "exits": OwnerWord("number", "How often the shopper moved to leave the page."),
    "returned": OwnerWord("flag", "Whether the shopper came back to the tab after it was hidden."),
    "checkout_left": OwnerWord("flag", "Whether the shopper came back from the checkout."),
    "stage": OwnerWord(
        "text",
        "How far the visit has come.",
        ("landed", "browsing", "product", "cart", "checkout_seen", "bought"),
    ),
    "language": OwnerWord("text", 'The language of the shopper: "de" also holds for de-AT.'),
    "campaign": OwnerWord(
        "text", "The class of the campaign that the visit began with.", ("email", "paid", "social", "other")
    ),
    "sold_out": OwnerWord("flag", "Whether a product that was looked at is sold out."),
    "discount_refused": OwnerWord("flag", "Whether the shop refused a discount code."),
    "duplicate": OwnerWord("flag", "Whether the cart holds the same product twice, such as in two sizes."),
}
"""Each word of `when`. A word whose value is not known in a visit holds for nothing."""
