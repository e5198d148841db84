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
from typing import NamedTuple, cast

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
        self._blocks: list[_Block] = []
        """Each full block of lines, for the list of sessions: computed when a page is asked for."""

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
        if None in times:
            for key, length, time in zip(keys, lengths, times, strict=True):
                if time is not None:
                    self._add([key], [length], [time])
                else:
                    self._add([key], [length], [self.times[-1] if self.times else 0])
                    self.tombstones.append(len(self) - 1)
                    self._kill(len(self) - 1)
                    self._table.remove(key)
        elif keys:
            self._add(keys, lengths, cast("list[int]", times))

    def _add(self, keys: list[bytes], lengths: list[int], times: list[int]) -> None:
        first, number, count = len(self), self._next_number, len(keys)
        begin = self.end + _BETWEEN if first else _FIRST
        starts = [begin] if count == 1 else accumulate(map(_BETWEEN.__add__, lengths[:-1]), initial=begin)
        self.starts.extend(starts)
        self.end = self.starts[-1] + lengths[-1]
        self.times.extend(times)
        self._next_number += count
        self.numbers.extend(range(number, self._next_number))
        self.replaced.extend([_NONE] * count)
        self.alive += b"\1" * count
        self.sessions += count
        self.live_bytes += sum(lengths)
        for place, old in self._table.put_all(keys, number, self._position):
            if (before := self._position(old)) >= 0:
                self.replaced[first + place] = before
                self._kill(before)

    def _kill(self, position: int) -> None:
        self.alive[position] = 0
        self.sessions -= 1
        self.live_bytes -= self.place(position).length

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
        full = len(self) // _BLOCK
        self._blocks += [_block(self.times, number) for number in range(len(self._blocks), full)]
        last = [_block(self.times, full)] if len(self) % _BLOCK else []
        newest_last = sorted(self._blocks + last)
        return self._snapshot()._merged(newest_last, before)

    def _merged(self, blocks: list[_Block], before: int | None) -> Iterator[list[Place]]:
        times, alive = self.times, self.alive
        heap: list[tuple[int, int]] = []
        while blocks:
            _newest, oldest, number = blocks.pop()
            if before is not None and oldest > before:
                continue
            positions = range(number * _BLOCK, min((number + 1) * _BLOCK, len(alive)))
            heap += [(-times[one], one) for one in positions if alive[one] and (before is None or times[one] <= before)]
            heapq.heapify(heap)
            bound = blocks[-1].newest if blocks else -1
            while heap and -heap[0][0] > bound:
                time, position = heapq.heappop(heap)
                group = [self.place(position)]
                while heap and heap[0][0] == time:
                    group.append(self.place(heapq.heappop(heap)[1]))
                yield group

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
        new.live_bytes = following - _FIRST - _BETWEEN * len(new)
        dead = new.alive.find(0)
        while dead >= 0:
            new.live_bytes -= new.place(dead).length
            dead = new.alive.find(0, dead + 1)
        shift = copied.count(1) - len(copied)
        new.tombstones = [position + shift for position in self.tombstones if position >= len(copied)]
        new._next_number = self._next_number
        return new


class _Block(NamedTuple):
    """The times of some lines that stand together."""

    newest: int
    oldest: int
    number: int


def _block(times: array[int], number: int) -> _Block:
    block = times[number * _BLOCK : (number + 1) * _BLOCK]
    return _Block(max(block), min(block), number)


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

    def put_all(self, keys: list[bytes], number: int, position: Callable[[int], int]) -> Iterator[tuple[int, int]]:
        """Number the keys, ascending from `number` on; return (place among the keys, old number) of known ones.

        `position` is below 0 for numbers of lines that are gone.
        """
        buckets, mask, split = self._buckets, self._base - 1, self._split
        for place, key in enumerate(keys):
            where = hash(key) & mask
            bucket = buckets[where] if where >= split else self._bucket(key)
            entry = b"\n%b\0" % key
            found = bucket.find(entry)
            if found >= 0:
                begin = found + len(entry)
                end = bucket.find(b"\n", begin)
                end = end if end >= 0 else len(bucket)
                old = int(bucket[begin:end])
                bucket[begin:end] = b"%d" % (number + place)
                yield place, old
                continue
            if len(bucket) > 4 * self._FULL * len(entry):
                self._purge(bucket, position)
            bucket += b"%b%d" % (entry, number + place)
            self._count += 1
            if self._count > self._FULL * len(buckets):
                self._grow()
                mask, split = self._base - 1, self._split

    def _purge(self, bucket: bytearray, position: Callable[[int], int]) -> None:
        """Forget keys of lines that are gone: a prune leaves lines out without knowing their keys."""
        entries = bucket.split(b"\n")[1:]
        known = [one for one in entries if position(int(one[one.index(b"\0") + 1 :])) >= 0]
        self._count -= len(entries) - len(known)
        bucket[:] = b"".join(b"\n" + one for one in known)

    def remove(self, key: bytes) -> None:
        """Forget a key."""
        bucket, entry = self._bucket(key), b"\n%b\0" % key
        begin = bucket.find(entry)
        if begin >= 0:
            end = bucket.find(b"\n", begin + len(entry))
            del bucket[begin : end if end >= 0 else len(bucket)]
            self._count -= 1

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
