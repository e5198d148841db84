"""Whether the model is asked for the sender of a question: what a stranger can spend of the shop's budget."""

from __future__ import annotations

from typing import Final

from flask import request

from tracker.decisions.case import Case
from tracker.llm.faults import Fault
from tracker.web.callers.limits import Bound, limits

LEAST_AGE_S: Final = 10
"""A visit has been heard of for so long by the service's own clock, or as long as the owner's `seconds_before_first` if
that is less. For everything but the model, what a browser says of its time is believed."""


def admitted(case: Case, *, needs_page: bool) -> Fault | None:
    """Return why the model is not asked for the sender of the present question; or None, and count the call.

    `needs_page`: only pages of the shop may have it asked; that their origin is allowed was checked before. A program
    can write any origin, and wait, so its address has a share of the day's calls and no more.
    """
    if needs_page and "Origin" not in request.headers:
        return Fault.NO_PAGE
    bounds = limits()
    if not bounds.is_on:
        return None
    age_ms = case.now_ms - case.session.merge.began_at
    # A clock that was set back since makes it negative: then nobody knows.
    if 0 <= age_ms < 1000 * min(LEAST_AGE_S, case.shop.caps.seconds_before_first):
        return Fault.BEGUN
    if not bounds.has_room(Bound.MODEL_CALLS):
        bounds.note_refused(Bound.MODEL_CALLS)
        return Fault.SHARE
    bounds.add(Bound.MODEL_CALLS)
    return None
