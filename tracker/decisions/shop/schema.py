"""The shape of the owner's file: every table and key, and what their values may be."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from tracker.decisions.language.lexicon import LANGUAGES
from tracker.decisions.language.plain_text import MAX_MESSAGE, require_plain_text

STAGES: Final = ("landed", "browsing", "product", "cart")
"""The stages that a message may be for: at later ones nothing is shown."""


class _Text(fields.Field[dict[str, str]]):
    """A text, or a table of texts by language; loaded as the latter, under "" where no language is named."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        texts = value if isinstance(value, dict) else {"": value}
        if not texts or not all(isinstance(text, str) for text in texts.values()):
            raise ValidationError('must be a text, or a table such as { en = "...", de = "..." }')
        for text in texts.values():
            if not 0 < len(text.strip()) <= MAX_MESSAGE:
                raise ValidationError(f"must have 1 to {MAX_MESSAGE} characters")
            require_plain_text(text)
        return {language: text.strip() for language, text in texts.items()}


class _Day(fields.Field[date]):
    """A date as TOML writes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if type(value) is not date:
            raise ValidationError("must be a day such as 2026-12-24, without quotes")
        return value


_ID: Final = validate.Regexp(r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", error="must be small letters, digits and single dashes")


class MessageSchema(Schema):
    """The keys that facts, offers and messages of help have in common."""

    class Meta:
        unknown = RAISE

    id = fields.String(required=True, validate=[_ID, validate.Length(max=24)])
    text = _Text(required=True)
    stages = fields.List(fields.String(validate=validate.OneOf(STAGES)), load_default=list)


class OfferSchema(MessageSchema):
    """An offer: what the shopper gets, how, and when."""

    code = fields.String(validate=validate.Regexp(r"\A[A-Za-z0-9_-]{1,40}\Z", error="must be letters and digits"))
    first_day = _Day(data_key="from")
    last_day = _Day(data_key="until")
    min_items = fields.Integer(strict=True, validate=validate.Range(0, 1000))
    first_visit = fields.Boolean()


class CapsSchema(Schema):
    """The frequency caps."""

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
    limits = fields.Nested(CapsSchema, load_default=dict)
    help = fields.List(fields.Nested(MessageSchema), load_default=list)
    facts = fields.List(fields.Nested(MessageSchema), load_default=list)
    offers = fields.List(fields.Nested(OfferSchema), load_default=list)
