"""A safe label for the type of an event."""

from __future__ import annotations

import re
from typing import Final

_TYPE_WORDS: Final = """
    view page pageview leave hide show visit click tap press touch key scroll depth hover move focus blur input change
    submit form select copy paste resize rage exit intent search filter sort product collection variant option size
    color image gallery zoom video play pause end review tab menu nav link button banner modal drawer wishlist compare
    add remove update clear empty to from the in of cart item line quantity checkout start started begin step shipping
    payment complete completed popup shown dismissed clicked open opened close closed idle active visible hidden
    heartbeat ping error session load loaded unload back forward flip presence sold out discount refused dropped
    """
_KNOWN_TYPE_WORDS: Final = frozenset(_TYPE_WORDS.split())
_SEPARATORS: Final = re.compile(r"[-_ :.]+")
_NEW_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def type_label(event_type: str) -> str:
    """Return an event's type if it is made of words for what one does in a shop, else `other`.

    A type is a text from the browser like any other: an unknown one could carry a name, a token or an instruction.
    """
    label = _SEPARATORS.sub("_", _NEW_WORD.sub("_", event_type[:64])).lower()
    return label if len(label) <= 24 and _KNOWN_TYPE_WORDS.issuperset(label.split("_")) else "other"
