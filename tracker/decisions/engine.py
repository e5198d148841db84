"""The one place where a decision comes about: gate, cache, model, rules and guard around one session.

A star and not a chain: each part is asked from here and knows none of the others. No lock is held while the model
answers; that it is being asked is noted in the session, where every worker sees it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, Protocol, TypeAlias

from tracker.decisions import log as ledger
from tracker.decisions.decision import PopupDecision, quiet
from tracker.decisions.eligibility import RETRY_MS, Holdout, gate
from tracker.decisions.guardrails import Worded, guarded
from tracker.decisions.messages import Sentence, Shop
from tracker.decisions.prompt import PROMPT_VERSION, build_prompt
from tracker.decisions.proposal import Choice, ChoiceError, choice_json_schema, parse_choice, plain_reason
from tracker.decisions.rules import choose
from tracker.decisions.signals import SessionSummary, summarise
from tracker.llm.budget import NotAllowedError, Permit
from tracker.llm.model import (
    Message,
    ModelAnswer,
    ModelAnswerError,
    ModelBusyError,
    ModelClient,
    ModelError,
    ModelRateLimitedError,
    ModelTimeoutError,
)
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore, StoreError

_log = logging.getLogger(__name__)

Source: TypeAlias = Literal["gate", "cache", "groq", "rules"]

_WAIT_STEP_S: Final = 0.1
_ANSWER_TOKENS: Final = 1000
"""The most that an answer with its reasoning takes (see tracker.llm.groq_transport), and what the server may add."""


class ShopSource(Protocol):
    """Whoever knows the shop's file as it is now."""

    def current(self) -> Shop:
        """Give the shop."""


