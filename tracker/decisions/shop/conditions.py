"""Conditions: what the table `when` of a rule asks of a visit, parsed once and then held against it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from marshmallow import ValidationError

from tracker.decisions.language.tags import is_tag
from tracker.decisions.shop.faults import Slip, nearest, unknown
from tracker.decisions.shop.patterns import PATTERN, any_matches
from tracker.decisions.visit.owner_words import OWNER_WORDS, ConditionValue, OwnerWord, WordKind

Facts: TypeAlias = Mapping[str, ConditionValue]
"""What is known of a visit, by the owner's words. A word that is not in it is not known and holds for nothing."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds if all of its parts hold; without any, always."""

    parts: tuple[Condition, ...] = ()

    def holds(self, facts: Facts) -> bool:
        return all(part.holds(facts) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds if at least one of its parts holds."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Facts) -> bool:
        return any(part.holds(facts) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """Holds if its part does not: also if nothing is known about it."""

    part: Condition

    def holds(self, facts: Facts) -> bool:
        return not self.part.holds(facts)


@dataclass(frozen=True, slots=True)
class NumberTest:
    """Holds for a number between two bounds."""

    word: str
    least: float = -math.inf
    most: float = math.inf
    without_bounds: bool = False
    """The bounds themselves do not count."""

    def holds(self, facts: Facts) -> bool:
        value = facts.get(self.word)
        if not isinstance(value, int | float):
            return False
        if self.without_bounds:
            return self.least < value < self.most
        return self.least <= value <= self.most


@dataclass(frozen=True, slots=True)
class FlagTest:
    """Holds for something that is so, or that is not so."""

    word: str
    wanted: bool

    def holds(self, facts: Facts) -> bool:
        return facts.get(self.word) is self.wanted


@dataclass(frozen=True, slots=True)
class TextTest:
    """Holds for a text, in small or capital letters; a language also for its regions: `de` for `de-AT`."""

    word: str
    text: str

    def holds(self, facts: Facts) -> bool:
        value = facts.get(self.word)
        return isinstance(value, str) and f"{value}-".lower().startswith(f"{self.text}-".lower())


@dataclass(frozen=True, slots=True)
class PathTest:
    """Holds if one of the paths matches a pattern, in whichever language of the shop."""

    word: str
    pattern: str

    def holds(self, facts: Facts) -> bool:
        value = facts.get(self.word, ())
        paths = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        return any(any_matches((self.pattern,), path) for path in paths)


Condition: TypeAlias = AllOf | AnyOf | Not | NumberTest | FlagTest | TextTest | PathTest

_AMOUNT: Final = r"(-?[0-9]+(?:\.[0-9]+)?)"
_COMPARISON: Final = re.compile(rf"(>=|<=|!=|==|=|>|<|)\s*{_AMOUNT}(?:\s*([A-Za-z]{{3}}))?")
_RANGE: Final = re.compile(rf"{_AMOUNT}\s*\.\.\s*{_AMOUNT}(?:\s*([A-Za-z]{{3}}))?")
_MOST_DEPTH: Final = 5


def parse_when(raw: object) -> Condition:
    """Parse the value of `when`. Raises ValidationError with a message for each faulty key, in the owner's words."""
    return _table(raw, 0)


def _table(raw: object, depth: int) -> Condition:
    if not isinstance(raw, dict):
        raise ValidationError('must be a table such as { items = ">= 1", page = "/cart" }')
    if depth > _MOST_DEPTH:
        raise ValidationError(f"more than {_MOST_DEPTH} tables stand inside each other")
    parts: list[Condition] = []
    faults: dict[str, Any] = {}
    for key, value in raw.items():
        try:
            parts.append(_key(key, value, depth))
        except ValidationError as error:
            faults[key] = error.messages
    if faults:
        raise ValidationError(faults)
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _key(key: str, value: object, depth: int) -> Condition:
    if key == "not":
        return Not(_table(value, depth + 1))
    if key == "any":
        if not isinstance(value, list) or not value:
            raise ValidationError('must be a list of tables such as [ { items = 0 }, { page = "/cart" } ]')
        return AnyOf(tuple(_table(one, depth + 1) for one in value))
    word = OWNER_WORDS.get(key)
    if word is None:
        meant = nearest(key, [*OWNER_WORDS, "any", "not"])
        if meant is None:
            raise ValidationError(f'"{key}" is no word of a rule; the words are: {", ".join(OWNER_WORDS)}, any, not')
        raise ValidationError([Slip(f'"{key}" is unknown: did you mean "{meant}"?', key, meant)])
    if not isinstance(value, list):
        return _PARSERS[word.kind](key, word, value)
    if not value:
        raise ValidationError("is an empty list: it never holds")
    return AnyOf(tuple(_PARSERS[word.kind](key, word, one) for one in value))


def _number(key: str, _word: OwnerWord, value: object) -> Condition:
    if isinstance(value, bool):
        new = '">= 1"' if value else "0"
        raise ValidationError([Slip(f"is a number: write {key} = {new}", str(value).lower(), new)])
    if isinstance(value, int | float) and math.isfinite(value):
        return NumberTest(key, value, value)
    if isinstance(value, str):
        text = value.strip()
        if comma := re.search(r"([0-9]),([0-9]{1,2})(?![0-9])", text):
            raise ValidationError([Slip("a number has a point, not a comma", comma[0], f"{comma[1]}.{comma[2]}")])
        if found := _RANGE.fullmatch(text):
            least, most = float(found[1]), float(found[2])
            if least > most:
                raise ValidationError(f'"{value}" never holds: it begins above its end')
            return _with_currency(key, NumberTest(key, least, most), found[3])
        if found := _COMPARISON.fullmatch(text):
            return _with_currency(key, _comparison(key, found[1], float(found[2])), found[3])
    raise ValidationError('must be a number such as 3, or a text such as ">= 3", "< 3", "!= 3" or "2..5"')


def _comparison(key: str, sign: str, number: float) -> Condition:
    match sign:
        case ">=":
            return NumberTest(key, least=number)
        case "<=":
            return NumberTest(key, most=number)
        case ">":
            return NumberTest(key, least=number, without_bounds=True)
        case "<":
            return NumberTest(key, most=number, without_bounds=True)
        case "!=":
            return AnyOf(
                (NumberTest(key, least=number, without_bounds=True), NumberTest(key, most=number, without_bounds=True))
            )
        case _:
            return NumberTest(key, number, number)


def _with_currency(key: str, test: Condition, currency: str | None) -> Condition:
    if currency is None:
        return test
    if key != "total":
        raise ValidationError(f"is a plain number: {currency} does not belong there")
    return AllOf((test, TextTest("currency", currency.upper())))


def _flag(key: str, _word: OwnerWord, value: object) -> Condition:
    if isinstance(value, bool):
        return FlagTest(key, value)
    new = "false" if value in (0, "0", "no", "false", "off") else "true"
    raise ValidationError([Slip("must be true or false, without quotes", _spelled(value), new)])


def _path(key: str, _word: OwnerWord, value: object) -> Condition:
    if isinstance(value, str) and PATTERN.fullmatch(value):
        return PathTest(key, value)
    if isinstance(value, str) and re.fullmatch(r"[\w-]+(/[\w*-]+)*\*?", value):
        raise ValidationError([Slip("a path begins with /", value, f"/{value}")])
    raise ValidationError('must be a path such as "/policies/shipping*", where * stands for anything')


def _text(key: str, word: OwnerWord, value: object) -> Condition:
    if not isinstance(value, str):
        raise ValidationError(f'must be a text in quotes, such as "{(word.values or ("en",))[0]}"')
    if word.values and value not in word.values:
        raise ValidationError([unknown(value, word.values)])
    if key == "language" and not is_tag(value):
        raise ValidationError("must be a language tag such as en, de or pt-BR")
    if key == "currency" and not re.fullmatch(r"[A-Za-z]{3}", value):
        raise ValidationError("must be a currency such as EUR")
    return TextTest(key, value)


def _spelled(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


_PARSERS: Final[Mapping[WordKind, Callable[[str, OwnerWord, object], Condition]]] = {
    "number": _number,
    "flag": _flag,
    "path": _path,
    "text": _text,
}
