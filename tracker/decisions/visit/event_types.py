"""Single events: a safe label for the type, and steps to the cart or the checkout."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tracker.decisions.visit.pages import PageName
from tracker.sessions.model import Event

VIEWS: Final = frozenset({"view", "page_view", "pageview"})
POPUP_TYPES: Final = frozenset({"popup_shown", "popup_dismissed", "popup_clicked"})

_TYPE_WORDS: Final = """
    view page pageview leave hide show visit click tap press touch key scroll depth hover move focus blur input change
    submit form select copy paste resize rage exit intent search filter sort product collection variant option size
    color image gallery zoom video play pause end review tab menu nav link button banner modal drawer wishlist compare
    add remove update clear empty to from the in of cart item line quantity checkout start started begin step shipping
    payment complete completed popup shown dismissed clicked open opened close closed idle active visible hidden
    heartbeat ping error session load loaded unload back forward
    """
_KNOWN_TYPE_WORDS: Final = frozenset(_TYPE_WORDS.split())
_SEPARATORS: Final = re.compile(r"[-_ :.]+")
_NEW_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ADD_TO_CART: Final = re.compile(r"add[-_ ]?to[-_ ]?cart|cart[-_ ]?add", re.IGNORECASE)


def type_label(event_type: str) -> str:
    """Return an event's type if it is made of words for what one does in a shop, else `other`.

    A type is a text from the browser like any other: an unknown one could carry a name, a token or an instruction.
    """
    label = _SEPARATORS.sub("_", _NEW_WORD.sub("_", event_type[:64])).lower()
    return label if len(label) <= 24 and _KNOWN_TYPE_WORDS.issuperset(label.split("_")) else "other"


class Steps(NamedTuple):
    """Whether an event puts something into the cart, and whether it leads to the checkout."""

    adds_to_cart: bool
    to_checkout: bool


def steps_of(event: Event) -> Steps:
    """Look for both steps in an event's labels (type, id, target, classes, name) and in its link."""
    adds = to_checkout = False
    for key in ("type", "id", "target", "classes", "name"):
        label = event.get(key)
        if isinstance(label, str):
            label = label[:200]
            adds = adds or (key != "name" and _ADD_TO_CART.search(label) is not None)
            to_checkout = to_checkout or (key != "classes" and "checkout" in label.lower())
    if not to_checkout:
        href = event.get("href")
        to_checkout = isinstance(href, str) and "checkout" in href and PageName.parse(href).kind == "checkout"
    return Steps(adds, to_checkout)
