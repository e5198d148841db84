"""The sessions that a prune is about to leave out, and what is kept of them."""

from __future__ import annotations

import os
from typing import Final

from tracker.sessions.counting import Counting, Sums
from tracker.storage.json_file.blocks import Block
from tracker.storage.json_file.counting.beginnings import put_place
from tracker.storage.json_file.file import Identity, SessionFile


class Leaving:
    """The sums of the sessions that leave; nobody leaves without a cutoff."""

    def __init__(self, counting: Counting, file: SessionFile, cutoff: int) -> None:
        """Note what is alive now; the memory lock is held, and everything in the file is known."""
        self._file = file
        self._cutoff = cutoff
        self._blocks: list[Block] = file.index.copied_blocks() if cutoff else []
        self._upto = file.index.next_number
        self._numbers: set[int] = set()
        self._sums: Sums = counting.sums()

    def count(self) -> None:
        """Count them. Needs no lock, and takes longest."""
        for block in self._blocks:
            if block.oldest < self._cutoff:
                block.settle()
                for position, is_alive in enumerate(block.alive):
                    if is_alive and block.times[position] < self._cutoff:
                        put_place(self._sums, self._file, block.place(position), 1)
                        self._numbers.add(block.numbers[position])

    def as_of_now(self) -> Sums | None:
        """Return the sums without the sessions that were updated or deleted meanwhile; None if nobody leaves.

        The file lock is held.
        """
        for number in self._file.index.killed_from(self._upto):
            if number in self._numbers and (place := self._file.index.place_of(number)) is not None:
                self._numbers.remove(number)
                put_place(self._sums, self._file, place, -1)
        return self._sums if self._numbers else None


class _NobodyLeaves(Leaving):
    def __init__(self) -> None:
        pass

    def count(self) -> None:
        pass

    def as_of_now(self) -> Sums | None:
        return None


NOBODY_LEAVES: Final = _NobodyLeaves()


class NothingKept:
    """What a store keeps of pruned sessions that counts nothing: nothing."""

    def leaving(self, file: SessionFile, cutoff: int) -> Leaving:
        """Return the sums of what a prune up to `cutoff` leaves out of a file. The memory lock is held."""
        return NOBODY_LEAVES

    def prepare(self, now: os.stat_result | None, to: Identity, leaving: Leaving) -> None:
        """Settle what is pending by the session file of now, and note what leaves when `to` takes its place.

        The rewriting lock is held, and where somebody leaves the file lock too. Raises a StoreError, and then nobody
        may leave.
        """

    def settle(self, now: Identity) -> None:
        """Make what is pending a part of the sums. Where that fails, the next rewrite does it."""
