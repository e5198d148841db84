"""Earlier decisions that still stand, so that the same question costs no second call and shows no second popup."""

from __future__ import annotations

from tracker.decisions.case import Case
from tracker.decisions.decision import ByEligibility, ByModel, Decision, FromLog, Shown, Silence
from tracker.decisions.log.entry import LogEntry, LoggedPopup
from tracker.decisions.log.session_log import fingerprint
from tracker.decisions.model.asking import is_cooling_down
from tracker.decisions.model.prompt import PROMPT_VERSION


def standing_decision(case: Case, cool_down_ms: int) -> Decision | None:
    """Return the last decision of the rules or the model while it still holds, else None.

    A popup on its way is shown again; once it counts as shown, a shopper who did nothing since is shown no other. A
    model's silence holds until a new sign, and during the cool-down, for which leaving does not wait; but it holds only
    as long as the same rule of the owner's does.
    """
    entry = _last_proposed(case)
    if entry is None or entry.shop_version != case.shop.version:
        return None
    if entry.popup is not None:
        if entry == case.popups.on_its_way:
            return _shown_again(case, entry, entry.popup)
        if entry.popup.message_id in case.popups.shown and entry.fingerprint == fingerprint(case.session):
            return Silence(reason="Nothing new since the last popup.", trigger="unchanged", origin=FromLog())
        return None
    if not _is_by_this_prompt(entry) or entry.rule != (None if case.rule is None else case.rule.line):
        return None
    if _is_without_new_sign(case, entry) or is_cooling_down(case, cool_down_ms):
        return Silence(reason=entry.reason, trigger=entry.trigger, confidence=entry.confidence, origin=FromLog())
    return None


def _last_proposed(case: Case) -> LogEntry | None:
    for entry in case.log.newest_first():
        if entry.source != ByEligibility.source:
            return entry
    return None


def _is_without_new_sign(case: Case, entry: LogEntry) -> bool:
    if entry.signs is None:
        return entry.fingerprint == fingerprint(case.session)
    return case.signals.signs <= entry.signs and case.signals.items_in_cart == entry.signals.items


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
        language=case.shop.language_for(case.signals.locale),
        reason=entry.reason,
        trigger=entry.trigger,
        confidence=entry.confidence,
        delay_ms=popup.delay_ms,
        origin=FromLog(),
    )
