"""One entry of the decision log: what was decided for a session, when, and from what.

Its record: {at, source, trigger, show, reason, confidence, seen, shop, signals: {stage, items, dwell, pages,
hesitating}}; since 1.1 also {why, signs, noted}; with a popup also {pick, message, category, delayMs}; where there was
one {skew}, {memory}, {rule}, {withheld: {pick, message, category, delayMs}}, {veto}, {fault}; and if the model was
asked {prompt, model: {pick?, reason?, opening?,
name?, ms?, promptTokens?, completionTokens?}}. Moments are ms since 1970, `dwell` is in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

EntryRecord: TypeAlias = dict[str, Any]
"""A log entry as the session's record holds it."""

_SILENT: Final = "none"
"""A model's `pick` if it proposed to show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsThen:
    """The signals at the time of a decision that later decisions and the owner look at."""

    stage: str
    items: int
    dwell_s: int
    pages: int
    hesitating: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPopup:
    """The popup that was decided for."""

    message_id: str
    text: str
    category: str
    delay_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedProposal:
    """What a model proposed; `message_id` is None for silence."""

    message_id: str | None
    reason: str
    opening: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCost:
    """Which model answered, and what its answer cost."""

    model: str
    ms: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCall:
    """A call of the model: what came of it, as far as anything did."""

    prompt_version: str
    proposal: LoggedProposal | None = None
    cost: LoggedCost | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One decision as it was logged. `to_record` and `from_record` are the only places that know its record's keys."""

    at: int
    source: str
    trigger: str
    reason: str
    confidence: float
    fingerprint: str
    """What the shopper had done by then; see `session_log.fingerprint`."""
    shop_version: str
    signals: SignalsThen
    why: str = ""
    """Why the script asked."""
    signs: int | None = None
    """How many signs there were by then, see `visit.signs`; None in an entry of 1.0."""
    noted: int | None = None
    """How many events there were that no act of the shopper's makes, see `event_types`; None in an entry of 1.0."""
    skew_ms: int = 0
    """How far the shopper's clock was behind the service's, as far as that was known."""
    memory: Mapping[str, Any] = field(default_factory=dict)
    """The record of what the browser remembered of earlier visits, see `browser_memory`."""
    rule: int | None = None
    """The line of the owner's rule that held, if one did."""
    popup: LoggedPopup | None = None
    """None: nothing was shown."""
    withheld: LoggedPopup | None = None
    """What would have been shown, if the browser were not held out."""
    veto: str | None = None
    fault: str | None = None
    """Why the model did not decide: a code of tracker.llm.faults."""
    call: LoggedCall | None = None

    def repeats(self, before: LogEntry) -> bool:
        """Whether this decision says nothing new after `before`."""
        return self._telling() == before._telling()

    def _telling(self) -> tuple[object, ...]:
        message_id = None if self.popup is None else self.popup.message_id
        return self.source, self.trigger, message_id, self.shop_version, self.fault

    def to_record(self) -> EntryRecord:
        record: EntryRecord = {
            "at": self.at,
            "source": self.source,
            "trigger": self.trigger,
            "show": self.popup is not None,
            "reason": self.reason,
            "confidence": self.confidence,
            "seen": self.fingerprint,
            "shop": self.shop_version,
            "signals": {
                "stage": self.signals.stage,
                "items": self.signals.items,
                "dwell": self.signals.dwell_s,
                "pages": self.signals.pages,
                "hesitating": self.signals.hesitating,
            },
        }
        if self.signs is not None:
            record |= {"why": self.why, "signs": self.signs}
        if self.noted is not None:
            record["noted"] = self.noted
        if self.skew_ms:
            record["skew"] = self.skew_ms
        if self.memory:
            record["memory"] = self.memory
        if self.rule is not None:
            record["rule"] = self.rule
        if self.popup is not None:
            record |= _popup_record(self.popup)
        if self.withheld is not None:
            record["withheld"] = _popup_record(self.withheld)
        if self.veto is not None:
            record["veto"] = self.veto
        if self.fault is not None:
            record["fault"] = self.fault
        if self.call is not None:
            record |= {"prompt": self.call.prompt_version, "model": _call_record(self.call)}
        return record

    @classmethod
    def from_record(cls, record: object) -> LogEntry:
        """Read an entry's record. Raises ValueError for anything that `to_record` cannot have made."""
        match record:
            case {
                "at": int(at),
                "source": str(source),
                "trigger": str(trigger),
                "show": bool(show),
                "reason": str(reason),
                "confidence": int() | float() as confidence,
                "seen": str(seen),
                "shop": str(shop),
                "signals": {
                    "stage": str(stage),
                    "items": int(items),
                    "dwell": int(dwell),
                    "pages": int(pages),
                    "hesitating": bool(hesitating),
                },
                **more,
            }:
                why, signs, rule = more.get("why"), more.get("signs"), more.get("rule")
                veto, fault, memory = more.get("veto"), more.get("fault"), more.get("memory")
                noted, skew, withheld = more.get("noted"), more.get("skew"), more.get("withheld")
                return cls(
                    at=at,
                    source=source,
                    trigger=trigger,
                    reason=reason,
                    confidence=confidence,
                    fingerprint=seen,
                    shop_version=shop,
                    signals=SignalsThen(stage=stage, items=items, dwell_s=dwell, pages=pages, hesitating=hesitating),
                    why=why if isinstance(why, str) else "",
                    signs=signs if type(signs) is int else None,
                    noted=noted if type(noted) is int else None,
                    skew_ms=skew if type(skew) is int else 0,
                    memory=memory if isinstance(memory, dict) else {},
                    rule=rule if type(rule) is int else None,
                    popup=_popup_from(more) if show else None,
                    withheld=_popup_from(withheld) if isinstance(withheld, dict) else None,
                    veto=veto if isinstance(veto, str) else None,
                    fault=fault if isinstance(fault, str) else None,
                    call=_call_from(more) if "model" in more else None,
                )
        raise ValueError("not an entry of a decision log")