class ModelAllowance(Protocol):
    """Whoever counts the model's calls; see tracker.llm.budget."""

    def take(self, tokens: int, now_ms: int) -> Permit:
        """Count a question. Raises NotAllowedError."""

    def answered(self, permit: Permit, tokens: int | None) -> None:
        """Note an answer."""

    def not_asked(self, permit: Permit) -> None:
        """Note that the question was not put after all."""

    def failed(
        self, permit: Permit, now_ms: int, *, tokens: int | None = 0, retry_after_s: float | None = None
    ) -> None:
        """Note a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A decision and how it came about."""

    decision: PopupDecision
    source: Source
    sentence: Sentence | None = None
    """The owner's sentence that is shown."""
    veto: str | None = None
    """Why the guard let nothing through."""
    fault: str | None = None
    """Why the model did not decide: a ModelError's or NotAllowedError's code, `invalid`, `cool_down` or `waited`."""
    said: Choice | None = None
    """What the model chose, as it came."""
    answer: ModelAnswer | None = None
    """What the model said and cost, also when it could not be used; None when it did not answer."""
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One question with all that it is answered from."""

    session: ShopperSession
    summary: SessionSummary
    shop: Shop
    now_ms: int
    today: date


class _TakenError(Exception):
    """Somebody else is asking the model about this session."""


class _GoneError(Exception):
    """The session was deleted while it was decided about: nothing of it may come back."""


def _still_there(stored: ShopperSession | None) -> ShopperSession:
    if stored is None:
        raise _GoneError
    return stored


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Advisor:
    """Gives advice on sessions, and keeps in each what it was told."""

    def __init__(
        self,
        store: SessionStore,
        shop: ShopSource,
        *,
        model: ModelClient | None = None,
        allowance: ModelAllowance | None = None,
        holdout: Holdout | None = None,
        clock: Callable[[], int] = _now_ms,
        deadline_s: float = 5.0,
        cool_down_s: float = 240.0,
        waits_at_once: int = 4,
    ) -> None:
        """Take what advice is made from; without both a model and an allowance, the rules decide.

        `clock` gives ms since 1970; `deadline_s` is how long one question may take in all; `cool_down_s` lies between
        two questions to the model about one session. `waits_at_once` questions at most wait for what another one about
        the same session gets: with the model's calls they must leave a process threads for other requests.
        """
        self._store = store
        self._shop = shop
        self._model = model
        self._allowance = allowance
        self._holdout = holdout or Holdout()
        self._clock = clock
        self._deadline_s = deadline_s
        self._cool_down_ms = round(cool_down_s * 1000)
        self._waits = threading.BoundedSemaphore(waits_at_once)

    def advise(self, session: ShopperSession) -> Advice:
        """Say whether a popup would help now, within the deadline and without any of the model's faults.

        What cannot be kept with the session is not shown, for then no limit could be held.
        """
        case = self._case(session)
        try:
            return self._advise(case)
        except _GoneError:
            return Advice(decision=quiet("The session was deleted meanwhile.", "deleted"), source="gate")
        except StoreError as error:
            _log.warning("a decision could not be kept, so nothing is shown: %s", error)
            return Advice(decision=quiet("Decisions cannot be kept now.", "store"), source="gate")

    def preview(self, session: ShopperSession, *, at_ms: int | None = None, ask: bool = False) -> Advice:
        """Say what would be decided for the session at a moment (now), without keeping it.

        A shopper's limits are not used up by it. `ask`: put it to the model where the gate does not answer, which
        counts like any question.
        """
        case = self._case(session, at_ms)
        refusal = gate(session, case.summary, case.shop, self._holdout, case.now_ms)
        if refusal is not None:
            return Advice(decision=refusal, source="gate")
        if ask and self._model is not None and self._allowance is not None:
            return self._ask_model(self._model, self._allowance, case, self._deadline_s)
        return self._by_rules(case)

    def _case(self, session: ShopperSession, now_ms: int | None = None) -> _Case:
        now_ms = self._clock() if now_ms is None else now_ms
        return _Case(
            session=session,
            summary=summarise(session, now_ms),
            shop=self._shop.current(),
            now_ms=now_ms,
            today=datetime.fromtimestamp(now_ms / 1000, UTC).date(),
        )

    def _advise(self, case: _Case) -> Advice:
        refusal = gate(case.session, case.summary, case.shop, self._holdout, case.now_ms)
        if refusal is not None:
            return self._kept(case, Advice(decision=refusal, source="gate"))
        standing = self._standing(case)
        if standing is not None:
            return standing
        if self._model is None or self._allowance is None:
            return self._kept(case, self._by_rules(case))
        if ledger.asking_until(case.session) > case.now_ms:
            return self._waited(case, time.monotonic() + self._deadline_s)
        if self._cools_down(case.session, case.now_ms):
            return self._kept(case, self._by_rules(case, "cool_down"))
        return self._ask(self._model, self._allowance, case)

    def _cools_down(self, session: ShopperSession, now_ms: int) -> bool:
        return now_ms - ledger.last_asked_ms(session) < self._cool_down_ms

    # --- what was decided already ------------------------------------------------------------------------------

    def _standing(self, case: _Case) -> Advice | None:
        """Give the last decision that was not the gate's while it still holds.

        The model's holds for a session that did nothing new, and in the cool-down for one that is where it was. A
        popup is shown again only as long as its own question may be repeated; after that, an unchanged session is
        shown no other, whoever decided.
        """
        entry = next((one for one in reversed(ledger.entries(case.session)) if one["source"] != "gate"), None)
        if entry is None or entry["shop"] != case.shop.version:
            return None
        if entry["show"] and case.now_ms - entry["at"] <= RETRY_MS:
            return self._again(case, entry)
        holds = entry["seen"] == ledger.fingerprint(case.session)
        is_the_models = entry["source"] == "groq" and entry["prompt"] == PROMPT_VERSION
        if is_the_models and not holds:
            same_place = (entry["signals"]["stage"], entry["signals"]["items"]) == _place(case.summary)
            holds = same_place and self._cools_down(case.session, case.now_ms)
        if holds and entry["show"]:
            return Advice(decision=quiet("Nothing new since the last popup.", "unchanged"), source="cache")
        if holds and is_the_models:
            return Advice(decision=quiet(entry["reason"], entry["trigger"], entry["confidence"]), source="cache")
        return None

    @staticmethod
    def _again(case: _Case, entry: ledger.Entry) -> Advice | None:
        sentence = case.shop.find(entry["pick"])
        if sentence is None or not sentence.applies(case.summary, case.today):
            return None
        decision = PopupDecision(
            show_popup=True,
            message=entry["message"],
            reason=entry["reason"],
            category=entry["category"],
            trigger=entry["trigger"],
            confidence=entry["confidence"],
            delay_ms=entry["delayMs"],
        )
        return Advice(decision=decision, source="cache", sentence=sentence)

    # --- deciding ----------------------------------------------------------------------------------------------

    def _by_rules(self, case: _Case, fault: str | None = None) -> Advice:
        chosen = choose(case.summary, case.shop.applicable(case.summary, case.today))
        worded = guarded(chosen, case.shop, case.summary, case.today)
        return Advice(decision=worded.decision, source="rules", sentence=worded.sentence, veto=worded.veto, fault=fault)

    def _ask(self, model: ModelClient, allowance: ModelAllowance, case: _Case) -> Advice:
        until = time.monotonic() + self._deadline_s
        try:
            session = self._store.update(case.session.session, lambda stored: self._claimed(stored, case))
        except _TakenError:
            return self._waited(case, until)
        case = replace(case, session=session)
        return self._kept(case, self._ask_model(model, allowance, case, until - time.monotonic()), ends_asking=True)

    def _ask_model(self, model: ModelClient, allowance: ModelAllowance, case: _Case, deadline_s: float) -> Advice:
        may_say = case.shop.applicable(case.summary, case.today)
        messages = build_prompt(case.summary, case.shop, may_say)
        # A token stands for a byte at the least.
        most = sum(len(message["content"].encode()) for message in messages) + _ANSWER_TOKENS
        try:
            permit = allowance.take(most, case.now_ms)
        except NotAllowedError as refusal:
            return self._by_rules(case, refusal.code)
        advice, error = self._outcome(model, case, messages, may_say, deadline_s)
        tokens = _tokens(advice.answer, error)
        if advice.fault is None:
            allowance.answered(permit, tokens)
        elif isinstance(error, ModelBusyError):
            allowance.not_asked(permit)
        else:
            pause = error.retry_after if isinstance(error, ModelRateLimitedError) else None
            allowance.failed(permit, self._clock(), tokens=tokens, retry_after_s=pause)
        return advice

    def _claimed(self, stored: ShopperSession | None, case: _Case) -> ShopperSession:
        session = _still_there(stored)
        busy = ledger.asking_until(session) > case.now_ms
        # Asked since this question was read: then there is an answer by now.
        if busy or ledger.last_asked_ms(session) > ledger.last_asked_ms(case.session):
            raise _TakenError
        return ledger.claimed(session, case.now_ms, case.now_ms + round(self._deadline_s * 1000))

    def _outcome(
        self, model: ModelClient, case: _Case, messages: list[Message], may_say: list[Sentence], deadline_s: float
    ) -> tuple[Advice, ModelError | None]:
        schema = choice_json_schema(case.shop.sentences, case.shop.wording == "model")
        answer: ModelAnswer | None = None
        try:
            answer = model.complete(messages, schema, deadline_s)
            choice = parse_choice(answer.text, may_say)
        except ModelError as error:
            return replace(self._by_rules(case, error.code), asked=True), error
        except ChoiceError as error:
            _log.warning("the model's answer is %s", error)
            return replace(self._by_rules(case, "invalid"), asked=True, answer=answer), None
        worded = guarded(choice, case.shop, case.summary, case.today)
        return _from_model(worded, choice, answer), None

    def _waited(self, case: _Case, until: float) -> Advice:
        """Wait for whoever is asking, no longer than this question may take, if there is room to wait."""
        if not self._waits.acquire(blocking=False):
            return Advice(decision=_ASKING, source="gate")
        try:
            return self._answer_of_another(case, until)
        finally:
            self._waits.release()

    def _answer_of_another(self, case: _Case, until: float) -> Advice:
        while time.monotonic() < until:
            time.sleep(_WAIT_STEP_S)
            session = self._store.get(case.session.session)
            if session is None:
                break
            now_ms = self._clock()
            if ledger.asking_until(session) <= now_ms:
                case = self._case(session, now_ms)
                refusal = gate(session, case.summary, case.shop, self._holdout, now_ms)
                if refusal is not None:
                    return Advice(decision=refusal, source="gate")
                return self._standing(case) or self._kept(case, self._by_rules(case, "waited"))
        return Advice(decision=_ASKING, source="gate")

    # --- keeping -----------------------------------------------------------------------------------------------

    def _kept(self, case: _Case, advice: Advice, *, ends_asking: bool = False) -> Advice:
        """Keep the decision with the session, unless it only repeats the last one.

        `ends_asking`: by the question that had noted to be asking the model.
        """
        entry = _entry(case, advice)

        def keep(stored: ShopperSession | None) -> ShopperSession:
            session = _still_there(stored)
            before = ledger.last(session)
            is_repeat = before is not None and all(before.get(key) == entry.get(key) for key in _TELLING)
            is_recent = before is not None and entry["at"] - before["at"] <= RETRY_MS
            if is_repeat and not ends_asking and (is_recent or not entry["show"]):
                return session
            return ledger.with_entry(session, entry, ends_asking=ends_asking)

        self._store.update(case.session.session, keep)
        return advice


_TELLING: Final = ("source", "trigger", "show", "pick", "shop", "fault")


_ASKING: Final = quiet("Another question about this shopper is being answered just now.", "asking")


def _tokens(answer: ModelAnswer | None, error: ModelError | None) -> int | None:
    """Tell what a question took, None where nobody knows: then it counts as the most that it can have taken."""
    if answer is not None:
        return answer.prompt_tokens + answer.completion_tokens or None
    return None if isinstance(error, ModelTimeoutError | ModelAnswerError) else 0


def _place(summary: SessionSummary) -> tuple[str, int]:
    return summary.stage, summary.items_in_cart


def _from_model(worded: Worded, choice: Choice, answer: ModelAnswer) -> Advice:
    return Advice(
        decision=worded.decision,
        source="groq",
        sentence=worded.sentence,
        veto=worded.veto,
        said=choice,
        answer=answer,
        asked=True,
    )


def _entry(case: _Case, advice: Advice) -> ledger.Entry:
    decision, summary = advice.decision, case.summary
    entry: ledger.Entry = {
        "at": case.now_ms,
        "source": advice.source,
        "trigger": decision.trigger,
        "show": decision.show_popup,
        "reason": decision.reason,
        "confidence": decision.confidence,
        "seen": ledger.fingerprint(case.session),
        "shop": case.shop.version,
        "signals": {
            "stage": summary.stage,
            "items": summary.items_in_cart,
            "dwell": summary.dwell_s,
            "pages": summary.pages,
            "hesitating": summary.hesitating,
        },
    }
    if advice.sentence is not None:
        entry |= {
            "pick": advice.sentence.id,
            "message": decision.message,
            "category": decision.category,
            "delayMs": decision.delay_ms,
        }
    if advice.veto is not None:
        entry["veto"] = advice.veto
    if advice.fault is not None:
        entry["fault"] = advice.fault
    if advice.asked:
        entry["prompt"] = PROMPT_VERSION
        entry["model"] = _model_part(advice)
    return entry


def _model_part(advice: Advice) -> dict[str, Any]:
    part: dict[str, Any] = {}
    if advice.said is not None:
        part |= {"pick": advice.said.pick, "reason": advice.said.reason}
        if advice.said.opening:
            part["opening"] = plain_reason(advice.said.opening)
    if advice.answer is not None:
        part |= {
            "name": advice.answer.model,
            "ms": advice.answer.latency_ms,
            "promptTokens": advice.answer.prompt_tokens,
            "completionTokens": advice.answer.completion_tokens,
        }
    return part
