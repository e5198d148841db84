"""The question of POST /askai and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, get_args

from marshmallow import EXCLUDE, Schema, fields, post_load

from tracker.decisions.browser_memory import NO_MEMORY, BrowserMemory, SeenMessage
from tracker.decisions.decision import Category
from tracker.decisions.visit.event_types import MAX_COUNT, MAX_TEXT
from tracker.decisions.visit.signals import Why
from tracker.web.bodies import SessionIdField

WHYS = frozenset(get_args(Why))
_MOST_SEEN = 30


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it was read: the session, why the script asks, and what its browser remembers.

    With `preview`, the id of a message, it is no question about the session: the answer is that message in `language`.
    """

    session: str
    why: Why = ""
    memory: BrowserMemory = NO_MEMORY
    preview: str = ""
    language: str = ""


class QuestionSchema(Schema):
    """The session that the question is about: as JSON, or its id alone as plain text."""

    class Meta:
        unknown = EXCLUDE

    session = SessionIdField()
    why = fields.Raw(
        allow_none=True,
        metadata={
            "type": "string",
            "enum": sorted(WHYS - {""}),
            "description": "Why the script asks: the cart changed, nothing was touched for a while, the shopper moves"
            " to leave, came back to the tab, turned away from a page, clicks on the same thing again and again, or"
            " opened a page. Anything else counts as no reason.",
        },
    )
    memory = fields.Raw(
        allow_none=True,
        metadata={
            "type": "object",
            "description": "What the browser remembers, with consent: `messages`, each [id, days since it was shown,"
            " times it was closed, days since then], and `bought`, the days since an order. What is not of this form"
            " is left out.",
        },
    )

    preview = fields.Raw(
        allow_none=True,
        metadata={
            "type": "string",
            "description": "The id of a message, for the owner: it is answered as a decision to show it, and nothing is"
            " decided, recorded or counted. The session may be any text then.",
        },
    )
    language = fields.Raw(
        allow_none=True, metadata={"type": "string", "description": "The language of a preview: a BCP 47 tag."}
    )

    @post_load
    def _question(self, data: dict[str, Any], **_: Any) -> Question:
        why = data.get("why")
        known = isinstance(why, str) and why in WHYS
        return Question(
            session=data["session"],
            why=cast(Why, why) if known else "",
            memory=_memory(data.get("memory")),
            preview=_text(data.get("preview")),
            language=_text(data.get("language")),
        )


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _memory(raw: object) -> BrowserMemory:
    if not isinstance(raw, dict):
        return NO_MEMORY
    messages = raw.get("messages")
    seen = [_seen(one) for one in messages[:_MOST_SEEN]] if isinstance(messages, list) else []
    return BrowserMemory(seen=tuple(one for one in seen if one is not None), bought_days=_days(raw.get("bought")))


def _seen(raw: object) -> SeenMessage | None:
    match raw:
        case [str(message_id), shown, dismissals, dismissed, *_]:
            return SeenMessage(
                message_id=message_id[:MAX_TEXT],
                shown_days=_days(shown),
                dismissals=_days(dismissals) or 0,
                dismissed_days=_days(dismissed),
            )
    return None


def _days(value: object) -> int | None:
    return min(value, MAX_COUNT) if type(value) is int and value >= 0 else None


class DecisionSchema(Schema):
    """The decision: whether to show a popup, and which."""

    show_popup = fields.Boolean(required=True)
    message = fields.String(required=True, metadata={"description": "Plain text; empty when nothing is shown."})
    reason = fields.String(required=True, metadata={"description": "Why, for the owner."})
    category = fields.String(required=True, metadata={"enum": list(get_args(Category))})
    trigger = fields.String(required=True, metadata={"description": "What in the session decided."})
    confidence = fields.Float(required=True)
    delay_ms = fields.Integer(
        required=True, metadata={"description": "How long to wait before showing: at most 10000."}
    )


class OfferSchema(Schema):
    """An offer of the shop."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    code = fields.String(metadata={"description": "What the shopper enters at the checkout."})


class ActionSchema(Schema):
    """What the popup's button does: it opens something, or applies a code."""

    label = fields.String(required=True)
    opens = fields.String(
        metadata={"description": 'A path of the shop, "cart", "event:NAME", or an address of mailto, tel or wa.me.'}
    )
    apply = fields.String(metadata={"description": "The code that the button applies."})


class WordsSchema(Schema):
    """The popup's own words, in the language of its message where that is built in, else in English."""

    close = fields.String()
    copy = fields.String()
    copied = fields.String()
    view_cart = fields.String()
    apply = fields.String()
    open = fields.String()
    write = fields.String()


class AnswerSchema(DecisionSchema):
    """The decision, flat and once more under `decision`, where the original browser script reads it."""

    ok = fields.Boolean(required=True)
    session = fields.String(required=True)
    source = fields.String(required=True, metadata={"description": "Who decided: gate, cache, groq or rules."})
    decision = fields.Nested(DecisionSchema, required=True)
    offered = fields.String(
        metadata={
            "description": "From the first popup of a visit on, also where the browser is held out: the browser brings"
            " it with the reports of its later visits."
        }
    )
    message_id = fields.String(metadata={"description": "The id of the message in the owner's file."})
    action = fields.Nested(ActionSchema, metadata={"description": "The popup's button, if the message has one."})
    words = fields.Nested(WordsSchema)
    rest_days = fields.Integer(
        metadata={"description": "How many days the message rests in this browser once it is closed."}
    )
    once_in_days = fields.Integer(
        metadata={"description": "In how many days the message is shown once, if the owner says so."}
    )
    offer = fields.Nested(OfferSchema, metadata={"description": "The offer that the message makes, if it makes one."})
