"""Parsing the owner's file (TOML) into a Shop; every fault is reported with its line and what to write there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from marshmallow import ValidationError

from tracker.decisions.language.lexicon import LANGUAGES
from tracker.decisions.language.tags import best_match, primary
from tracker.decisions.shop.faults import FileFault, ShopFileError, Slip, fault_at, line_of, nearest, schema_faults
from tracker.decisions.shop.form.schema import ShopSchema, explained
from tracker.decisions.shop.form.syntax import read_toml
from tracker.decisions.shop.messages import BUILT_IN_HELP, TOPICS_OF_KIND, Kind, Message
from tracker.decisions.shop.reach import unreachable
from tracker.decisions.shop.shop import FrequencyCaps, Rule, Shop, version_of
from tracker.decisions.visit.acts import TOPICS

_MAX_FILE_BYTES: Final = 256 * 1024

# A model reads all messages in every prompt, which shall stay below 1,000 tokens; a model reads a short list best.
MAX_MESSAGES: Final = 16
MAX_PROMPT_BYTES: Final = 900
"""Of the texts in the first language together, and of the ids, which stand in a prompt twice."""
MAX_RULES: Final = 50

_KINDS: Final[dict[str, Kind]] = {"facts": "fact", "offers": "offer", "help": "help"}
"""Table of the file -> kind of its messages."""


def parse_shop(content: bytes) -> Shop:
    """Parse the file's content. Raises ShopFileError with every fault that was found."""
    if len(content) > _MAX_FILE_BYTES:
        raise ShopFileError([FileFault(1, f"the file is larger than {_MAX_FILE_BYTES} bytes")])
    found = read_toml(_decoded(content))
    faults = found.faults
    if found.values is None:
        raise ShopFileError(faults)
    try:
        data = ShopSchema().load(found.values)
    except ValidationError as error:
        messages = explained(error.messages_dict, found.values)
        raise ShopFileError(faults + schema_faults(found.text, messages)) from None
    faults += _faults_between_fields(found.text, data) + _faults_of_size(data)
    if not faults:
        shop = _shop(found.text, data, version_of(content))
        faults = [FileFault(line, message) for line, message in unreachable(shop)]
        if not faults:
            return shop
    raise ShopFileError(faults)


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ShopFileError([FileFault(1, "saved as UTF-16: save the file as UTF-8")])
    try:
        # A line that ends as on the first Macs, in \r alone, is no line to TOML.
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ShopFileError([FileFault(line, "not UTF-8: save the file as UTF-8")]) from None


def _faults_between_fields(text: str, data: Mapping[str, Any]) -> list[FileFault]:
    """Return the faults that no field shows alone."""
    found: list[FileFault] = []
    ids = {"none"}  # the model's answer for no message
    for table in ("help", "facts", "offers"):
        for number, one in enumerate(data[table]):
            faults = list(_faults_of_message(one, data["languages"]))
            if one["id"] in ids:
                faults.append(("id", f'the id "{one["id"]}" is taken: give this one another'))
            ids.add(one["id"])
            found += [FileFault(line_of(text, (table, number, key)), f"{table}: {message}") for key, message in faults]
    for number, rule in enumerate(data["rules"]):
        for said in rule["say"]:
            message = _fault_in_say(said, data, ids - {"none"})
            if message:
                found.append(fault_at(text, ("rules", number, "say"), message))
    if data["wording"] == "model" and (without := [one for one in data["languages"] if primary(one) not in LANGUAGES]):
        message = f'no list of plain words for {", ".join(without)}, which a model\'s words need: write wording = "own"'
        found.append(fault_at(text, ("wording",), message))
    return found


