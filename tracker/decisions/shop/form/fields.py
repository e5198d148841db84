"""The values of the owner's file: what each kind may be, and what to write where it is something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from tracker.decisions.language.plain_text import MAX_MESSAGE, require_plain_text
from tracker.decisions.language.tags import canonical, is_tag, suggestion
from tracker.decisions.shop.conditions import Condition, parse_when
from tracker.decisions.shop.faults import Slip, unknown
from tracker.decisions.shop.messages import Money
from tracker.decisions.shop.patterns import PATTERN

_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[./]([0-9]{1,2})[./]([0-9]{4})")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-./]([0-9]{1,2})[-./]([0-9]{1,2})")


def iso_day(text: str) -> str | None:
    """Return a day that is written in another order, such as 31.12.2027, as 2027-12-31; None if it is no day."""
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year = map(int, found.groups())
        if month > 12:
            day, month = month, day
    elif found := _YEAR_FIRST.fullmatch(text):
        year, month, day = map(int, found.groups())
    else:
        return None
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


class Text(fields.String):
    """A text in quotes."""

    default_error_messages = {"invalid": "must be a text in quotes"}  # noqa: RUF012  marshmallow's own form

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValidationError([Slip("must be a text in quotes", str(value), f'"{value}"')])
        return super()._deserialize(value, attr, data, **kwargs)


class OneOf(Text):
    """One of a few words."""

    def __init__(self, words: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._words = words

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        word = super()._deserialize(value, attr, data, **kwargs)
        if word not in self._words:
            raise ValidationError([unknown(word, self._words)])
        return word


class Several(fields.List[Any]):
    """A list, or one value by itself, which stands for a list of one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        return super()._deserialize([value] if isinstance(value, str) else value, attr, data, **kwargs)


