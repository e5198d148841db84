"""Reading the owner's file (TOML): every fault named with its line, a changed file taken up without a restart."""

from __future__ import annotations

import logging
import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from tracker.decisions.decision import MAX_MESSAGE, plain_message
from tracker.decisions.lexicon import LANGUAGES
from tracker.decisions.messages import BUILT_IN_HELP, Kind, PopupLimits, Sentence, Shop, version_of

log = logging.getLogger(__name__)

STAGES: Final = ("landed", "browsing", "product", "cart")
_MAX_FILE_BYTES = 256 * 1024

# The model reads all of it at every question, which shall stay below 1,000 tokens; a shop of few words is read best.
MAX_SENTENCES: Final = 16
MAX_SAID_BYTES: Final = 900
"""Of the texts in the first language and of the ids, which stand in a question twice."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in the file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class ShopFileError(Exception):
    """The file cannot be used; `faults` says why, by line."""

    def __init__(self, faults: list[Fault]) -> None:
        """Take the faults, in order."""
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class _Sentence(fields.Field[dict[str, str]]):
    """A text, or a table of texts by language."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        texts = value if isinstance(value, dict) else {"": value}
        if not texts or not all(isinstance(text, str) for text in texts.values()):
            raise ValidationError('must be a text, or a table such as { en = "...", de = "..." }')
        for text in texts.values():
            if not 0 < len(text.strip()) <= MAX_MESSAGE:
                raise ValidationError(f"must have 1 to {MAX_MESSAGE} characters")
            plain_message(text)
        return {language: text.strip() for language, text in texts.items()}


