"""The check that a text for a shopper is plain: no markup, no link, no hidden character."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from marshmallow import ValidationError

MAX_MESSAGE: Final = 120
"""The most characters of a popup's text."""

HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of characters that can hide or reorder text, or that no font shows."""

# Zero-width joiners are part of emoji and of Persian and Indic words; all other format characters stay forbidden.
_JOINERS: Final = dict.fromkeys(map(ord, "\u200c\u200d"))
_LINK: Final = re.compile(
    r"""//|@|\b(?:https?|ftp|mailto|tel|sms|javascript|vbscript|data|file|intent|whatsapp):\S"""
    r"""|\w\.[^\W\d_]{2,}|\w。[a-z]{2,}|\b\d{1,3}(?:\.\d{1,3}){3}\b""",
    re.IGNORECASE,
)
_ENTITY: Final = re.compile(r"&(?:#|[a-z][a-z0-9]*;)", re.IGNORECASE)
_MARKUP: Final = frozenset("<>{}[]`*_~|\\^")


def require_plain_text(text: str) -> None:
    """Raise ValidationError for a text that holds markup, links or hidden characters."""
    visible = text.translate(_JOINERS)
    if not HIDDEN_CATEGORIES.isdisjoint(map(unicodedata.category, visible)):
        raise ValidationError("holds a control, bidirectional or hidden character: write the text anew")
    # A reader takes full-width letters and dots for the plain ones, and so does a browser's address bar.
    folded = unicodedata.normalize("NFKC", visible)
    if _LINK.search(folded):
        raise ValidationError("holds a link or an address: leave it out")
    if _ENTITY.search(folded) or not _MARKUP.isdisjoint(folded):
        raise ValidationError("holds markup: leave out < > and the like, a text is shown as it is")
