"""A block of lines that stand together in a session file: where each stands, and which are alive."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, compress, islice
from operator import mul, sub
from typing import NamedTuple

from tracker.durable import blocking
from tracker.storage.json_file.text import BETWEEN


class Place(NamedTuple):
    """Where a line stands, in bytes."""

    start: int
    length: int


def cutoff_for(blocks: Iterable[Block], most: int) -> int:
    """Return the time (ms) since which the live lines take `most` bytes at most; 0 if all of them do.

    It is never above the newest time of all, so that something stays whatever the lines take.
    """
    sizes: defaultdict[int, int] = defaultdict(int)
    for block in blocks:
        blocking.give_way()
        for time, size in block.ages():
            sizes[time] += size
    cutoff = 0
    for time in sorted(sizes, reverse=True):
        most -= sizes[time]
        if most < 0 and cutoff:
            return cutoff
        cutoff = time
    return 0


class Block:
    """Copies of a block share its columns, which are never changed but for lines that are added at the end."""

    __slots__ = ("alive", "live", "newest", "numbers", "offsets", "oldest", "size", "start", "stay", "times")

    def __init__(self, start: int) -> None:
        self.start = start
        """Where its first line stands."""
        self.size = 0
        """Its bytes in the file, a separator behind each line included; so the next block begins at start + size."""
        self.live = 0
        """As many of them are the bytes of live lines."""
        self.newest, self.oldest = 0, 1 << 63
        """Bounds of the times."""
        self.offsets = array("Q", [0])
        """Where each line stands behind `start`, and where the one after the last would stand."""
        self.times = array("Q")
        """When the session of each line was updated (ms)."""
        self.numbers = array("Q")
        """The number of each line, ascending: it stays the same when a compaction moves the line."""
        self.alive = bytearray()
        """1 for each line that is the last of its session."""
        self.stay: bytearray | None = None
        """1 for each line that a compaction copied, until `settle` forgets the others."""

    def __len__(self) -> int:
        return len(self.alive)

    def add(self, number: int, lengths: list[int], times: list[int]) -> None:
        """Add lines that are numbered from `number` on, to a settled block."""
        before = self.size
        if len(lengths) == 1:
            # Each update comes here: half the time.
            self.size += lengths[0] + BETWEEN
            self.offsets.append(self.size)
            self.times.append(times[0])
            self.numbers.append(number)
            self.alive.append(1)
        else:
            self.offsets.extend(islice(accumulate(map(BETWEEN.__add__, lengths), initial=before), 1, None))
            self.size = self.offsets[-1]
            self.times.extend(times)
            self.numbers.extend(range(number, number + len(times)))
            self.alive += b"\1" * len(times)
        self.live += self.size - before
        self.newest, self.oldest = max(self.newest, *times), min(self.oldest, *times)

    def position(self, number: int) -> int:
        """Return the position of a line by its number; -1 where a compaction left it out."""
        position = bisect_left(self.numbers, number)
        is_there = position < len(self.alive) and self.numbers[position] == number
        return position if is_there and (self.stay is None or self.stay[position]) else -1

    def place(self, position: int) -> Place:
        """Return where a line of a settled block stands."""
        offset = self.offsets[position]
        return Place(self.start + offset, self.offsets[position + 1] - offset - BETWEEN)

    def kill(self, position: int) -> int:
        """Note that a line is no longer the last one of its session; return its bytes, the separator included."""
        step = self.offsets[position + 1] - self.offsets[position]
        self.alive[position] = 0
        self.live -= step
        return step

    def revive(self, position: int) -> None:
        """Undo `kill`."""
        self.live += self.offsets[position + 1] - self.offsets[position]
        self.alive[position] = 1

    def copy(self) -> Block:
        """Return the lines as they are now; the copy does not notice what dies or is added afterwards."""
        other = Block.__new__(Block)
        other.start, other.size, other.live = self.start, self.size, self.live
        other.newest, other.oldest = self.newest, self.oldest
        other.offsets, other.times, other.numbers = self.offsets, self.times, self.numbers
        other.alive, other.stay = bytearray(self.alive), self.stay
        return other

    def live_runs(self, most: int) -> Iterator[tuple[Place, int]]:
        """Return (place, number of lines) of all runs of live lines; more than `most` bytes only where one line is."""
        self.settle()
        alive, offsets = self.alive, self.offsets
        first = alive.find(1)
        while first >= 0:
            dead = alive.find(0, first)
            behind = (
                bisect_right(offsets, offsets[first] + most, first + 2, dead + 1 if dead >= 0 else len(self) + 1) - 1
            )
            yield Place(self.start + offsets[first], offsets[behind] - offsets[first] - BETWEEN), behind - first
            first = alive.find(1, behind)

    def ages(self) -> Iterator[tuple[int, int]]:
        """Yield (time of its session, bytes with the separator behind it) of each live line."""
        self.settle()
        return compress(zip(self.times, self._steps(), strict=True), self.alive)

    # --- compaction --------------------------------------------------------------------------------------------

    def up_to(self, end: int) -> Block:
        """Return a copy with only the lines that stand before `end`."""
        if self.start + self.size <= end + BETWEEN:
            return self.copy()
        other = self.settle().copy()
        count = bisect_left(self.offsets, end - self.start)
        other.stay, other.size = bytearray(b"\1" * count + bytes(len(self) - count)), self.offsets[count]
        other._let_die_but(other.stay)
        return other.settle()

    def drop_older(self, cutoff: int) -> None:
        """Let all lines die whose session was updated before."""
        if self.oldest < cutoff:
            self._let_die_but(map(cutoff.__le__, self.times))

    def _let_die_but(self, these: Iterable[int]) -> None:
        self.alive = bytearray(map(mul, self.alive, these))
        self.live = sum(compress(self._steps(), self.alive))

    def _steps(self) -> Iterator[int]:
        return map(sub, islice(self.offsets, 1, None), self.offsets)

    def moved(self, start: int, copied: Block | None, *, pruned: bool) -> Block:
        """Return the block in a file that a compaction made, where it begins at `start`.

        `copied`: its first lines; what lived of them was copied, and all that stands behind them. `pruned`: some of
        what is alive was left out.
        """
        other = self.copy()
        other.start = start
        if copied is not None:
            other.stay = copied.alive + b"\1" * (len(self) - len(copied))
            other.size = copied.live + self.size - copied.size
            if pruned:
                other._let_die_but(other.stay)
        return other

    def settle(self) -> Block:
        """Forget the lines that a compaction left out; return this block."""
        if (stay := self.stay) is not None:
            self.offsets = array("Q", accumulate(compress(self._steps(), stay), initial=0))
            self.times = array("Q", compress(self.times, stay))
            self.numbers = array("Q", compress(self.numbers, stay))
            self.alive = bytearray(compress(self.alive, stay))
            self.stay = None
        return self

    def join(self, other: Block) -> None:
        """Take in the lines of the block that follows; both are settled."""
        self.offsets = self.offsets[:-1] + array("Q", map(self.size.__add__, other.offsets))
        self.times, self.numbers, self.alive = (
            self.times + other.times,
            self.numbers + other.numbers,
            self.alive + other.alive,
        )
        self.newest, self.oldest = max(self.newest, other.newest), min(self.oldest, other.oldest)
        self.size, self.live = self.size + other.size, self.live + other.live
