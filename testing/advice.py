"""Parts for tests of decisions: a clock to move, a store in memory, a scripted model, sessions and shops."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marshmallow import RAISE

from testing.fake_groq import good_proposal
from tracker.askai.schemas import AnswerSchema
from tracker.decisions.decision import Decision
from tracker.decisions.engine import Engine
from tracker.decisions.language.lexicon import PLAIN_WORDS, fold
from tracker.decisions.log.entry import LogEntry, LoggedPopup, SignalsThen
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop
from tracker.llm.budget import Reservation
from tracker.llm.port import ModelAnswer, ModelError, PromptPart
from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import Event, Report, ShopperSession
from tracker.storage.memory import MemoryStore as MemoryStore  # noqa: PLC0414  the tests of advice import it from here

ROOT = Path(__file__).resolve().parents[1]
NOON = 1_790_000_000_000
"""2026-09-21, some time after noon (UTC)."""
ANNA = "af4bac4d-077a-4756-91d0-fa2570fd206f"
LIMITS = SessionLimits(events=5000, pages=200, event_bytes=2 << 20)
ANSWER_KEYS = {"show_popup", "message", "reason", "category", "trigger", "confidence", "delay_ms"}


def example_shop(**changes: Any) -> Shop:
    """Return the shop of shop.example.toml, with changes."""
    return replace(parse_shop((ROOT / "shop.example.toml").read_bytes()), **changes)


def documents_session(**changes: Any) -> ShopperSession:
    """Return the session of the original document: 7 items in the cart, a long dwell, no checkout."""
    session = ShopperSession(
        session=ANNA,
        items_in_cart=7,
        time_on_page={"/products/xyz": 123_456, "/cart": 9_876},
        events={
            "/": [
                {"type": "view", "ts": NOON - 60_000},
                {"type": "click", "target": "#add-to-cart", "ts": NOON - 55_000},
            ],
            "/cart": [{"type": "view", "ts": NOON - 5_000}],
        },
        updated_at=NOON,
    )
    return replace(session, **changes)


def with_event(session: ShopperSession, kind: str, ts: int, page: str = "/cart", **keys: Any) -> ShopperSession:
    """Return the session with one more event, as an ingest stores it."""
    event: Event = {"type": kind, "ts": ts, **keys}
    report = Report(session=session.session, clock=ts, events={page: [event]})
    return merge(session, report, LIMITS, max(ts, session.updated_at))


def log_entry(at: int, *, show: bool = False, items: int = 0) -> LogEntry:
    """Return an entry of a decision log as the rules make it."""
    return LogEntry(
        at=at,
        source="rules",
        trigger="items_in_cart" if show else "browsing",
        reason="Because.",
        confidence=0.7,
        fingerprint="3.0.0",
        shop_version="none",
        signals=SignalsThen(stage="cart", items=items, dwell_s=60, pages=2, hesitating=False),
        popup=LoggedPopup(message_id="help", text="May we help?", category="info", delay_ms=0) if show else None,
    )


class Clock:
    """The service's clock, moved by hand."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def move(self, *, seconds: float = 0, minutes: float = 0) -> None:
        self.now += round(seconds * 1000 + minutes * 60_000)


@dataclass
class FixedShop:
    """A ShopSource with one shop, which a test may replace."""

    shop: Shop = field(default_factory=example_shop)

    def current(self) -> Shop:
        return self.shop


class ScriptedModel:
    """A ModelClient that answers with a given text, raises a given error, or calls a function with the request."""

    def __init__(self, says: str | ModelError | Callable[[dict[str, Any]], str] | None = None) -> None:
        self.says = says
        self.prompts: list[list[PromptPart]] = []
        self.usage = (612, 84)

    @property
    def calls(self) -> int:
        return len(self.prompts)

    def complete(self, prompt: Sequence[PromptPart], schema: Mapping[str, Any], deadline_s: float) -> ModelAnswer:
        self.prompts.append(list(prompt))
        if isinstance(self.says, ModelError):
            raise self.says
        request = {"messages": prompt}
        if self.says is None:
            text = json.dumps(good_proposal(request))
        else:
            text = self.says if isinstance(self.says, str) else self.says(request)
        prompt_tokens, completion_tokens = self.usage
        return ModelAnswer(
            text=text,
            model="scripted",
            latency_ms=7,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
        )


