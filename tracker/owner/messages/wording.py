"""Changing the words of one message in the owner's file, and nothing else of the file: its comments stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

_TABLES: Final = ("facts", "offers", "help")


class WordingError(Exception):
    """The message's words cannot be changed by themselves; the message says why."""


def reworded(text: str, message_id: str, changes: Mapping[tuple[str, str], str]) -> str:
    """Return the file's text with other words in one message.

    `changes`: (key, language) -> words, the key being `text` or `button`; where a file writes one text for all
    languages, any language stands for it. Raises WordingError.
    """
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError) as error:
        raise WordingError("The file has faults: correct them in the whole file first.") from error
    message = _find(document, message_id)
    if message is None:
        raise WordingError("No message of this id is in the file any more.")
    for (key, language), words in changes.items():
        written = message.get(key)
        if isinstance(written, str):
            if written != words:
                message[key] = words
        elif isinstance(written, Mapping) and written.get(language) not in (None, words):
            written[language] = words  # type: ignore[index]  # tomlkit's tables can be written to
    return tomlkit.dumps(document)


def _find(document: Mapping[str, Any], message_id: str) -> Any:
    for table in _TABLES:
        messages = document.get(table, [])
        for message in messages if isinstance(messages, list) else [messages]:
            if isinstance(message, Mapping) and message.get("id") == message_id:
                return message
    return None
