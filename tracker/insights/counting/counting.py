"""What sessions come down to in sums, for the store that keeps them: see `tracker.sessions.counting`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Any, Final, Self

import orjson

from tracker.insights.sums import Sums, SumsRecord
from tracker.insights.tally import Mark, Tally, known, local_day, tally
from tracker.sessions.legacy import RecordError, read_record
from tracker.sessions.model import Record, ShopperSession
from tracker.sessions.store import Change

_PLAIN: Final = re.compile(rb'\[1,([0-9]{1,7}),[0-9]{1,3},([0-9]{1,3}),"[^"]{0,64}",\[\],\[\],\[\],\[\]\]')
"""The tally of a visit without purchases, popups and questions to a model: nearly every one."""
_FIRST: Final = int(Mark.FIRST)
_ALL_MARKS: Final = sum(map(int, Mark))


class VisitSums:
    """The sums of visits, and the visits by the keys of their orders."""

    def __init__(self, zone: tzinfo, sums: Sums | None = None) -> None:
        self._zone = zone
        self._sums = sums or Sums()
        self._plain: Counter[tuple[bytes, bytes]] = Counter()
        """Visits of plain tallies by (day, marks), until somebody asks for the sums."""
        self._sessions: dict[str, str] = {}

    @property
    def sums(self) -> Sums:
        """The sums of everything that was put in."""
        for (day, marks), number in self._plain.items():
            self._sums.add_alike(Tally(1, int(day), 0, int(marks), "", [], [], [], []), number)
        self._plain.clear()
        return self._sums

    def put(self, session_id: str, tally: bytes, sign: int) -> None:
        """See tracker.sessions.counting.Sums. Raises ValueError for a tally of another form."""
        plain = _PLAIN.fullmatch(tally)
        if plain is not None and not (marks := int(plain[2])) & _FIRST and marks <= _ALL_MARKS:
            self._plain[plain[1], plain[2]] += sign
            return
        found = known(orjson.loads(tally))
        if found is None:
            raise ValueError("a tally of another form")
        self._put(session_id, found, sign)

    def put_record(self, session_id: str, record: Record, sign: int) -> None:
        """See tracker.sessions.counting.Sums."""
        try:
            session = ShopperSession.from_record(record)
        except (KeyError, TypeError, ValueError, AttributeError):
            try:
                session = read_record(session_id, record, 0)
            except RecordError:
                return  # No part of the service can read it.
        self._put(session_id, tally(session, self._zone), sign)

    def _put(self, session_id: str, found: Tally, sign: int) -> None:
        self._sums.add_alike(found, sign)
        for key in found.keys:
            if sign > 0:
                self._sessions[key] = session_id
            elif self._sessions.get(key) == session_id:
                del self._sessions[key]

    def merge(self, other: Self) -> None:
        """See tracker.sessions.counting.Sums."""
        self.sums.merge(other.sums)

    def find(self, key: str) -> str | None:
        """See tracker.sessions.counting.Sums."""
        return self._sessions.get(key)

    def to_record(self) -> SumsRecord:
        """See tracker.sessions.counting.Sums."""
        return self.sums.to_record()


class VisitCounting:
    """A Counting of visits, by the days of the shop."""

    def __init__(self, zone: tzinfo, clock: Callable[[], int]) -> None:
        """`clock` returns ms since 1970."""
        self._zone = zone
        self._clock = clock

    def counted(self, change: Change) -> Change:
        """See tracker.sessions.counting.Counting."""

        def changed(old: ShopperSession | None) -> ShopperSession:
            new = change(old)
            if new is old:
                return new
            if old is not None and not old.tally:
                # Counted so far by its own day, without having it written down: that day stays.
                new = replace(new, tally=list(tally(old, self._zone)))
            return replace(new, tally=list(tally(new, self._zone)))

        return changed

    def parted(self, tally: Sequence[Any]) -> tuple[bytes, list[str]]:
        """See tracker.sessions.counting.Counting."""
        *summed, keys = tally
        return orjson.dumps([*summed, []]), list(keys)

    def sums(self, record: Any = None) -> VisitSums:
        """See tracker.sessions.counting.Counting."""
        try:
            return VisitSums(self._zone, None if record is None else Sums.from_record(record))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("no sums of visits") from error

    def aged(self, record: Any) -> Any:
        """See tracker.sessions.counting.Counting."""
        sums = Sums.from_record(record)
        sums.fold(local_day(self._clock(), self._zone))
        return sums.to_record()
