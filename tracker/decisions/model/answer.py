"""Reading a model's answer as a proposal: exact types, known message ids, and no text of it in any error."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, cast

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, pre_load, validate

from tracker.decisions.language.plain_text import HIDDEN_CATEGORIES
from tracker.decisions.proposal import Proposal
from tracker.decisions.shop.messages import Message

MAX_REASON: Final = 300
MAX_DELAY_MS: Final = 60_000
MAX_OPENING: Final = 80

SILENT: Final = "none"
"""The `pick` of an answer that proposes to show nothing."""


class InvalidAnswerError(Exception):
    """The model's output is not a valid proposal. The text names the faulty fields, never their content."""


# marshmallow would accept "true", 1 and "0.9"; a model that answers so has not understood the question.
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "show_popup": (bool,),
    "pick": (str,),
    "opening": (str,),
    "reason": (str,),
    "confidence": (int, float),
    "delay_ms": (int,),
}


class ModelAnswerSchema(Schema):
    """A model's answer: each field of its exact type; fields that were not asked for are ignored."""

    class Meta:
        unknown = EXCLUDE

    show_popup = fields.Boolean(required=True)
    pick = fields.String(load_default="")
    opening = fields.String(load_default="", validate=validate.Length(max=MAX_OPENING))
    reason = fields.String(required=True)
    confidence = fields.Float(required=True, allow_nan=False, validate=validate.Range(0, 1))
    delay_ms = fields.Integer(required=True, strict=True, validate=validate.Range(0, MAX_DELAY_MS))

    @pre_load
    def _require_exact_types(self, data: Any, **_: Any) -> dict[str, Any]:
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
    def _proposal(self, data: dict[str, Any], **_: Any) -> Proposal:
        shows, pick = data.pop("show_popup"), data.pop("pick")
        data["reason"] = one_plain_line(data["reason"])
        return Proposal(message_id=pick if shows and pick != SILENT else None, **data)


_SCHEMA: Final = ModelAnswerSchema()


def one_plain_line(text: str) -> str:
    """Return a model's text as the owner may read it anywhere: one line, nothing hidden, no tags, MAX_REASON long."""
    visible = "".join(
        " " if unicodedata.category(character) in HIDDEN_CATEGORIES else character
        for character in text[: 2 * MAX_REASON]
    )
    return re.sub(r"[<>\s]+", " ", visible).strip()[:MAX_REASON]


def parse_answer(text: str, messages: Sequence[Message]) -> Proposal:
    """Parse a model's answer, which must propose one of these messages or silence. Raises InvalidAnswerError.

    An answer that shows a popup and names no message, as the original system's model did, proposes the first message
    of help.
    """
    try:
        # orjson refuses NaN, Infinity, lone surrogates and deep nesting, which json accepts or overflows at.
        proposal = cast(Proposal, _SCHEMA.load(orjson.loads(text)))
    except orjson.JSONDecodeError:
        raise InvalidAnswerError("not JSON") from None
    except ValidationError as error:
        # The name of an unknown field is the model's own text: it stays out of the error, and so out of the log.
        known = sorted(name for name in error.messages_dict if name in _TYPES)
        raise InvalidAnswerError(f"not a proposal, by its {', '.join(known) or 'shape'}") from None
    if proposal.message_id is None or any(message.id == proposal.message_id for message in messages):
        return proposal
    if not proposal.message_id:
        for message in messages:
            if message.kind == "help":
                return replace(proposal, message_id=message.id)
    raise InvalidAnswerError("not a proposal, by its pick")


def answer_json_schema(messages: Sequence[Message], with_opening: bool) -> dict[str, Any]:
    """Return the strict JSON schema that a model is held to while it writes.

    Groq refuses length and range keywords in a strict schema, so only `parse_answer` checks those.
    """
    properties: dict[str, Any] = {
        "show_popup": {"type": "boolean"},
        "pick": {"type": "string", "enum": [*(message.id for message in messages), SILENT]},
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
