"""Earlier decisions that still stand, so that the same question costs no second call and shows no second popup."""

from __future__ import annotations

from tracker.decisions.case import Case
from tracker.decisions.decision import ByEligibility, ByModel, Decision, FromLog, Shown, Silence
from tracker.decisions.eligibility import RETRY_MS
from tracker.decisions.log.entry import LogEntry, LoggedPopup
from tracker.decisions.log.session_log import fingerprint
from tracker.decisions.model.prompt import PROMPT_VERSION


def standing_decision(case: Case, cool_down_ms: int) -> Decision | None:
    """Return the last decision of the rules or the model while it still holds, else None.

    The model's decision holds for a session that did nothing new, and during the cool-down for one that is at the same
    stage with the same cart. A popup is shown again only while its own question may be repeated; after that, an
    unchanged session is shown no other popup, whether rules or model decided.
    """
    entry = _last_proposed(case)
    if entry is None or entry.shop_version != case.shop.version:
        return None
    if entry.popup is not None and case.now_ms - entry.at <= RETRY_MS:
        return _shown_again(case, entry, entry.popup)
    holds = entry.fingerprint == fingerprint(case.session)
    is_the_models = _is_by_this_prompt(entry)
    if is_the_models and not holds:
        is_at_same_place = (entry.signals.stage, entry.signals.items) == (
            case.signals.stage,
            case.signals.items_in_cart,
        )
        holds = is_at_same_place and is_cooling_down(case, cool_down_ms)
    if holds and entry.popup is not None:
        return Silence(reason="Nothing new since the last popup.", trigger="unchanged", origin=FromLog())
    if holds and is_the_models:
        return Silence(reason=entry.reason, trigger=entry.trigger, confidence=entry.confidence, origin=FromLog())
    return None


def is_cooling_down(case: Case, cool_down_ms: int) -> bool:
    """Whether the model was asked about this session so recently that it is left alone."""
    return case.now_ms - case.log.last_asked_ms < cool_down_ms


def _last_proposed(case: Case) -> LogEntry | None:
    for entry in case.log.newest_first():
        if entry.source != ByEligibility.source:
            return entry
    return None


def _is_by_this_prompt(entry: LogEntry) -> bool:
    is_the_models = entry.source == ByModel.source
    return is_the_models and entry.call is not None and entry.call.prompt_version == PROMPT_VERSION


def _shown_again(case: Case, entry: LogEntry, popup: LoggedPopup) -> Shown | None:
    message = case.shop.find(popup.message_id)
    if message is None or not message.applies(case.signals, case.today):
        return None
    if not popup.text.endswith(tuple(message.texts.values())):
        return None  # a log that was changed by hand: only what the file holds is shown
    return Shown(
        message=message,
        text=popup.text,
        reason=entry.reason,
        trigger=entry.trigger,
        confidence=entry.confidence,
        delay_ms=popup.delay_ms,
        origin=FromLog(),
    )
