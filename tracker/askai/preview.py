"""A preview: a message of the owner's as shoppers would see it. Nothing is decided, recorded or counted for it."""

from __future__ import annotations

from datetime import date

from tracker.decisions.decision import ByRules, Shown
from tracker.decisions.shop.shop import Shop


def previewed(shop: Shop, message_id: str, language: str, today: date) -> Shown | None:
    """Return the message in a language; None if the file holds none of this id that may be shown today.

    Anybody may ask for a preview, and an offer that has not begun yet is not for everybody to read.
    """
    message = shop.find(message_id)
    if message is None or not message.runs_on(today):
        return None
    spoken = shop.language_for(language)
    return Shown(
        message=message,
        text=message.text_in(spoken),
        language=spoken,
        reason=f"A preview of {message.id}: nothing was decided, and nothing is recorded.",
        trigger="preview",
        confidence=1.0,
        delay_ms=0,
        origin=ByRules(),
    )
