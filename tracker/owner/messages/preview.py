"""How a message looks as a popup, in each of its languages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tracker.decisions.decision import ByRules, Shown
from tracker.decisions.shop.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A popup as a shopper would see it."""

    language: str
    text: str
    button: str | None
    code: str | None
    """The code that stands in the popup for copying."""
    close: str


def previews(message: Message) -> Iterator[Preview]:
    """Yield the popup in each language of the message, the shop's first one first."""
    for language, text in message.texts.items():
        shown = Shown(
            message=message,
            text=text,
            language=language,
            reason="",
            trigger="",
            confidence=1,
            delay_ms=0,
            origin=ByRules(),
        )
        action, own = shown.action(), shown.words()
        code = message.code if message.code and not message.apply else None
        button = action["label"] if action else own["copy"] if code else None
        yield Preview(language=language, text=text, button=button, code=code, close=own["close"])
