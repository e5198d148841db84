"""Merging a report into a session: nothing is lost, nothing counts twice, and the order of arrival does not matter.

The events of a session are the newest part of the union of all reported events, ordered by (ts, page, canonical). The
oldest are dropped when a limit on events, pages or bytes is exceeded. Dropping early or late gives the same result, so
a bounded session is still independent of order. The newest event dropped is the *horizon*: only events above it are
taken in, so an old body that arrives again changes nothing.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, starmap
from operator import itemgetter, lt
from typing import TypeVar

from tracker.sessions.model import (
    MAX_INTEGER,
    Event,
    Horizon,
    MergeState,
    Report,
    ShopperSession,
    canonical,
    size_of,
)

_T = TypeVar("_T")
REMEMBERED_ENVELOPES = 32
"""How many envelopes a session recognises when they are repeated. Browsers repeat within seconds; 32 last minutes."""

_ts = itemgetter("ts")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How far reports may fill a session: its newest events are kept, and the pages with the longest times.

    A session that another service with larger limits has filled further keeps what it holds and grows no more.
    """

    events: int
    pages: int
    event_bytes: int


def merge(stored: ShopperSession | None, report: Report, limits: SessionLimits, now: int) -> ShopperSession:
    """Return the session with the report merged in, or the very object `stored` if the report adds nothing.

    `now` is the service's clock in ms, and the report is one that `Report.bounded` returned. The cost grows with the
    report's events and not with the session's history, except for copied lists of pointers and a comparison with the
    kept events since the oldest one reported.
    """
    new = ShopperSession(session=report.session, merge=MergeState(began_at=now))
    old = new if stored is None else stored.bounded(now)
    merged = _merged(old, report, limits)
    if merged is old and stored is not None:
        return old
    return replace(merged, updated_at=max(now, old.updated_at))


def _merged(old: ShopperSession, report: Report, limits: SessionLimits) -> ShopperSession:
    """Return the session with the report merged in and `updated_at` as it was; `old` itself if nothing changes."""
    envelopes, time_on_page = old.merge.envelopes, report.time_on_page
    if report.adds_time:
        seen = (report.clock, report.digest())
        if any(digest == seen[1] for _clock, digest in envelopes):
            return old
        if len(envelopes) == REMEMBERED_ENVELOPES and seen < envelopes[0]:
            # Too old to know whether it was merged before. Its events cannot count twice, but its times could.
            time_on_page = {}
        envelopes = tuple(sorted((*envelopes, seen))[-REMEMBERED_ENVELOPES:])

    total_time, added_time = _merge_time(old, time_on_page, report.adds_time, limits.pages)
    everything, event_bytes = _union(old, report.events)

    items, clock = old.items_in_cart, old.merge.cart_clock
    if report.items_in_cart is not None:
        # A tie goes to the larger cart: any rule will do that does not depend on the order of arrival.
        clock, items = max((clock, items), (report.clock, report.items_in_cart))

    state = MergeState(
        began_at=old.merge.began_at,
        cart_clock=clock,
        added_time=added_time,
        envelopes=envelopes,
        event_bytes=event_bytes,
        dropped_events=old.merge.dropped_events,
        horizon=old.merge.horizon,
    )
    # A smaller limit, of another service or a changed setting, stops a session's growth and deletes nothing.
    room = SessionLimits(
        events=max(limits.events, old.event_count()),
        pages=max(limits.pages, len(old.events)),
        event_bytes=max(limits.event_bytes, old.merge.event_bytes),
    )
    events, state = _cut(everything, state, room)
    merged = replace(
        old,
        items_in_cart=items,
        time_on_page=total_time,
        events=events,
        merge=state,
        # A browser says the same of itself in every report of a visit: the first one that says it counts.
        lot=report.lot if old.lot is None else old.lot,
        offered=old.offered or report.offered,
        example=old.example or report.example,
    )
    return old if merged == old else merged


def merge_sessions(stored: ShopperSession | None, other: ShopperSession, limits: SessionLimits) -> ShopperSession:
    """Return the session with another store's copy of it merged in; the very object `stored` if that adds nothing.

    Its clocks are those of that store: `ShopperSession.bounded` has compared them with the service's clock before.
    """
    if stored is None:
        events, state = _cut(dict(other.events), other.merge, limits)
        return replace(other, events=events, merge=state)
    added = stored.merge.added_time
    report = Report(
        session=stored.session,
        items_in_cart=other.items_in_cart,
        clock=other.merge.cart_clock,
        # The larger of the two totals counts, so the time that envelopes added here is not added to the other's.
        time_on_page={page: max(time - added.get(page, 0), 0) for page, time in other.time_on_page.items()},
        events=other.events,
        lot=other.lot,
        offered=other.offered,
        example=other.example,
    )
    merged = _merged(stored, report, limits)
    if not other.orders.keys() <= stored.orders.keys():
        merged = replace(merged, orders={**other.orders, **stored.orders})
    if not stored.decisions and other.decisions:
        # Two lists of decisions cannot be merged without counting some twice: the one stored here takes precedence.
        merged = replace(merged, decisions=other.decisions)
    began_at = min(stored.merge.began_at, other.merge.began_at)
    if began_at != stored.merge.began_at:
        merged = replace(merged, merge=replace(merged.merge, began_at=began_at))
    if merged is stored:
        return stored
    return replace(merged, updated_at=max(stored.updated_at, other.updated_at))


