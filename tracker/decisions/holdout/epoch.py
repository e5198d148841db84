"""An epoch: a time in which one share of all browsers is held out, and which of them that are.

A browser belongs to one of a thousand lots. An epoch ranks the lots in an order of its own and holds out the first of
them, so the share is exact: comparing each lot's hash with the share would hold out 8 to 12 % for 10 %.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tracker.sessions.model import LOTS, ShopperSession

LOTS_A_PERCENT: Final = LOTS / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What is compared belongs to one epoch: another share begins another one, and epochs are never pooled."""

    id: str
    """A random text, which ranks the lots. A browser that was offered a popup brings it with its later visits."""
    percent: float
    begun_ms: int

    @property
    def held_lots(self) -> frozenset[int]:
        return _first_lots(self.id, round(self.percent * LOTS_A_PERCENT))

    def holds(self, lot: int) -> bool:
        """Whether the browsers of this lot are held out."""
        return lot in self.held_lots


EXAMPLE: Final = Epoch(id="example", percent=50.0, begun_ms=0)
"""The epoch of simulated shoppers, whatever share of the shop's own is held out."""


@lru_cache(maxsize=64)
def _first_lots(epoch_id: str, count: int) -> frozenset[int]:
    def rank(lot: int) -> bytes:
        return hashlib.blake2b(f"{epoch_id}.{lot}".encode(), digest_size=16).digest()

    return frozenset(sorted(range(LOTS), key=rank)[:count])


def lot_of(session: ShopperSession) -> int:
    """Return the lot of a session's browser; of a browser that has none, one that follows from the session's id."""
    if session.lot is not None:
        return session.lot
    digest = hashlib.blake2b(session.session.encode(), digest_size=8, person=b"lot").digest()
    return int.from_bytes(digest) % LOTS