class FreeBudget:
    """A Budget that refuses nothing and remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def reserve(self, tokens: int, now_ms: int) -> Reservation:
        self.calls.append(("reserve",))
        return Reservation("2026-09-21", tokens)

    def succeeded(self, reservation: Reservation, tokens: int | None) -> None:
        self.calls.append(("succeeded", tokens))

    def cancelled(self, reservation: Reservation) -> None:
        self.calls.append(("cancelled",))

    def failed(
        self, reservation: Reservation, now_ms: int, *, tokens: int | None = 0, retry_after_s: float | None = None
    ) -> None:
        self.calls.append(("failed", tokens, retry_after_s))


@dataclass
class Desk:
    """An engine with all its parts within a test's reach."""

    store: MemoryStore
    shop: FixedShop
    clock: Clock
    model: ScriptedModel | None
    budget: FreeBudget
    engine: Engine

    def ask(self, session_id: str = ANNA) -> Decision:
        return self.engine.advise(session_id)

    def log(self, session_id: str = ANNA) -> DecisionLog:
        """Return the decision log of a stored session."""
        return DecisionLog.of(self.session(session_id))

    def session(self, session_id: str = ANNA) -> ShopperSession:
        """Return a stored session."""
        session = self.store.get(session_id)
        assert session is not None
        return session


def desk(
    *sessions: ShopperSession, shop: Shop | None = None, model: ScriptedModel | None = None, **options: Any
) -> Desk:
    """Return a desk with these sessions in a store in memory; without any, with the original document's."""
    store, clock, budget = MemoryStore(*(sessions or [documents_session()])), Clock(), FreeBudget()
    source = FixedShop(shop or example_shop())
    engine = Engine(store, source, model=model, budget=budget, clock=clock, **options)
    return Desk(store, source, clock, model, budget, engine)


class _WholeAnswer(AnswerSchema):
    class Meta:
        unknown = RAISE


def check_answer(answer: Any, shop: Shop) -> None:
    """Check a whole answer of /askai against its schema, and its text against the owner's file."""
    assert _WholeAnswer().validate(answer) == {}, answer
    assert answer["decision"] == {key: answer[key] for key in ANSWER_KEYS}
    assert type(answer["show_popup"]) is bool
    assert type(answer["delay_ms"]) is int
    assert 0 <= answer["delay_ms"] <= 60_000
    assert 0 <= answer["confidence"] <= 1
    assert len(answer["message"]) <= 120
    assert answer["category"] in ("info", "discount", "reminder", "none")
    texts = [text for message in shop.messages for text in message.texts.values()]
    if answer["show_popup"]:
        said = [text for text in texts if answer["message"].endswith(text)]
        assert said, f"the file does not hold {answer['message']!r}"
        opening = fold(answer["message"].removesuffix(max(said, key=len)))
        if shop.wording == "own":
            assert opening == ""
        plain_words = frozenset().union(*PLAIN_WORDS.values())
        assert set(re.findall(r"\w+", opening)) <= plain_words
    else:
        assert (answer["message"], answer["category"], answer["delay_ms"]) == ("", "none", 0)
        assert "offer" not in answer
    assert ("offer" in answer) == (answer["category"] == "discount")
    if "offer" in answer:
        made = shop.find(answer["offer"]["id"])
        assert made is not None
        assert made.kind == "offer"
        assert answer["offer"].get("code") == made.code
        assert answer["offer"]["text"] in made.texts.values()
        assert answer["message"].endswith(answer["offer"]["text"])
