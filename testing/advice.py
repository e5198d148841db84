"""What tests of advice are made of: a clock to move, a store in memory, a model to script, sessions and shops."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marshmallow import RAISE

from testing.fake_groq import good_choice
from tracker.askai.blueprint import AnswerSchema
from tracker.decisions.engine import Advisor
from tracker.decisions.lexicon import PLAIN_WORDS, fold
from tracker.decisions.messages import Shop
from tracker.decisions.shop_file import parse_shop
from tracker.llm.budget import Permit
from tracker.llm.model import Message, ModelAnswer, ModelError
from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import Event, Report, ShopperSession
from tracker.sessions.store import Change, Position, Progress, StoreCheck

ROOT = Path(__file__).resolve().parents[1]
NOON = 1_790_000_000_000
"""2026-09-21, some time after noon (UTC)."""
ANNA = "af4bac4d-077a-4756-91d0-fa2570fd206f"
LIMITS = SessionLimits(events=5000, pages=200, event_bytes=2 << 20)
ANSWER_KEYS = {"show_popup", "message", "reason", "category", "trigger", "confidence", "delay_ms"}


def example_shop(**changes: Any) -> Shop:
    """Read shop.example.toml, the shop of the tests."""
    return replace(parse_shop((ROOT / "shop.example.toml").read_bytes()), **changes)


def documents_session(**changes: Any) -> ShopperSession:
    """Give the document's example: 7 items in the cart, a long dwell, no checkout."""
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
    """Give the session with one event more, as an ingest makes it."""
    event: Event = {"type": kind, "ts": ts, **keys}
    report = Report(session=session.session, clock=ts, events={page: [event]})
    return merge(session, report, LIMITS, max(ts, session.updated_at))


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
    """A ShopSource that gives one shop, until another one is put in its place."""

    shop: Shop = field(default_factory=example_shop)

    def current(self) -> Shop:
        return self.shop


class MemoryStore:
    """A SessionStore without a file."""

    def __init__(self, *sessions: ShopperSession) -> None:
        self.sessions = {session.session: session for session in sessions}
        self.writes = 0
        self._lock = threading.Lock()

    def update(self, session_id: str, change: Change) -> ShopperSession:
        with self._lock:
            old = self.sessions.get(session_id)
            new = change(old)
            if new is not old:
                self.writes += 1
                # Through a record, as any real store does.
                self.sessions[session_id] = ShopperSession.from_record(json.loads(json.dumps(new.to_record())))
            return new

    def get(self, session_id: str) -> ShopperSession | None:
        return self.sessions.get(session_id)

    def delete(self, session_id: str) -> bool:
        return self.sessions.pop(session_id, None) is not None

    def iterate(self, before: Position | None = None) -> Iterator[ShopperSession]:
        return iter(list(self.sessions.values()))

    def prune(self, cutoff: int, progress: Progress | None = None) -> int:
        return 0

    def problem(self) -> str | None:
        return None

    def check(self) -> StoreCheck:
        return StoreCheck(len(self.sessions), 0)

    def close(self) -> None:
        pass


class ScriptedModel:
    """A ModelClient that says what it is told to: a text, an error, or what a function makes of the question."""

    def __init__(self, says: str | ModelError | Callable[[dict[str, Any]], str] | None = None) -> None:
        self.says = says
        self.questions: list[list[Message]] = []
        self.usage = (612, 84)

    @property
    def calls(self) -> int:
        return len(self.questions)

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any], deadline_s: float) -> ModelAnswer:
        self.questions.append(list(messages))
        if isinstance(self.says, ModelError):
            raise self.says
        request = {"messages": messages}
        if self.says is None:
            text = json.dumps(good_choice(request))
        else:
            text = self.says if isinstance(self.says, str) else self.says(request)
        prompt, completion = self.usage
        return ModelAnswer(
            text=text, model="scripted", latency_ms=7, prompt_tokens=prompt, completion_tokens=completion
        )


class FreeAllowance:
    """A ModelAllowance that refuses nothing and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def take(self, tokens: int, now_ms: int) -> Permit:
        self.told.append(("take",))
        return Permit("2026-09-21", tokens)

    def answered(self, permit: Permit, tokens: int | None) -> None:
        self.told.append(("answered", tokens))

    def not_asked(self, permit: Permit) -> None:
        self.told.append(("not_asked",))

    def failed(
        self, permit: Permit, now_ms: int, *, tokens: int | None = 0, retry_after_s: float | None = None
    ) -> None:
        self.told.append(("failed", tokens, retry_after_s))


@dataclass
class Desk:
    """An advisor with all that it is made of in reach."""

    store: MemoryStore
    shop: FixedShop
    clock: Clock
    model: ScriptedModel | None
    allowance: FreeAllowance
    advisor: Advisor

    def ask(self, session_id: str = ANNA) -> Any:
        session = self.store.get(session_id)
        assert session is not None
        return self.advisor.advise(session)


def desk(
    *sessions: ShopperSession, shop: Shop | None = None, model: ScriptedModel | None = None, **options: Any
) -> Desk:
    """Make an advisor on a store in memory; without sessions, on the document's."""
    store, clock, allowance = MemoryStore(*(sessions or [documents_session()])), Clock(), FreeAllowance()
    source = FixedShop(shop or example_shop())
    advisor = Advisor(store, source, model=model, allowance=allowance, clock=clock, **options)
    return Desk(store, source, clock, model, allowance, advisor)


class _WholeAnswer(AnswerSchema):
    class Meta:
        unknown = RAISE


def check_answer(answer: Any, shop: Shop) -> None:
    """Hold a whole answer of /askai against its schema, and what it says against the owner's file."""
    assert _WholeAnswer().validate(answer) == {}, answer
    assert answer["decision"] == {key: answer[key] for key in ANSWER_KEYS}
    assert type(answer["show_popup"]) is bool
    assert type(answer["delay_ms"]) is int
    assert 0 <= answer["delay_ms"] <= 60_000
    assert 0 <= answer["confidence"] <= 1
    assert len(answer["message"]) <= 120
    assert answer["category"] in ("info", "discount", "reminder", "none")
    texts = [text for sentence in shop.sentences for text in sentence.texts.values()]
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