class _Day(fields.Field[date]):
    """A date as TOML writes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if type(value) is not date:
            raise ValidationError("must be a day such as 2026-12-24, without quotes")
        return value


_ID = validate.Regexp(r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", error="must be small letters, digits and single dashes")


class SentenceSchema(Schema):
    """What a fact, an offer and an own sentence of help have in common."""

    class Meta:
        unknown = RAISE

    id = fields.String(required=True, validate=[_ID, validate.Length(max=24)])
    text = _Sentence(required=True)
    stages = fields.List(fields.String(validate=validate.OneOf(STAGES)), load_default=list)


class OfferSchema(SentenceSchema):
    """An offer: what the shopper gets, how, and when."""

    code = fields.String(validate=validate.Regexp(r"\A[A-Za-z0-9_-]{1,40}\Z", error="must be letters and digits"))
    first_day = _Day(data_key="from")
    last_day = _Day(data_key="until")
    min_items = fields.Integer(strict=True, validate=validate.Range(0, 1000))
    first_visit = fields.Boolean()


class LimitsSchema(Schema):
    """How often a shopper may be spoken to."""

    class Meta:
        unknown = RAISE

    popups_per_session = fields.Integer(strict=True, validate=validate.Range(0, 100))
    minutes_between = fields.Float(validate=validate.Range(0, 1440))
    never_on = fields.List(fields.String(validate=validate.Regexp(r"\A/", error="must begin with /")))


class ShopSchema(Schema):
    """The whole file."""

    class Meta:
        unknown = RAISE

    name = fields.String(required=True, validate=validate.Length(1, 80))
    tone = fields.String(load_default="", validate=validate.Length(max=80))
    languages = fields.List(
        fields.String(validate=validate.OneOf(LANGUAGES)),
        load_default=lambda: ["en"],
        validate=validate.Length(min=1, error="must name at least one language"),
    )
    wording = fields.String(load_default="own", validate=validate.OneOf(["own", "model"]))
    limits = fields.Nested(LimitsSchema, load_default=dict)
    help = fields.List(fields.Nested(SentenceSchema), load_default=list)
    facts = fields.List(fields.Nested(SentenceSchema), load_default=list)
    offers = fields.List(fields.Nested(OfferSchema), load_default=list)


def parse_shop(content: bytes) -> Shop:
    """Read the file's content. Raises ShopFileError with every fault that was found."""
    if len(content) > _MAX_FILE_BYTES:
        raise ShopFileError([Fault(1, f"the file is larger than {_MAX_FILE_BYTES} bytes")])
    try:
        text = content.decode("utf-8-sig")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ShopFileError([Fault(line, "not UTF-8: save the file as UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise ShopFileError([Fault(line, f"not TOML: {str(error).partition(' (at')[0]}")]) from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, thousands of brackets.
        raise ShopFileError([Fault(1, "not TOML that can be read: something in it is far too long or deep")]) from None
    try:
        data = ShopSchema().load(raw)
    except ValidationError as error:
        raise ShopFileError(sorted(_faults(text, error.messages_dict), key=lambda fault: fault.line)) from None
    faults = _further_faults(text, data)
    if faults:
        raise ShopFileError(faults)
    return _shop(data, version_of(content))


def _faults(text: str, messages: Mapping[Any, Any], path: tuple[Any, ...] = ()) -> list[Fault]:
    found: list[Fault] = []
    for key, inner in messages.items():
        here = (*path, key)
        if isinstance(inner, dict):
            found += _faults(text, inner, here)
        else:
            found += [Fault(_line_of(text, here), f"{_spelled(here)}: {_decapitalised(one)}") for one in inner]
    return found


def _spelled(path: tuple[Any, ...]) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in path)


def _decapitalised(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


def _line_of(text: str, path: tuple[Any, ...]) -> int:
    """Find the line that a fault at this path stands in: the key's, its table's, or the first."""
    table = next((part for part in path if isinstance(part, str)), "")
    number = next((part for part in path if isinstance(part, int)), 0)
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    line, seen, inside, header_line = 1, -1, True, 1
    for line, content in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([A-Za-z_]+)", content)
        if header:
            seen += header[1] == table and content.lstrip().startswith("[[")
            inside = header[1] == table and (seen == number or seen < 0)
            if inside:
                header_line = line
        elif (inside or table == key) and re.match(rf"\s*\"?{re.escape(key)}\"?\s*[.=]", content):
            return line
    return header_line


def _further_faults(text: str, data: dict[str, Any]) -> list[Fault]:
    """Find what no field shows alone."""
    found: list[Fault] = []
    ids: set[str] = set()
    for table in ("help", "facts", "offers"):
        for number, one in enumerate(data[table]):
            here = (table, number)
            if one["id"] in ids or one["id"] == "none":
                found.append(Fault(_line_of(text, (*here, "id")), f'{table}: the id "{one["id"]}" is taken'))
            ids.add(one["id"])
            languages = one["text"].keys() - {""}
            if languages and (missing := [lang for lang in data["languages"] if lang not in languages]):
                found.append(Fault(_line_of(text, (*here, "text")), f"{table}: no text in {', '.join(missing)}"))
            if unknown := sorted(languages - set(data["languages"])):
                what = f"{table}: {', '.join(unknown)} is not among the languages"
                found.append(Fault(_line_of(text, (*here, "text")), what))
            if one.get("first_day") and one.get("last_day") and one["last_day"] < one["first_day"]:
                found.append(Fault(_line_of(text, (*here, "until")), "offers: until is before from"))
            code = one.get("code")
            if code and not all(code in said for said in one["text"].values()):
                found.append(Fault(_line_of(text, (*here, "text")), f"offers: the text does not name the code {code}"))
    said = [one for table in ("help", "facts", "offers") for one in data[table]]
    if len(said) > MAX_SENTENCES:
        found.append(Fault(1, f"{len(said)} facts, offers and sentences of help: at most {MAX_SENTENCES} together"))
    first = data["languages"][0]
    size = sum(2 * len(one["id"]) + len((one["text"].get("") or one["text"].get(first, "")).encode()) for one in said)
    if size > MAX_SAID_BYTES:
        what = f"all sentences with their ids take {size} bytes of a question to the model: at most {MAX_SAID_BYTES}"
        found.append(Fault(1, f"{what}; say fewer or shorter ones"))
    return sorted(found, key=lambda fault: fault.line)


def _shop(data: dict[str, Any], version: str) -> Shop:
    languages = tuple(data["languages"])
    sentences = [
        _sentence(kind, one, languages)
        for table, kind in (("facts", "fact"), ("offers", "offer"), ("help", "help"))
        for one in data[table]
    ]
    if not data["help"]:
        sentences.append(BUILT_IN_HELP)
    limits = data["limits"]
    return Shop(
        name=data["name"],
        tone=data["tone"],
        languages=languages,
        wording=data["wording"],
        limits=PopupLimits(**{**limits, "never_on": tuple(limits.get("never_on", ()))}),
        sentences=tuple(sentences),
        version=version,
    )


def _sentence(kind: str, one: dict[str, Any], languages: tuple[str, ...]) -> Sentence:
    texts = {language or languages[0]: text for language, text in one.pop("text").items()}
    kinds: dict[str, Kind] = {"fact": "fact", "offer": "offer", "help": "help"}
    return Sentence(kind=kinds[kind], texts=texts, stages=frozenset(one.pop("stages")), **one)


class ShopFile:
    """The shop as its file says now: looked at before every answer, read when it changed.

    A file that turned bad leaves the last good one in force; `problem` says so until it is mended.
    """

    def __init__(self, path: Path) -> None:
        """Name the file, which need not exist."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._shop = Shop()
        self._problem: str | None = None

    def current(self) -> Shop:
        """Give the shop as last read without a fault."""
        self._look()
        return self._shop

    @property
    def problem(self) -> str | None:
        """What is wrong with the file as it stands now, None if nothing is."""
        self._look()
        return self._problem

    def _look(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            seen = (0, 0, 0)
        except OSError:
            seen = (-1, 0, 0)
        if seen == self._seen:
            return
        with self._lock:
            if seen == self._seen:
                return
            try:
                self._shop = parse_shop(self._path.read_bytes()) if seen != (0, 0, 0) else Shop()
                self._problem = None
            except ShopFileError as error:
                self._problem = f"The shop's file has faults; the last good one stays in force. {error}"
                log.warning("the shop's file was not taken up: %s", error)
            except OSError:
                self._problem = "The shop's file cannot be read; the last good one stays in force."
                log.warning("the shop's file cannot be read")
            self._seen = seen