class Texts(fields.Field[dict[str, str]]):
    """A text, or a table of texts by language; loaded as the latter, under "" where no language is named."""

    def __init__(self, longest: int = MAX_MESSAGE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        texts = value if isinstance(value, dict) else {"": value}
        if not texts or not all(isinstance(text, str) for text in texts.values()):
            raise ValidationError('must be a text, or a table such as { en = "...", de = "..." }')
        for text in texts.values():
            if not 0 < len(text.strip()) <= self._longest:
                raise ValidationError(f"must have 1 to {self._longest} characters")
            if "\t" in text:
                raise ValidationError([Slip("holds a tab: write a space", "\t", " ")])
            require_plain_text(text)
        return {_language(language): text.strip() for language, text in texts.items()}


def _language(tag: str) -> str:
    return canonical(tag) if is_tag(tag) else tag


class Language(Text):
    """A language tag."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        tag = super()._deserialize(value, attr, data, **kwargs)
        if is_tag(tag):
            return canonical(tag)
        message = "must be a language tag such as en, de, pt-BR or zh-Hant"
        meant = suggestion(tag)
        raise ValidationError([message if meant is None else Slip(f'{message}: did you mean "{meant}"?', tag, meant)])


class Whole(fields.Integer):
    """A whole number within bounds."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        bounds = validate.Range(least, most, error=f"must be from {least} to {most}")
        super().__init__(strict=True, validate=bounds, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]+\s*", value):
            raise ValidationError([Slip("must be a whole number, without quotes", f'"{value}"', value.strip())])
        if type(value) is not int:
            raise ValidationError("must be a whole number such as 3")
        return super()._deserialize(value, attr, data, **kwargs)


class Decimal(fields.Float):
    """A number within bounds."""

    def __init__(self, least: float, most: float, **kwargs: Any) -> None:
        bounds = validate.Range(least, most, error=f"must be from {least:g} to {most:g}")
        super().__init__(validate=bounds, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9]+([.,][0-9]+)?\s*", value):
            plain = value.strip().replace(",", ".")
            raise ValidationError([Slip("must be a number, without quotes", f'"{value}"', plain)])
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("must be a number such as 2.5")
        return super()._deserialize(value, attr, data, **kwargs)


class Flag(fields.Field[bool]):
    """True or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        written = f'"{value}"' if isinstance(value, str) else str(value)
        new = "false" if str(value).lower() in {"0", "no", "false", "off"} else "true"
        raise ValidationError([Slip("must be true or false, without quotes", written, new)])


class Day(fields.Field[date]):
    """A date as TOML writes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if type(value) is date:
            return value
        message = "must be a day such as 2026-12-24, without quotes"
        if isinstance(value, str) and (day := iso_day(value.strip())):
            raise ValidationError([Slip(message, f'"{value}"', day)])
        raise ValidationError(message)


class Pattern(Text):
    """A path of the shop, `*` standing for anything."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        path = super()._deserialize(value, attr, data, **kwargs)
        if PATTERN.fullmatch(path):
            return path
        if found := re.fullmatch(r"(?:https?://)?[\w-]+(?:\.[\w-]+)+(/[^\s?#]*)", path):
            raise ValidationError([Slip("must be a path of the shop, without its address", path, found[1])])
        if re.fullmatch(r"[^\s?#/]+[^\s?#]*", path):
            raise ValidationError([Slip("must begin with /", path, f"/{path}")])
        raise ValidationError("must begin with / and hold no ? or #")


class Amount(fields.Field[Money]):
    """An amount of money: 59.90, or "59.90 EUR"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Money:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10**9:
            return Money(round(value * 100))
        text = value.strip() if isinstance(value, str) else ""
        if found := re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,2})?)\s*([A-Z]{3})", text):
            return Money(round(float(found[1]) * 100), found[2])
        message = 'must be an amount such as "59.90 EUR"'
        if found := re.fullmatch(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?\s*([A-Za-z]{3}|€|£)?", text):
            amount = found[1] + (f".{found[2]}" if found[2] else "")
            currency = {"€": "EUR", "£": "GBP", None: "EUR"}.get(found[3], (found[3] or "").upper())
            raise ValidationError([Slip(message, f'"{value}"', f'"{amount} {currency}"')])
        raise ValidationError(message)


_WAYS: Final = re.compile(
    r"cart"
    r"|/(?![/\\])[\w\-./~%?=&#+:,]{0,199}"
    r"|event:[A-Za-z][\w:.-]{0,63}"
    r"|mailto:[\w.+-]+@[\w-]+(\.[\w-]+)+(\?subject=[\w%.+-]{1,100})?"
    r"|tel:\+?[0-9-]{3,20}"
    r"|https://wa\.me/[0-9]{5,20}(\?text=[\w%.+-]{1,200})?",
    re.ASCII,
)


class Way(Text):
    """What a button opens."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        way = super()._deserialize(value, attr, data, **kwargs)
        if _WAYS.fullmatch(way):
            return way
        message = (
            'must be a path of the shop such as "/pages/contact", "cart", "event:NAME" for a chat window,'
            ' "mailto:...", "tel:..." or "https://wa.me/..."'
        )
        if (meant := _way_meant(way)) and _WAYS.fullmatch(meant):
            raise ValidationError([Slip(message, f'"{way}"', f'"{meant}"')])
        raise ValidationError(message)


def _way_meant(way: str) -> str | None:
    if re.fullmatch(r"[^\s@/:]+@[^\s@/:]+", way):
        return f"mailto:{way}"
    if re.fullmatch(r"\+?[0-9][0-9 ()/-]{4,24}", way):
        return "tel:" + re.sub(r"[^0-9+]", "", way)
    if found := re.fullmatch(r"(?:https?://)?(?:www\.)?wa\.me/\+?([0-9]+)", way):
        return f"https://wa.me/{found[1]}"
    if found := re.fullmatch(r"(?:https?://)?[\w-]+(?:\.[\w-]+)+(/\S*)", way):
        return found[1]
    return f"/{way}" if re.fullmatch(r"(pages|policies|products|collections|blogs)/\S+", way) else None


class When(fields.Field[Condition]):
    """The condition of a rule."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Condition:
        return parse_when(value)
