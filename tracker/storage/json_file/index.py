"""Where every session's line stands in one session file: rebuilt at opening, at 60 to 90 bytes a session.

Per line of the file, dead ones too: five columns in the order of the file (Python's `array`s, 29 bytes). Per session: a
place in a hash table of byte strings, because a dict of the ids alone takes 150 bytes each.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate, chain, compress, islice
from operator import mul, sub
from typing import NamedTuple

from tracker.storage.json_file.text import HEADER, separator

_BETWEEN = len(separator(first=False))
_FIRST = len(HEADER) + len(separator(first=True))
_NONE = 2**32 - 1
_BLOCK = 256


class Place(NamedTuple):
    """Where a line stands, in bytes."""

    start: int
    length: int


class Index:
    """The lines of one file, up to `end`. Its users hold the store's memory lock."""

    def __init__(self) -> None:
        self._table = _Table()
        self.starts = array("Q")
        self.times = array("Q")
        """When the session of each line was updated (ms)."""
        self.numbers = array("Q")
        """The number of each line, ascending: it stays the same when a compaction moves the line."""
        self.replaced = array("I")
        """The position of the line that each line put out of use."""
        self.alive = bytearray()
        """1 for each line that is the last of its session."""
        self.end = len(HEADER)
        """Just behind the last line, where the footer stands."""
        self.sessions = 0
        self.live_bytes = 0
        self.tombstones: list[int] = []
        """The positions of tombstones: lines of the deleted sessions may still stand before them."""
        self._next_number = 0
        self._blocks: list[tuple[int, int]] = []
        """(oldest, newest) time in each full block of lines; computed when a page is asked for."""

    def __len__(self) -> int:
        """Return the number of lines, dead ones included."""
        return len(self.starts)

    @property
    def dead_bytes(self) -> int:
        return self.end - self.live_bytes

    def reserve(self, sessions: int) -> None:
        """Make room for about so many, while there are none: growing step by step costs time at opening."""
        if not self.starts:
            self._table = _Table(sessions)

    def add(self, keys: list[bytes], lengths: list[int], times: list[int | None]) -> None:
        """Add lines that follow the last one; a time of None marks a tombstone."""
        starts, alive, replaced, table = self.starts, self.alive, self.replaced, self._table
        start = self.end + _BETWEEN if starts else _FIRST
        latest = self.times[-1] if starts else 0
        for key, length, time in zip(keys, lengths, times, strict=True):
            number = self._next_number
            self._next_number += 1
            starts.append(start)
            self.numbers.append(number)
            old = table.remove(key) if time is None else table.put(key, number, self._position)
            before = -1 if old is None else self._position(old)
            if before >= 0:
                alive[before] = 0
                self.sessions -= 1
                self.live_bytes -= starts[before + 1] - _BETWEEN - starts[before]
            replaced.append(before if before >= 0 else _NONE)
            if time is None:
                alive.append(0)
                self.tombstones.append(len(starts) - 1)
            else:
                latest = time
                alive.append(1)
                self.sessions += 1
                self.live_bytes += length
            self.times.append(latest)
            start += length + _BETWEEN
        self.end = start - _BETWEEN if keys else self.end

    def find(self, key: bytes) -> Place | None:
        """Return where the session's live line stands."""
        number = self._table.get(key)
        position = -1 if number is None else self._position(number)
        return None if position < 0 else self.place(position)

    def place(self, position: int) -> Place:
        following = position + 1
        end = self.starts[following] - _BETWEEN if following < len(self.starts) else self.end
        return Place(self.starts[position], end - self.starts[position])

    def _position(self, number: int) -> int:
        """Return the position of a line by its number; -1 where a compaction left it out."""
        position = bisect_left(self.numbers, number)
        return position if position < len(self.numbers) and self.numbers[position] == number else -1

    # --- the list of sessions ----------------------------------------------------------------------------------

    def newest_first(self, before: int | None = None) -> Iterator[list[Place]]:
        """Return the places of all live lines by descending time, not above `before`; those of one time together.

        Lines stand nearly in order of time: only as many blocks of lines are sorted as the caller's page needs.
        """
        view = self._snapshot()
        count = len(view)
        blocks = [
            *self._full_blocks(),
            *([_range_of(view.times, len(view) - count % _BLOCK)] if count % _BLOCK else []),
        ]
        order = [number for number, (oldest, _) in enumerate(blocks) if before is None or oldest <= before]
        order.sort(key=lambda number: blocks[number][1], reverse=True)
        return view._merged(order, [blocks[number][1] for number in order], before)

    def _merged(self, order: list[int], newest: list[int], before: int | None) -> Iterator[list[Place]]:
        heap: list[tuple[int, int]] = []
        for number, bound in zip(order, chain(newest[1:], (-1,)), strict=False):
            first = number * _BLOCK
            for position in range(first, min(first + _BLOCK, len(self.alive))):
                if self.alive[position] and (before is None or self.times[position] <= before):
                    heapq.heappush(heap, (-self.times[position], position))
            while heap and -heap[0][0] > bound:
                time = heap[0][0]
                group = []
                while heap and heap[0][0] == time:
                    group.append(self.place(heapq.heappop(heap)[1]))
                yield group

    def _full_blocks(self) -> list[tuple[int, int]]:
        full = len(self) // _BLOCK
        self._blocks += [_range_of(self.times, number * _BLOCK) for number in range(len(self._blocks), full)]
        return self._blocks

    def _snapshot(self) -> Index:
        """Return the index as it is now; the columns only grow, so they are shared, but for what is alive."""
        view = Index.__new__(Index)
        view.starts, view.times, view.end, view.alive = self.starts, self.times, self.end, bytearray(self.alive)
        return view

    # --- compaction --------------------------------------------------------------------------------------------

    def live_at(self, end: int, cutoff: int = 0) -> bytearray:
        """Return, for each line up to `end`, whether it was live when the file ended there and is not older.

        Exactly these lines are copied by a compaction, in this order.
        """
        split = bisect_left(self.starts, end)
        live = self.alive[:split]
        for before in self.replaced[split:]:
            if before < split:
                live[before] = 1
        return bytearray(map(mul, live, map(cutoff.__le__, self.times))) if cutoff else live

    def moved(self, end: int, cutoff: int) -> Index:
        """Return the index of the file that a compaction made of this one: no line of it has to be read.

        The copy holds the lines of `live_at(end, cutoff)`, and then all lines behind `end`.
        """
        copied = self.live_at(end, cutoff)
        stay = copied + b"\1" * (len(self) - len(copied))
        steps = map(sub, chain(islice(self.starts, 1, None), [self.end + _BETWEEN]), self.starts)
        new = Index()
        new._table = self._table
        new.starts = array("Q", accumulate(compress(steps, stay), initial=_FIRST))
        following = new.starts.pop()
        new.end = following - _BETWEEN if new.starts else len(HEADER)
        new.times = array("Q", compress(self.times, stay))
        new.numbers = array("Q", compress(self.numbers, stay))
        new.alive = bytearray(compress(self.alive, stay))
        # Only lines that are added from now on are asked what they replaced.
        new.replaced = array("I", [_NONE]) * len(new.starts)
        new.sessions = new.alive.count(1)
        lengths = map(sub, chain(islice(new.starts, 1, None), [following]), new.starts)
        new.live_bytes = sum(compress(lengths, new.alive)) - _BETWEEN * new.sessions
        shift = copied.count(1) - len(copied)
        new.tombstones = [position + shift for position in self.tombstones if position >= len(copied)]
        new._next_number = self._next_number
        return new