def _merge_time(
    old: ShopperSession, reported: Mapping[str, int], adds: bool, pages: int
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Return (time per page, the part of it that envelopes added).

    The time of a page is the largest that a snapshot reported plus the sum of those that envelopes added. The second
    part is kept separately, so the total is the same in any order, even for a session reported in both shapes.
    """
    if not reported:
        return old.time_on_page, old.merge.added_time
    total, added = dict(old.time_on_page), dict(old.merge.added_time)
    for page, time in reported.items():
        if adds:
            added[page] = _within_range(added.get(page, 0) + time)
            total[page] = _within_range(total.get(page, 0) + time)
        else:
            total[page] = max(total.get(page, 0), _within_range(added.get(page, 0) + time))
    pages = max(pages, len(old.time_on_page))
    if len(total) > pages:
        longest = sorted(total, key=lambda page: (total[page], page), reverse=True)[:pages]
        total = {page: total[page] for page in longest}
        added = {page: time for page, time in added.items() if page in total}
    return _by_name(total), _by_name(added)


def _within_range(time: int) -> int:
    return min(time, MAX_INTEGER)


def _by_name(pages: Mapping[str, _T]) -> dict[str, _T]:
    """Return the pages ordered by name, so that the same session is the same text whatever arrived first."""
    return dict(sorted(pages.items(), key=itemgetter(0)))


def _union(old: ShopperSession, reported: Mapping[str, list[Event]]) -> tuple[dict[str, list[Event]], int]:
    """Return (all events by page, their size in bytes)."""
    pages = dict(old.events)
    event_bytes = old.merge.event_bytes
    for page, events in reported.items():
        kept = pages.get(page, [])
        missing = _missing(kept, page, events, old.merge.horizon)
        if missing:
            pages[page] = _insert(kept, missing)
            event_bytes += size_of(missing)
    if len(pages) > len(old.events):
        pages = _by_name(pages)
    return pages, event_bytes


def _missing(kept: list[Event], page: str, events: list[Event], horizon: Horizon | None) -> list[Event]:
    """Return the reported events that the page lacks, ascending: of n equal ones reported and m kept, n - m."""
    reported = _in_order(events)
    # Fast path: most reports hold only events that are newer than all kept ones.
    behind = bisect_right(reported, kept[-1]["ts"], key=_ts) if kept else 0
    missing: list[Event] = []
    if behind:
        times = set(map(_ts, reported[:behind]))
        since = bisect_left(kept, reported[0]["ts"], key=_ts)
        have = Counter(canonical(event) for event in kept[since:] if event["ts"] in times)
        for event in reported[:behind]:
            spelling = canonical(event)
            if have[spelling]:
                have[spelling] -= 1
            else:
                missing.append(event)
    missing += reported[behind:]
    if horizon is not None:
        missing = [event for event in missing if _is_above(horizon, page, event)]
    return missing


def _in_order(events: list[Event]) -> list[Event]:
    """Return the events ordered by (ts, canonical); only events with equal ts are serialised."""
    ordered = sorted(events, key=_ts)
    if all(starmap(lt, pairwise(map(_ts, ordered)))):
        return ordered
    return [event for _, same in groupby(ordered, key=_ts) for event in sorted(same, key=canonical)]


def _is_above(horizon: Horizon, page: str, event: Event) -> bool:
    return event["ts"] > horizon[0] or (event["ts"], page, canonical(event)) > horizon


def _insert(kept: list[Event], missing: list[Event]) -> list[Event]:
    """Return a new list with the missing events, which are ascending themselves, in their places."""
    if not kept or missing[0]["ts"] > kept[-1]["ts"]:
        return [*kept, *missing]
    merged = list(kept)
    for ts, group in groupby(missing, key=_ts):
        low, high = bisect_left(merged, ts, key=_ts), bisect_right(merged, ts, key=_ts)
        merged[low:high] = sorted([*merged[low:high], *group], key=canonical)
    return merged


def _cut(
    pages: dict[str, list[Event]], state: MergeState, limits: SessionLimits
) -> tuple[dict[str, list[Event]], MergeState]:
    """Return (events by page, merge state) after dropping the oldest events until every limit holds."""
    count, size, live_pages = sum(map(len, pages.values())), state.event_bytes, len(pages)
    if count <= limits.events and size <= limits.event_bytes and live_pages <= limits.pages:
        return pages, state
    heads = [(events[0]["ts"], page) for page, events in pages.items()]
    gone: Counter[str] = Counter()
    horizon = state.horizon
    heapq.heapify(heads)
    while count > limits.events or size > limits.event_bytes or live_pages > limits.pages:
        ts, page = heapq.heappop(heads)
        events = pages[page]
        oldest = events[gone[page]]
        horizon = (ts, page, canonical(oldest))
        count, size = count - 1, size - size_of([oldest])
        gone[page] += 1
        if gone[page] < len(events):
            heapq.heappush(heads, (events[gone[page]]["ts"], page))
        else:
            live_pages -= 1
    left = {page: events[gone[page] :] for page, events in pages.items() if gone[page] < len(events)}
    dropped = state.dropped_events + gone.total()
    return left, replace(state, event_bytes=size, dropped_events=dropped, horizon=horizon)
