"""What a model or the rules choose: which of the owner's sentences, never what it says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self, cast

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, pre_load, validate

from tracker.decisions.messages import SILENT, Sentence

MAX_REASON: Final = 300
MAX_DELAY_MS: Final = 60_000
MAX_OPENING: Final = 80


class ChoiceError(Exception):
    """What should have been a choice is none. The text names the faulty fields, never their content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which sentence to say, if any, and why. Nothing in it reaches a shopper without having passed the guard."""

    pick: str
    """A sentence's id, or SILENT."""
    reason: str
    """Why, for the owner."""
    opening: str = ""
    """A few words of the model's own before the sentence."""
    trigger: str = ""
    """A short label for what in the session decided; empty: whatever the signals say."""
    confidence: float = 1.0
    delay_ms: int = 0

    @classmethod
    def silent(cls, reason: str, trigger: str = "") -> Self:
        """Choose to say nothing."""
        return cls(pick=SILENT, reason=reason, trigger=trigger)


# marshmallow would take "true", 1 and "0.9"; a model that answers so has not understood the question.
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "show_popup": (bool,),
    "pick": (str,),
    "opening": (str,),
    "reason": (str,),
    "confidence": (int, float),
    "delay_ms": (int,),
}


class ChoiceSchema(Schema):
    """A model's answer: each field of its exact type; fields that were not asked for are passed over."""

    class Meta:
        unknown = EXCLUDE

    show_popup = fields.Boolean(required=True)
    pick = fields.String(load_default=None)
    opening = fields.String(load_default="", validate=validate.Length(max=MAX_OPENING))
    reason = fields.String(required=True)
    confidence = fields.Float(required=True, allow_nan=False, validate=validate.Range(0, 1))
    delay_ms = fields.Integer(required=True, strict=True, validate=validate.Range(0, MAX_DELAY_MS))

    @pre_load
    def _exact_types(self, data: Any, **_: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError("is not an object")
        wrong = {
            name: ["has the wrong type"]
            for name, types in _TYPES.items()
            if name in data and type(data[name]) not in types
        }
        if wrong:
            raise ValidationError(wrong)
        return {key: value.strip() if isinstance(value, str) else value for key, value in data.items()}

    @post_load
    def _choice(self, data: dict[str, Any], **_: Any) -> Choice:
        shows, pick = data.pop("show_popup"), data.pop("pick")
        data["reason"] = plain_reason(data["reason"])
        return Choice(pick=(pick or _ANY_HELP) if shows else SILENT, **data)


_ANY_HELP: Final = ""
"""What is meant by a model that wants to show something and names nothing: help, by whatever sentence."""

_SCHEMA = ChoiceSchema()
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain_reason(text: str) -> str:
    """Give a model's reason as the owner may read it anywhere: one line, nothing hidden, no markup, bounded."""
    visible = "".join(" " if unicodedata.category(one) in _HIDDEN else one for one in text[: 2 * MAX_REASON])
    return re.sub(r"[<>\s]+", " ", visible).strip()[:MAX_REASON]


def parse_choice(text: str, sentences: Sequence[Sentence]) -> Choice:
    """Read the choice that a model wrote, which must be one of these sentences. Raises ChoiceError."""
    try:
        # orjson refuses NaN, Infinity, lone surrogates and deep nesting, where json takes them or overflows.
        choice = cast(Choice, _SCHEMA.load(orjson.loads(text)))
    except orjson.JSONDecodeError:
        raise ChoiceError("not JSON") from None
    except ValidationError as error:
        # An unknown field's name is the model's own text: it stays out of the error, and so out of the log.
        known = sorted(name for name in error.messages_dict if name in _TYPES)
        raise ChoiceError(f"not a choice, by its {', '.join(known) or 'shape'}") from None
    if choice.pick == SILENT or any(sentence.id == choice.pick for sentence in sentences):
        return choice
    help_sentence = next((one for one in sentences if one.kind == "help"), None)
    if choice.pick == _ANY_HELP and help_sentence is not None:
        return replace(choice, pick=help_sentence.id)
    raise ChoiceError("not a choice, by its pick")


def choice_json_schema(sentences: Sequence[Sentence], with_opening: bool) -> dict[str, Any]:
    """Give the strict JSON schema that a model is held to while it writes.

    Groq refuses length and range keywords in a strict schema, so those are for `parse_choice` alone.
    """
    properties: dict[str, Any] = {
        "show_popup": {"type": "boolean"},
        "pick": {"type": "string", "enum": [*(sentence.id for sentence in sentences), SILENT]},
        "reason": {"type": "string"},
        "confidence": {"type": "number"},
        "delay_ms": {"type": "integer"},
    }
    if with_opening:
        properties["opening"] = {"type": "string"}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