def _popup_record(popup: LoggedPopup) -> EntryRecord:
    return {
        "pick": popup.message_id,
        "message": popup.text,
        "category": popup.category,
        "delayMs": popup.delay_ms,
    }


def _popup_from(record: Mapping[object, object]) -> LoggedPopup:
    match record:
        case {"pick": str(pick), "message": str(text), "category": str(category), "delayMs": int(delay_ms)}:
            return LoggedPopup(message_id=pick, text=text, category=category, delay_ms=delay_ms)
    raise ValueError("an entry without its popup")


def _call_record(call: LoggedCall) -> EntryRecord:
    record: EntryRecord = {}
    if call.proposal is not None:
        record |= {"pick": call.proposal.message_id or _SILENT, "reason": call.proposal.reason}
        if call.proposal.opening:
            record["opening"] = call.proposal.opening
    if call.cost is not None:
        record |= {
            "name": call.cost.model,
            "ms": call.cost.ms,
            "promptTokens": call.cost.prompt_tokens,
            "completionTokens": call.cost.completion_tokens,
        }
    return record


def _call_from(record: Mapping[object, object]) -> LoggedCall:
    match record:
        case {"prompt": str(prompt), "model": dict(model)}:
            pass
        case _:
            raise ValueError("an entry with a call that cannot be read")
    proposal = cost = None
    match model:
        case {"pick": str(pick), "reason": str(reason)}:
            opening = str(model.get("opening", ""))
            message_id = None if pick == _SILENT else pick
            proposal = LoggedProposal(message_id=message_id, reason=reason, opening=opening)
    match model:
        case {"name": str(name), "ms": int(ms), "promptTokens": int(prompt_tokens), "completionTokens": int(tokens)}:
            cost = LoggedCost(model=name, ms=ms, prompt_tokens=prompt_tokens, completion_tokens=tokens)
    return LoggedCall(prompt_version=prompt, proposal=proposal, cost=cost)