def _range_of(times: array[int], first: int) -> tuple[int, int]:
    block = times[first : first + _BLOCK]
    return min(block), max(block)


class _Table:
    r"""A hash table from session keys to line numbers; a bucket is a byte string of entries `\n<key>\0<number>`.

    A key holds no control character, so a search for a whole entry finds no other. It grows by linear hashing: one more
    bucket at a time takes half of an older one's entries, so that no insertion takes long.
    """

    _FULL = 16

    def __init__(self, expected: int = 0) -> None:
        self._base = 64
        while self._base * self._FULL < expected:
            self._base *= 2
        self._split = 0
        self._buckets = [bytearray() for _ in range(self._base)]
        self._count = 0

    def _bucket(self, key: bytes) -> bytearray:
        where = hash(key) & (self._base - 1)
        if where < self._split:
            where = hash(key) & (2 * self._base - 1)
        return self._buckets[where]

    def get(self, key: bytes) -> int | None:
        bucket, entry = self._bucket(key), b"\n" + key + b"\0"
        found = bucket.find(entry)
        if found < 0:
            return None
        begin = found + len(entry)
        end = bucket.find(b"\n", begin)
        return int(bucket[begin:end] if end >= 0 else bucket[begin:])

    def put(self, key: bytes, number: int, position: Callable[[int], int]) -> int | None:
        """Set the number of a key; return the one it had. `position` is below 0 for numbers of lines that are gone."""
        bucket, entry = self._bucket(key), b"\n" + key + b"\0"
        found = bucket.find(entry)
        if found >= 0:
            begin = found + len(entry)
            end = bucket.find(b"\n", begin)
            end = end if end >= 0 else len(bucket)
            old = int(bucket[begin:end])
            bucket[begin:end] = b"%d" % number
            return old
        if bucket.count(b"\n") > 3 * self._FULL:
            # A prune leaves out lines without their keys; they go when they would make a bucket long.
            known = [one for one in bucket.split(b"\n")[1:] if position(int(one[one.index(b"\0") + 1 :])) >= 0]
            self._count -= bucket.count(b"\n") - len(known)
            bucket[:] = b"".join(b"\n" + one for one in known)
        bucket += b"%b%d" % (entry, number)
        self._count += 1
        if self._count > self._FULL * len(self._buckets):
            self._grow()
        return None

    def remove(self, key: bytes) -> int | None:
        """Forget a key; return the number it had."""
        number = self.get(key)
        if number is not None:
            bucket, entry = self._bucket(key), b"\n%b\0%d" % (key, number)
            begin = bucket.find(entry)
            del bucket[begin : begin + len(entry)]
            self._count -= 1
        return number

    def _grow(self) -> None:
        entries = self._buckets[self._split].split(b"\n")[1:]
        self._buckets[self._split] = bytearray()
        self._buckets.append(bytearray())
        self._split += 1
        for entry in entries:
            bucket = self._bucket(bytes(entry[: entry.index(b"\0")]))
            bucket += b"\n" + entry
        if self._split == self._base:
            self._base, self._split = 2 * self._base, 0
