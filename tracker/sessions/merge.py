"""Merging a report into a session: loses nothing, counts nothing twice, whatever the order of arrival.

The events of a session are the newest part of the union of everything reported: ordered by (ts, page, canonical), cut
where the limits on events, pages or bytes are reached. Such a cut can be made early or late and gives the same result,
which is why a bounded session is still independent of order. The largest event cut away is the *horizon*: what does
not stand above it stays out, so an old body that comes again changes nothing.
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
"""How many envelopes a session knows again. A browser repeats one within seconds, so this is minutes of them."""

_ts = itemgetter("ts")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How much of a session is kept: its newest events, and its longest-read pages."""

    events: int
    pages: int
    event_bytes: int


def merge(stored: ShopperSession | None, report: Report, limits: SessionLimits, now: int) -> ShopperSession:
    """Give the session with the report taken in; the very object `stored` where the report adds nothing.

    `now` is the service's clock in ms. Costs of the order of the report's events, not of the session's history (but for
    lists of pointers that are copied, and a look at the times of what is kept since the oldest event reported).
    """
    old = stored if stored is not None else ShopperSession(session=report.session)
    envelopes, time_on_page = old.merge.envelopes, report.time_on_page
    if report.adds_time:
        seen = (report.clock, report.digest())
        if seen in envelopes:
            return old
        if len(envelopes) == REMEMBERED_ENVELOPES and seen < envelopes[0]:
            # Too old to tell whether it came before: its events cannot count twice, its times could.
            time_on_page = {}
        envelopes = tuple(sorted((*envelopes, seen))[-REMEMBERED_ENVELOPES:])

    total_time, added_time = _merge_time(old, time_on_page, report.adds_time, limits.pages)
    everything, event_bytes = _union(old, report.events)

    items, clock = old.items_in_cart, old.merge.cart_clock
    if report.items_in_cart is not None:
        # A tie goes to the larger cart: any rule does that does not ask who came first.
        clock, items = max((clock, items), (report.clock, report.items_in_cart))

    state = MergeState(
        cart_clock=clock,
        added_time=added_time,
        envelopes=envelopes,
        event_bytes=event_bytes,
        dropped_events=old.merge.dropped_events,
        horizon=old.merge.horizon,
    )
    events, state = _cut(everything, state, limits)
    new = (items, total_time, events, state)
    if stored is not None and new == (stored.items_in_cart, stored.time_on_page, stored.events, stored.merge):
        return stored
    return replace(
        old,
        items_in_cart=items,
        time_on_page=total_time,
        events=events,
        updated_at=max(now, old.updated_at),
        merge=state,
    )


def merge_sessions(stored: ShopperSession | None, other: ShopperSession, limits: SessionLimits) -> ShopperSession:
    """Give the session with what another store knows of it taken in, which may be the same: then nothing is added."""
    if stored is None:
        events, state = _cut(dict(other.events), other.merge, limits)
        return replace(other, events=events, merge=state)
    added = stored.merge.added_time
    report = Report(
        session=stored.session,
        items_in_cart=other.items_in_cart,
        clock=other.merge.cart_clock,
        # The larger of the two sums counts, so what envelopes added here must not be added to the other's.
        time_on_page={page: max(time - added.get(page, 0), 0) for page, time in other.time_on_page.items()},
        events=other.events,
    )
    merged = merge(stored, report, limits, other.updated_at)
    # Two ledgers cannot be told apart from one that was copied: the one that is here stays.
    return merged if stored.decisions or not other.decisions else replace(merged, decisions=other.decisions)


def _merge_time(
    old: ShopperSession, reported: Mapping[str, int], adds: bool, pages: int
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Give (time per page, the part of it that envelopes added).

    The time of a page is the largest that a snapshot named plus the sum of what envelopes added; keeping the second
    part apart makes the sum the same in any order, also for a session reported in both shapes.
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
    if len(total) > pages:
        longest = sorted(total, key=lambda page: (total[page], page), reverse=True)[:pages]
        total = {page: total[page] for page in longest}
        added = {page: time for page, time in added.items() if page in total}
    return _by_name(total), _by_name(added)


def _within_range(time: int) -> int:
    return min(time, MAX_INTEGER)


def _by_name(pages: Mapping[str, _T]) -> dict[str, _T]:
    """Order pages by name, so that the same session is the same text in the file whatever came first."""
    return dict(sorted(pages.items(), key=itemgetter(0)))


def _union(old: ShopperSession, reported: Mapping[str, list[Event]]) -> tuple[dict[str, list[Event]], int]:
    """Give (all events by page, their size in bytes)."""
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
    """Give the reported events that the page lacks, ascending: of n equal ones reported and m kept, n - m."""
    reported = _in_order(events)
    # Most reports only bring what is newer than all that is kept.
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
    """Order events by (ts, canonical), spelling only those whose time does not tell."""
    ordered = sorted(events, key=_ts)
    if all(starmap(lt, pairwise(map(_ts, ordered)))):
        return ordered
    return [event for _, same in groupby(ordered, key=_ts) for event in sorted(same, key=canonical)]


def _is_above(horizon: Horizon, page: str, event: Event) -> bool:
    return event["ts"] > horizon[0] or (event["ts"], page, canonical(event)) > horizon


def _insert(kept: list[Event], missing: list[Event]) -> list[Event]:
    """Give a new list with the missing events, ascending themselves, in their places."""
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
    """Drop the oldest events until every limit holds."""
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
