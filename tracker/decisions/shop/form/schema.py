"""The shape of the owner's file: every table and key, and what their values may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from tracker.decisions.shop.conditions import AllOf
from tracker.decisions.shop.faults import Place, Slip, nearest
from tracker.decisions.shop.form.fields import (
    Amount,
    Day,
    Decimal,
    Flag,
    Language,
    OneOf,
    Pattern,
    Several,
    Text,
    Texts,
    Way,
    When,
    Whole,
)
from tracker.decisions.shop.shop import Discretion
from tracker.decisions.visit.acts import TOPICS

STAGES: Final = ("landed", "browsing", "product", "cart")
"""The stages that a message may be for: at later ones nothing is shown."""

MAX_BUTTON: Final = 30
MAX_DELAY_S: Final = 10

_UNKNOWN: Final = "unknown key"
_MISSING: Final[dict[str, str | list[Any] | dict[Any, Any]]] = {"required": "is missing"}
_ID: Final = validate.Regexp(r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", error="must be small letters, digits and single dashes")
_SAID: Final = validate.Regexp(
    r"\A(about:)?[a-z0-9]+(-[a-z0-9]+)*\Z", error='must be an id or such as "about:shipping"'
)


def _no_more_than(most: int) -> validate.Length:
    return validate.Length(1, most, error=f"must have 1 to {most} characters")


class _Table(Schema):
    class Meta:
        unknown = RAISE

    error_messages = {"unknown": _UNKNOWN}  # noqa: RUF012  marshmallow's own form


class MessageSchema(_Table):
    """The keys that facts, offers and messages of help have in common."""

    id = Text(required=True, validate=[_ID, _no_more_than(24)], error_messages=_MISSING)
    text = Texts(required=True, error_messages=_MISSING)
    about = Several(OneOf(TOPICS))
    button = Texts(MAX_BUTTON)
    opens = Way()
    stages = Several(OneOf(STAGES), load_default=list)
    pages = Several(Pattern(), load_default=list)
    first_day = Day(data_key="from")
    last_day = Day(data_key="until")
    min_items = Whole(0, 1000)
    max_items = Whole(0, 1000)
    min_total = Amount()
    first_visit = Flag()
    first_order = Flag()
    once_in_days = Whole(1, 365)


class OfferSchema(MessageSchema):
    """An offer: what the shopper gets, and how."""

    code = Text(validate=validate.Regexp(r"\A[A-Za-z0-9_-]{1,40}\Z", error="must be letters and digits"))
    apply = Flag()


class RuleSchema(_Table):
    """A rule: when it holds, what to choose from, and after how many seconds."""

    when = When(load_default=AllOf)
    say = Several(Text(validate=_SAID), load_default=list)
    delay = Whole(0, MAX_DELAY_S)


class CapsSchema(_Table):
    """The frequency caps."""

    popups_per_session = Whole(0, 100)
    minutes_between = Decimal(0, 1440)
    never_on = Several(Pattern())
    days_after_dismissal = Whole(0, 365)
    days_after_purchase = Whole(0, 365)
    seconds_before_first = Whole(0, 600)
    seconds_after_cart = Whole(0, 600)


class _Tables(fields.List[Any]):
    """Tables of one kind, each with a header of its own in two brackets."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError(f"must be tables, each below a line [[{attr}]]")
        return super()._deserialize(value, attr, data, **kwargs)


class _Caps(fields.Nested):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, list):
            raise ValidationError([Slip("there is one such table, in single brackets", "[[limits]]", "[limits]")])
        return super()._deserialize(value, *args, **kwargs)


class ShopSchema(_Table):
    """The whole file."""

    name = Text(required=True, validate=_no_more_than(80), error_messages=_MISSING)
    tone = Text(load_default="", validate=validate.Length(max=80, error="must have at most 80 characters"))
    languages = Several(
        Language(),
        load_default=lambda: ["en"],
        validate=validate.Length(min=1, error="must name at least one language"),
    )
    other_languages = OneOf(["silence", "first"], load_default="silence")
    wording = OneOf(["own", "model"], load_default="own")
    discretion = OneOf(get_args(Discretion), load_default="balanced")
    limits = _Caps(CapsSchema, load_default=dict)
    help = _Tables(fields.Nested(MessageSchema), load_default=list)
    facts = _Tables(fields.Nested(MessageSchema), load_default=list)
    offers = _Tables(fields.Nested(OfferSchema), load_default=list)
    rules = _Tables(fields.Nested(RuleSchema), load_default=list)


def _keys(schema: Schema) -> list[str]:
    return [field.data_key or name for name, field in schema.fields.items()]


KEYS: Final[Mapping[str, Sequence[str]]] = {
    "": _keys(ShopSchema()),
    "facts": _keys(MessageSchema()),
    "offers": _keys(OfferSchema()),
    "help": _keys(MessageSchema()),
    "rules": _keys(RuleSchema()),
    "limits": _keys(CapsSchema()),
}
"""The keys of each table; "" is the beginning of the file."""


def explained(messages: Mapping[Any, Any], values: Any, place: Place = ()) -> dict[Any, Any]:
    """Return marshmallow's messages with those about unknown keys in plain words. `values` is what was loaded."""
    found: dict[Any, Any] = {}
    for key, inner in messages.items():
        here = (*place, key)
        value = _at(values, key)
        if isinstance(inner, dict):
            found[key] = explained(inner, value, here)
        else:
            found[key] = [_unknown_key(here, value) if one == _UNKNOWN else one for one in inner]
    return found


def _at(values: Any, key: Any) -> Any:
    try:
        return values[key]
    except (KeyError, IndexError, TypeError):
        return None


def _unknown_key(place: Place, value: object) -> str:
    """Return the message about a key that its table does not have: the one that was meant, or where it belongs."""
    *above, key = (part for part in place if isinstance(part, str))
    table = above[0] if above else ""
    is_table = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))
    meant = nearest(key, KEYS[table])
    if meant is not None and is_table == (not table and meant in KEYS):
        if not is_table:
            return Slip(f'"{key}" is unknown: did you mean "{meant}"?', key, meant)
        header = "[limits]" if meant == "limits" else f"[[{meant}]]"
        written = f"[[{key}]]" if isinstance(value, list) else f"[{key}]"
        return Slip(f"{written} is unknown: did you mean {header}?", written, header)
    for other, keys in KEYS.items():
        if key in keys:
            header = "[limits]" if other == "limits" else f"[[{other}]]"
            where = f"below {header}" if other else "at the beginning of the file, above the first line in [ ]"
            return f"does not belong here but {where}"
    return f"is unknown; possible here: {', '.join(KEYS[table])}"
