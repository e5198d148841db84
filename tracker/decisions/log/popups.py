"""The popups of a visit so far: which of those decided count as shown, and whether one is still on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tracker.decisions.log.entry import LogEntry, LoggedPopup
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.visit.reading import Reading
from tracker.decisions.visit.signals import Signals
from tracker.decisions.visit.skew import LATENCY_MS

WAY_MS: Final = 30_000
"""So long a decided popup may take to be drawn: an answer can get lost, and the next page asks for it again."""
ORIGINAL_WAY_MS: Final = 4_500
"""The same for another script than the storefront's, which reports nothing.

Less than the 5 s after which the original browser script asks again, which would show the popup a second time.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopupsSoFar:
    """What a visit has seen of popups. Moments are ms since 1970 by the service's clock."""

    count: int = 0
    """Popups that were drawn, or that nobody said were not."""
    shown: frozenset[str] = frozenset()
    """The ids of their messages."""
    said: frozenset[str] = frozenset()
    """The ids of the messages not to be said again in this visit: these, and those that rest in the browser."""
    last_ms: int = 0
    """When the last one was decided, reported, closed or clicked; 0 for never."""
    on_its_way: LogEntry | None = None
    """The entry of the popup that was decided a moment ago and not reported yet: the same question gets it again."""


def way_ms(reading: Reading) -> int:
    """Return how long a decided popup may take to be drawn before it counts as shown."""
    return WAY_MS if reading.by_storefront else ORIGINAL_WAY_MS


def popups_so_far(log: DecisionLog, reading: Reading, signals: Signals, now_ms: int) -> PopupsSoFar:
    """Return the popups of a visit as its decision log and its script tell of them.

    A popup counts as shown once it was reported as such, or when its time to be drawn is over and nobody reported that
    it was dropped.
    """
    decided = [(entry, popup) for entry in log.newest_first() if (popup := entry.popup) is not None]
    reported = max(signals.popups_shown, signals.popups_dismissed + signals.popups_clicked)
    shown = set(reading.drawn)
    on_its_way: LogEntry | None = None
    count, last_ms = max(0, log.shown - len(decided)), 0
    for number, (entry, popup) in enumerate(decided):
        if popup.message_id not in reading.drawn:
            if _was_dropped(popup, entry, reading):
                continue
            is_unreported = reported < len(decided)
            if number == 0 and is_unreported and 0 <= now_ms - entry.at <= way_ms(reading):
                on_its_way = entry
                continue
        count += 1
        last_ms = max(last_ms, entry.at)
        shown.add(popup.message_id)
    if count and not last_ms and not decided:
        last_ms = log.last_shown_ms
    # The shopper's clock may run ahead; a moment in the future counts as now.
    last_ms = max(last_ms, min(signals.last_popup_ms, now_ms))
    refused = {message_id for message_id, drop in reading.dropped.items() if drop.rests}
    return PopupsSoFar(
        count=max(count, signals.popups_shown),
        shown=frozenset(shown),
        said=frozenset(shown | refused),
        last_ms=last_ms,
        on_its_way=on_its_way,
    )


def _was_dropped(popup: LoggedPopup, entry: LogEntry, reading: Reading) -> bool:
    drop = reading.dropped.get(popup.message_id)
    return drop is not None and drop.at_ms + reading.skew_ms >= entry.at - LATENCY_MS
