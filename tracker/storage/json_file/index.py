"""Where every session's line stands in one session file: rebuilt at opening, at 60 to 90 bytes a session.

Lines, dead ones too, stand in blocks, in the order of the file. A compaction is taken over by blocks: where each begins
follows from the sizes of those before it, and which lines it lost is worked out when it is next used, or a block with
each write that follows. So a process that knows 100,000 sessions goes on in the new file within a millisecond.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import zip_longest
from operator import attrgetter
from typing import cast

from tracker.storage.json_file.blocks import Block, Place
from tracker.storage.json_file.table import KeyTable
from tracker.storage.json_file.text import BETWEEN, HEADER, separator

_FIRST = len(HEADER) + len(separator(first=True))
_LINES_A_BLOCK = 512


class Index:
    """The lines of one file, up to `end`. Its users hold the store's memory lock."""

    def __init__(self, lines_a_block: int = _LINES_A_BLOCK) -> None:
        self._lines_a_block = lines_a_block
        self._table = KeyTable()
        self._blocks: list[Block] = []
        self._firsts: list[int] = []
        """For each block a number that is not above its lines' numbers, and above those before it."""
        self._tidied = 0
        """How many blocks in front are settled and full enough."""
        self._killers = array("Q")
        self._killed = array("Q")
        """The number of each line that put another one out of use, and the number of that."""
        self._next_number = 0
        self.sessions = 0
        self._live = 0
        """The bytes of live lines, separators included."""
        self.end = len(HEADER)
        """Just behind the last line, where the footer stands."""
        self.tombstones: list[int] = []
        """The numbers of tombstones: lines of the deleted sessions may still stand before them."""

    @property
    def is_empty(self) -> bool:
        return not self._blocks

    @property
    def lines(self) -> int:
        """Return the number of lines, dead ones included."""
        return sum(len(block.settle()) for block in self._blocks)

    @property
    def live_bytes(self) -> int:
        return self._live - BETWEEN * self.sessions

    @property
    def dead_bytes(self) -> int:
        return self.end - self.live_bytes

    def reserve(self, sessions: int) -> None:
        """Make room for about so many, while there are none: growing step by step costs time at opening."""
        if self.is_empty:
            self._table = KeyTable(sessions)

    # --- lines -------------------------------------------------------------------------------------------------

    def add(self, keys: list[bytes], lengths: list[int], times: list[int | None]) -> None:
        """Add lines that follow the last one; a time of None marks a tombstone."""
        if None in times:
            for key, length, time in zip(keys, lengths, times, strict=True):
                if time is not None:
                    self._add([key], [length], [time])
                else:
                    self._add([key], [length], [self._blocks[-1].times[-1] if self._blocks else 0])
                    self.tombstones.append(self._next_number - 1)
                    self._kill(self._next_number - 1)
                    self._table.remove(key)
        elif keys:
            self._add(keys, lengths, cast("list[int]", times))
        self._tidy()

    def _add(self, keys: list[bytes], lengths: list[int], times: list[int]) -> None:
        number, done, count = self._next_number, 0, len(keys)
        while done < count:
            block = self._block_with_room(number + done)
            upto = done + self._lines_a_block - len(block.alive)
            block.add(number + done, lengths[done:upto], times[done:upto])
            done = upto
        self._next_number += count
        self.sessions += count
        self._live += sum(lengths) + count * BETWEEN
        self.end = block.start + block.size - BETWEEN
        for place, old in self._table.put_all(keys, number, self._is_there):
            if self._kill(old):
                self._killers.append(number + place)
                self._killed.append(old)

    def _block_with_room(self, number: int) -> Block:
        start = _FIRST
        if self._blocks:
            last = self._blocks[-1].settle()
            if len(last.alive) < self._lines_a_block:
                return last
            start = last.start + last.size
        self._blocks.append(Block(start))
        self._firsts.append(number)
        return self._blocks[-1]

    def _kill(self, number: int) -> bool:
        block = self._blocks[bisect_right(self._firsts, number) - 1]
        position = block.position(number)
        if position < 0:
            return False
        self._live -= block.kill(position)
        self.sessions -= 1
        return True

    def _is_there(self, number: int) -> bool:
        return self._blocks[bisect_right(self._firsts, number) - 1].position(number) >= 0

    def find(self, key: bytes) -> Place | None:
        """Return where the session's live line stands."""
        number = self._table.get(key)
        if number is None or not self._blocks:
            return None
        block = self._blocks[bisect_right(self._firsts, number) - 1]
        if block.stay is not None:
            block.settle()
        position = block.position(number)
        return None if position < 0 else block.place(position)

    # --- what was added since ----------------------------------------------------------------------------------

    @property
    def next_number(self) -> int:
        """The number of the next line that is added."""
        return self._next_number

    def copied_blocks(self) -> list[Block]:
        """Return all lines as they are now."""
        return [block.copy() for block in self._blocks]

    def live_from(self, number: int) -> Iterator[Place]:
        """Yield the places of the live lines with this number and above."""
        for block in self._blocks[max(0, bisect_right(self._firsts, number) - 1) :]:
            block.settle()
            for position in range(bisect_left(block.numbers, number), len(block)):
                if block.alive[position]:
                    yield block.place(position)

    def killed_from(self, number: int) -> Iterator[int]:
        """Yield the numbers of the lines that lines with this number and above put out of use."""
        return iter(self._killed[bisect_left(self._killers, number) :])

    def place_of(self, number: int) -> Place | None:
        """Return where a line stands, dead or alive; None where a compaction left it out."""
        block = self._blocks[bisect_right(self._firsts, number) - 1].settle()
        position = block.position(number)
        return None if position < 0 else block.place(position)

    # --- the list of sessions ----------------------------------------------------------------------------------

    def newest_first(self, before: int | None = None) -> Iterator[list[Place]]:
        """Return the places of all live lines by descending time, not above `before`; those of one time together.

        Lines stand nearly in order of time: only as many blocks of lines are sorted as the caller's page needs.
        """
        blocks = [block.copy() for block in self._blocks if block.live and (before is None or block.oldest <= before)]
        return _merged(sorted(blocks, key=attrgetter("newest")), before)

    # --- compaction --------------------------------------------------------------------------------------------

    def live_at(self, end: int, cutoff: int = 0) -> list[Block]:
        """Return the blocks of lines up to `end`, with that alive which was when the file ended there.

        Exactly the live lines are copied by a compaction, in this order; not those older than the cutoff.
        """
        count = bisect_left(self._blocks, end, key=attrgetter("start"))
        copies = [block.up_to(end) for block in self._blocks[:count]]
        first = self._first_behind(copies)
        for killed in self._killed[bisect_left(self._killers, first) :]:
            if killed < first:
                copy = copies[bisect_right(self._firsts, killed) - 1]
                copy.revive(copy.position(killed))
        for copy in copies if cutoff else ():
            copy.drop_older(cutoff)
        return copies

    def _first_behind(self, copies: list[Block]) -> int:
        """Return the number of the first line that is not among the copies of the first blocks, or would not be."""
        count = len(copies)
        if copies and len(copies[-1]) < len(last := self._blocks[count - 1]):
            return last.numbers[len(copies[-1])]
        return self._firsts[count] if count < len(self._firsts) else self._next_number

    def moved(self, end: int, cutoff: int) -> Index:
        """Return the index of the file that a compaction made of this one: no line of it has to be read.

        The copy holds what lives in `live_at(end, cutoff)`, and then all lines behind `end`.
        """
        copies = self.live_at(end, cutoff)
        first_behind, start = self._first_behind(copies), _FIRST
        new = Index(self._lines_a_block)
        new._table, new._next_number = self._table, self._next_number
        for block, first, copy in zip_longest(self._blocks, self._firsts, copies):
            if (other := block.moved(start, copy, pruned=cutoff > 0)).size:
                new._blocks.append(other)
                new._firsts.append(first)
                start += other.size
                new.sessions += other.alive.count(1)
                new._live += other.live
        new.end = start - BETWEEN if new._blocks else len(HEADER)
        new.tombstones = [number for number in self.tombstones if number >= first_behind]
        return new

    def _tidy(self) -> None:
        """Settle one more block, and join it to the one before where both fit into one."""
        at = self._tidied
        if at < len(self._blocks):
            block = self._blocks[at].settle()
            if at and len(self._blocks[at - 1]) + len(block) <= self._lines_a_block:
                self._blocks[at - 1].join(block)
                del self._blocks[at], self._firsts[at]
            else:
                self._tidied += 1


def _merged(blocks: list[Block], before: int | None) -> Iterator[list[Place]]:
    heap: list[tuple[int, int, int]] = []
    for number in reversed(range(len(blocks))):
        block = blocks[number].settle()
        times = block.times
        heap += [
            (-times[one], number, one)
            for one, is_alive in enumerate(block.alive)
            if is_alive and (before is None or times[one] <= before)
        ]
        heapq.heapify(heap)
        bound = blocks[number - 1].newest if number else -1
        while heap and -heap[0][0] > bound:
            time, *where = heapq.heappop(heap)
            group = [where]
            while heap and heap[0][0] == time:
                group.append(list(heapq.heappop(heap)[1:]))
            yield [blocks[one].place(position) for one, position in group]
