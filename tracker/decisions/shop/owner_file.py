"""Parsing the owner's file (TOML) into a Shop; every fault is reported with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from marshmallow import ValidationError

from tracker.decisions.shop.faults import FileFault, ShopFileError, line_of, schema_faults
from tracker.decisions.shop.messages import BUILT_IN_HELP, Kind, Message
from tracker.decisions.shop.schema import ShopSchema
from tracker.decisions.shop.shop import FrequencyCaps, Shop, version_of

_MAX_FILE_BYTES: Final = 256 * 1024

# A model reads all messages in every prompt, which shall stay below 1,000 tokens; a model reads a short list best.
MAX_MESSAGES: Final = 16
MAX_PROMPT_BYTES: Final = 900
"""Of the texts in the first language together, and of the ids, which stand in a prompt twice."""

_KINDS: Final[dict[str, Kind]] = {"facts": "fact", "offers": "offer", "help": "help"}
"""Table of the file -> kind of its messages, in the order in which they are said."""


def parse_shop(content: bytes) -> Shop:
    """Parse the file's content. Raises ShopFileError with every fault that was found."""
    if len(content) > _MAX_FILE_BYTES:
        raise ShopFileError([FileFault(1, f"the file is larger than {_MAX_FILE_BYTES} bytes")])
    text, raw = _parse_toml(content)
    try:
        data = ShopSchema().load(raw)
    except ValidationError as error:
        raise ShopFileError(schema_faults(text, error.messages_dict)) from None
    faults = _faults_between_fields(text, data) + _faults_of_size(data)
    if faults:
        raise ShopFileError(faults)
    return _shop(data, version_of(content))


def _parse_toml(content: bytes) -> tuple[str, dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fault = FileFault(line, "not UTF-8: save the file as UTF-8")
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        fault = FileFault(line, f"not TOML: {str(error).partition(' (at')[0]}")
    except (ValueError, RecursionError):
        # A number of thousands of digits, thousands of brackets.
        fault = FileFault(1, "not TOML that can be read: something in it is far too long or deep")
    raise ShopFileError([fault])


def _faults_between_fields(text: str, data: dict[str, Any]) -> list[FileFault]:
    """Return the faults that no field shows alone."""
    found: list[FileFault] = []
    ids = {"none"}  # the model's answer for no message
    for table in ("help", "facts", "offers"):
        for number, one in enumerate(data[table]):
            faults = list(_faults_of_message(one, data["languages"]))
            if one["id"] in ids:
                faults.append(("id", f'the id "{one["id"]}" is taken'))
            ids.add(one["id"])
            found += [FileFault(line_of(text, (table, number, key)), f"{table}: {message}") for key, message in faults]
    return found


def _faults_of_message(one: dict[str, Any], known: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (key, message) of each fault."""
    languages = one["text"].keys() - {""}
    if languages and (missing := [language for language in known if language not in languages]):
        yield "text", f"no text in {', '.join(missing)}"
    if unknown := sorted(languages - set(known)):
        yield "text", f"{', '.join(unknown)} is not among the languages"
    if one.get("first_day") and one.get("last_day") and one["last_day"] < one["first_day"]:
        yield "until", "until is before from"
    code = one.get("code")
    if code and not all(code in said for said in one["text"].values()):
        yield "text", f"the text does not name the code {code}"


def _faults_of_size(data: dict[str, Any]) -> list[FileFault]:
    found: list[FileFault] = []
    messages = [one for table in _KINDS for one in data[table]]
    if len(messages) > MAX_MESSAGES:
        counts = f"{len(messages)} facts, offers and sentences of help: at most {MAX_MESSAGES} together"
        found.append(FileFault(1, counts))
    first = data["languages"][0]
    texts = [one["text"].get("") or one["text"].get(first, "") for one in messages]
    size = sum(2 * len(one["id"]) + len(text.encode()) for one, text in zip(messages, texts, strict=True))
    if size > MAX_PROMPT_BYTES:
        takes = f"all sentences with their ids take {size} bytes of a question to the model"
        found.append(FileFault(1, f"{takes}: at most {MAX_PROMPT_BYTES}; say fewer or shorter ones"))
    return found


def _shop(data: dict[str, Any], version: str) -> Shop:
    languages = tuple(data["languages"])
    messages = [_message(kind, one, languages) for table, kind in _KINDS.items() for one in data[table]]
    if not data["help"]:
        messages.append(BUILT_IN_HELP)
    caps = data["limits"]
    return Shop(
        name=data["name"],
        tone=data["tone"],
        languages=languages,
        wording=data["wording"],
        caps=FrequencyCaps(**{**caps, "never_on": tuple(caps.get("never_on", ()))}),
        messages=tuple(messages),
        version=version,
    )


def _message(kind: Kind, one: dict[str, Any], languages: tuple[str, ...]) -> Message:
    texts = {language or languages[0]: text for language, text in one.pop("text").items()}
    return Message(kind=kind, texts=texts, stages=frozenset(one.pop("stages")), **one)
