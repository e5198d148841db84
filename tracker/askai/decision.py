"""The answer: what a popup decision is, and the check that every one from outside must pass."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import orjson
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load, validate, validates_schema

MAX_MESSAGE = 120
MAX_REASON = 300
MAX_DELAY_MS = 60_000

CATEGORIES: Final = ("info", "discount", "reminder", "none")


class DecisionError(Exception):
    """What should have been a decision is none. The text names the faulty fields, never their content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopupDecision:
    """Whether to show a popup, and which: the seven fields that the shop's script reads."""

    show_popup: bool
    message: str
    """What the shopper reads; empty when nothing is shown."""
    reason: str
    """Why, for the owner."""
    category: str
    trigger: str
    """A short label for what in the session decided: `items_in_cart`."""
    confidence: float
    delay_ms: int
    """How long to wait before showing."""

    def to_answer(self) -> dict[str, Any]:
        """Give the seven fields as the JSON answer holds them."""
        return asdict(self)


def quiet(reason: str, trigger: str = "none", confidence: float = 1.0) -> PopupDecision:
    """Decide to show nothing."""
    return PopupDecision(
        show_popup=False,
        message="",
        reason=reason,
        category="none",
        trigger=trigger,
        confidence=confidence,
        delay_ms=0,
    )


# Zero-width joiners are part of emoji and of Persian and Indic words. All other format characters can reorder or hide.
_JOINERS = "\u200c\u200d"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LINK = re.compile(
    r"""//|@|\b(?:https?|ftp|mailto|tel|sms|javascript|vbscript|data|file|intent|whatsapp):\S"""
    r"""|\w\.[^\W\d_]{2,}|\w。[a-z]{2,}|\b\d{1,3}(?:\.\d{1,3}){3}\b""",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#|[a-z][a-z0-9]*;)", re.IGNORECASE)
_TAGS = frozenset("<>")
_MARKUP = frozenset("<>{}[]`*_~|\\^")


def _plain(text: str, forbidden: frozenset[str]) -> None:
    visible = text.translate(dict.fromkeys(map(ord, _JOINERS)))
    if any(unicodedata.category(character) in _HIDDEN for character in visible):
        raise ValidationError("holds a control, bidirectional or hidden character")
    # Full-width letters and dots read, and are clicked, as the plain ones.
    folded = unicodedata.normalize("NFKC", visible)
    if _LINK.search(folded):
        raise ValidationError("holds a link or an address")
    if _ENTITY.search(folded) or not forbidden.isdisjoint(folded):
        raise ValidationError("holds markup")


def _plain_message(text: str) -> None:
    _plain(text, _MARKUP)


def _plain_reason(text: str) -> None:
    # Models name our fields in their reasons (items_in_cart, [cart]): only what a page would act on is forbidden.
    _plain(text, _TAGS)


# marshmallow would take "true", 1 and "0.9"; a model that answers so has not understood the question.
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "show_popup": (bool,),
    "message": (str,),
    "reason": (str,),
    "category": (str,),
    "trigger": (str,),
    "confidence": (int, float),
    "delay_ms": (int,),
}


class PopupDecisionSchema(Schema):
    """The seven fields, each required and of its exact type; further fields are refused."""

    class Meta:
        unknown = RAISE

    show_popup = fields.Boolean(required=True, metadata={"description": "Whether to show a popup now."})
    message = fields.String(
        required=True,
        validate=[validate.Length(max=MAX_MESSAGE), _plain_message],
        metadata={"description": "What the shopper reads: plain text. Empty when nothing is shown."},
    )
    reason = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=MAX_REASON), _plain_reason],
        metadata={"description": "Why, for the owner."},
    )
    category = fields.String(required=True, validate=validate.OneOf(CATEGORIES))
    trigger = fields.String(
        required=True,
        validate=validate.Regexp(r"\A[a-z0-9_]{1,40}\Z"),
        metadata={"description": "A label for what in the session decided."},
    )
    confidence = fields.Float(required=True, allow_nan=False, validate=validate.Range(0, 1))
    delay_ms = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(0, MAX_DELAY_MS),
        metadata={"description": "How many milliseconds to wait before showing."},
    )

    @pre_load
    def _exact_types(self, data: Any, **_: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError("is not an object")
        wrong = {name: ["has the wrong type"] for name, types in _TYPES.items() if type(data.get(name)) not in types}
        if wrong:
            raise ValidationError(wrong)
        return {key: value.strip() if isinstance(value, str) else value for key, value in data.items()}

    @validates_schema(skip_on_field_errors=True)
    def _something_to_show(self, data: dict[str, Any], **_: Any) -> None:
        if data["show_popup"] and not any(character.isalpha() for character in data["message"]):
            raise ValidationError("must say something", "message")
        if data["show_popup"] and data["category"] == "none":
            raise ValidationError("must not be none when a popup is shown", "category")

    @post_load
    def _decision(self, data: dict[str, Any], **_: Any) -> PopupDecision:
        decision = PopupDecision(**data)
        # A text beside "show nothing" could only ever be shown by mistake.
        return decision if decision.show_popup else quiet(decision.reason, decision.trigger, decision.confidence)


_SCHEMA = PopupDecisionSchema()


def parse_decision(text: str) -> PopupDecision:
    """Read the decision that a model wrote: one JSON object of the seven fields. Raises DecisionError."""
    try:
        # orjson refuses NaN, Infinity, lone surrogates and deep nesting, where json takes them or overflows.
        return cast(PopupDecision, _SCHEMA.load(orjson.loads(text)))
    except orjson.JSONDecodeError:
        raise DecisionError("not JSON") from None
    except ValidationError as error:
        # An unknown field's name is the model's own text: it stays out of the error, and so out of the log.
        known = sorted(name for name in error.messages_dict if name in _TYPES)
        raise DecisionError(f"not a decision, by its {', '.join(known) or 'shape'}") from None


DECISION_JSON_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "show_popup": {"type": "boolean"},
        "message": {"type": "string"},
        "reason": {"type": "string"},
        "category": {"type": "string", "enum": list(CATEGORIES)},
        "trigger": {"type": "string"},
        "confidence": {"type": "number"},
        "delay_ms": {"type": "integer"},
    },
    "required": list(_TYPES),
    "additionalProperties": False,
}
"""What a strict model is held to while it writes. Groq refuses length and range keywords in a strict schema, so those
are for `parse_decision` alone."""
