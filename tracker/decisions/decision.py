"""The answer: what a popup decision is, and what a text for a shopper must not hold."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any, Final

from marshmallow import ValidationError

MAX_MESSAGE: Final = 120

CATEGORIES: Final = ("info", "discount", "reminder", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class PopupDecision:
    """Whether to show a popup, and which: the seven fields that the shop's script reads."""

    show_popup: bool
    message: str
    """What the shopper reads; empty when nothing is shown."""
    reason: str
    """Why, for the owner."""
    category: str
    trigger: str
    """A short label for what in the session decided: `items_in_cart`."""
    confidence: float
    delay_ms: int
    """How long to wait before showing."""

    def to_answer(self) -> dict[str, Any]:
        """Give the seven fields as the JSON answer holds them."""
        return asdict(self)


def quiet(reason: str, trigger: str = "none", confidence: float = 1.0) -> PopupDecision:
    """Decide to show nothing."""
    return PopupDecision(
        show_popup=False,
        message="",
        reason=reason,
        category="none",
        trigger=trigger,
        confidence=confidence,
        delay_ms=0,
    )


# Zero-width joiners are part of emoji and of Persian and Indic words. All other format characters can reorder or hide.
_JOINERS = "\u200c\u200d"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LINK = re.compile(
    r"""//|@|\b(?:https?|ftp|mailto|tel|sms|javascript|vbscript|data|file|intent|whatsapp):\S"""
    r"""|\w\.[^\W\d_]{2,}|\w。[a-z]{2,}|\b\d{1,3}(?:\.\d{1,3}){3}\b""",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#|[a-z][a-z0-9]*;)", re.IGNORECASE)
_MARKUP = frozenset("<>{}[]`*_~|\\^")


def plain_message(text: str) -> None:
    """Raise ValidationError where a text for the shopper holds markup, links or hidden characters."""
    visible = text.translate(dict.fromkeys(map(ord, _JOINERS)))
    if any(unicodedata.category(character) in _HIDDEN for character in visible):
        raise ValidationError("holds a control, bidirectional or hidden character")
    # Full-width letters and dots read, and are clicked, as the plain ones.
    folded = unicodedata.normalize("NFKC", visible)
    if _LINK.search(folded):
        raise ValidationError("holds a link or an address")
    if _ENTITY.search(folded) or not _MARKUP.isdisjoint(folded):
        raise ValidationError("holds markup")