def _faults_of_message(one: Mapping[str, Any], known: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (key, message) of each fault."""
    for key in ("text", "button"):
        languages = one.get(key, {}).keys() - {""}
        if languages and (missing := [language for language in known if language not in languages]):
            yield key, f"no {key} in {', '.join(missing)}"
        if unknown := sorted(languages - set(known)):
            yield key, f"{', '.join(unknown)} is not among the languages"
    if one.get("first_day") and one.get("last_day") and one["last_day"] < one["first_day"]:
        yield "until", "until is before from"
    if one.get("max_items", 1000) < one.get("min_items", 0):
        yield "max_items", "max_items is smaller than min_items"
    code, applies = one.get("code"), one.get("apply", False)
    if code and not all(code in said for said in one["text"].values()):
        yield "text", f"the text does not name the code {code}"
    if applies and not code:
        yield "apply", "apply needs a code"
    if applies and "opens" in one:
        yield "opens", "a button either opens something or applies the code"
    has_way = applies or "opens" in one
    if "button" in one and not has_way:
        yield "button", 'a button needs opens, such as opens = "/pages/contact"'
    if has_way and "button" not in one and one.get("opens") != "cart":
        yield "opens" if "opens" in one else "apply", 'the button needs words, such as button = { en = "Ask us" }'


def _fault_in_say(said: str, data: Mapping[str, Any], ids: set[str]) -> str | None:
    start, _, topic = said.rpartition(":")
    if not start:
        return None if said in ids else _unknown(said, ids, "no message has the id")
    if topic not in TOPICS:
        return _unknown(topic, TOPICS, "there is no topic")
    if not any(topic in _topics(kind, one) for table, kind in _KINDS.items() for one in data[table]):
        return f'no message is about {topic}: write about = ["{topic}"] in one'
    return None


def _unknown(said: str, known: Collection[str], message: str) -> str:
    meant = nearest(said, known)
    if meant is None:
        return f'{message} "{said}"; there are: {", ".join(sorted(known))}'
    return Slip(f'{message} "{said}": did you mean "{meant}"?', said, meant)


def _topics(kind: Kind, one: Mapping[str, Any]) -> frozenset[Any]:
    return frozenset(one["about"]) if "about" in one else TOPICS_OF_KIND[kind]


def _faults_of_size(data: Mapping[str, Any]) -> list[FileFault]:
    found: list[FileFault] = []
    messages = [one for table in _KINDS for one in data[table]]
    if len(messages) > MAX_MESSAGES:
        counts = f"{len(messages)} facts, offers and messages of help: at most {MAX_MESSAGES} together"
        found.append(FileFault(1, counts))
    if len(data["rules"]) > MAX_RULES:
        found.append(FileFault(1, f"{len(data['rules'])} rules: at most {MAX_RULES}"))
    first = data["languages"][0]
    texts = [one["text"].get("") or one["text"].get(first, "") for one in messages]
    size = sum(2 * len(one["id"]) + len(text.encode()) for one, text in zip(messages, texts, strict=True))
    if size > MAX_PROMPT_BYTES:
        takes = f"all messages with their ids take {size} bytes of a question to the model"
        found.append(FileFault(1, f"{takes}: at most {MAX_PROMPT_BYTES}; say fewer or shorter ones"))
    return found


def _shop(text: str, data: Mapping[str, Any], version: str) -> Shop:
    languages = tuple(data["languages"])
    lines = {
        (table, number): line_of(text, (table, number, "id")) for table in _KINDS for number in range(len(data[table]))
    }
    messages = [
        _message(_KINDS[table], data[table][number], languages)
        for table, number in sorted(lines, key=lambda place: lines[place])
    ]
    built_in = [BUILT_IN_HELP] if _takes_built_in_help(messages, languages) else []
    caps = data["limits"]
    return Shop(
        name=data["name"],
        tone=data["tone"],
        languages=languages,
        other_languages=data["other_languages"],
        wording=data["wording"],
        discretion=data["discretion"],
        caps=FrequencyCaps(**{**caps, "never_on": tuple(caps.get("never_on", ()))}),
        messages=(*messages, *built_in),
        rules=tuple(_rule(text, number, one, messages) for number, one in enumerate(data["rules"])),
        version=version,
    )


def _takes_built_in_help(messages: list[Message], languages: tuple[str, ...]) -> bool:
    """Whether a file has no help of its own, in languages that the built-in help has."""
    if any(message.kind == "help" or message.id == BUILT_IN_HELP.id for message in messages):
        return False
    return all(best_match(one, tuple(BUILT_IN_HELP.texts)) for one in languages)


def _message(kind: Kind, one: Mapping[str, Any], languages: tuple[str, ...]) -> Message:
    plain = {**one, "about": _topics(kind, one), "stages": frozenset(one["stages"]), "pages": tuple(one["pages"])}
    texts = _texts(plain.pop("text"), languages)
    button = _texts(plain.pop("button"), languages) if "button" in plain else None
    return Message(kind=kind, texts=texts, button=button, **plain)


def _texts(texts: Mapping[str, str], languages: tuple[str, ...]) -> dict[str, str]:
    """Return the texts in the order of the shop's languages; one without a language is in the first."""
    if "" in texts:
        return {languages[0]: texts[""]}
    return {language: texts[language] for language in languages}


def _rule(text: str, number: int, one: Mapping[str, Any], messages: list[Message]) -> Rule:
    ids: list[str] = []
    for said in one["say"]:
        topic = said.removeprefix("about:")
        ids += [said] if topic == said else [message.id for message in messages if topic in message.about]
    line = line_of(text, ("rules", number))
    return Rule(when=one["when"], say=tuple(dict.fromkeys(ids)), delay_s=one.get("delay"), line=line)
