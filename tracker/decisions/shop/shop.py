"""The shop as its owner's file describes it: its messages, its languages, and its frequency caps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import Literal

from tracker.decisions.shop.messages import BUILT_IN_HELP, Message
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyCaps:
    """The owner's bounds on popups, from the table `[limits]` of the file."""

    popups_per_session: int = 2
    minutes_between: float = 10
    never_on: tuple[str, ...] = ()
    """Patterns of paths, `*` standing for anything: `/account*`."""

    def forbid(self, page: PageName) -> bool:
        """Whether no popup may appear on this page, in whichever language it is."""
        for pattern in self.never_on:
            if fnmatchcase(page.path, pattern) or fnmatchcase(page.plain_path, pattern):
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What the owner's file holds; the defaults are a shop without a file, which offers help and says nothing else."""

    name: str = ""
    tone: str = ""
    languages: tuple[str, ...] = ()
    """The languages of the messages, the first one being the shop's; empty: those of the built-in help."""
    wording: Literal["own", "model"] = "own"
    """`model`: a model may put a short opening of its own before a message."""
    caps: FrequencyCaps = field(default_factory=FrequencyCaps)
    messages: tuple[Message, ...] = (BUILT_IN_HELP,)
    version: str = "none"
    """Identifies the content of the file, so that a decision made for another content is recognised."""

    def language_for(self, locale: str) -> str:
        """Return the language for a shopper of this locale: the shopper's if the shop has it, else the shop's first."""
        spoken = locale.partition("-")[0]
        languages = self.languages or tuple(BUILT_IN_HELP.texts)
        return spoken if spoken in languages else languages[0]

    def applicable(self, signals: Signals, today: date) -> list[Message]:
        """Return the messages that this shopper may see today, in the order of the file."""
        return [message for message in self.messages if message.applies(signals, today)]

    def find(self, message_id: str) -> Message | None:
        """Return the message of this id, None if the file holds none."""
        for message in self.messages:
            if message.id == message_id:
                return message
        return None


def version_of(content: bytes) -> str:
    """Return a short digest of a file's content."""
    return hashlib.blake2b(content, digest_size=6).hexdigest()
