"""The port to wherever sessions are kept: what every store promises, and how it fails.

StoreError                 the store cannot do what was asked now; nothing was changed
├── StoreBusyError         another writer holds the store; try again in a moment
├── StoreFullError         no room, or the disk refuses to write
├── StoreDamagedError      what is kept cannot be read safely; nothing is overwritten until it is repaired
└── StoreClosedError       the store was closed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tracker.sessions.model import ShopperSession


class StoreError(Exception):
    """The store cannot take or give this now. `str(error)` may be shown to anyone: it names no path."""

    code = "store_unavailable"
    retry_after = 5
    """Seconds after which another try may succeed."""


class StoreBusyError(StoreError):
    code = "store_busy"
    retry_after = 1


class StoreFullError(StoreError):
    code = "store_cannot_write"
    retry_after = 30


class StoreDamagedError(StoreError):
    code = "store_damaged"
    retry_after = 300


class StoreClosedError(StoreError):
    code = "store_closed"


class UnknownSessionError(LookupError):
    """Nothing is stored of the session that a caller needs. No failure of the store."""


Change: TypeAlias = Callable[[ShopperSession | None], ShopperSession]
"""From the session as it is stored (None: there is none) to the session as it shall be.

Pure: a store may call it more than once, each time with what is stored by then, and in whatever thread writes it.
"""

Position: TypeAlias = tuple[int, str]
"""(updated_at, session) of a session: where it stands in the order of `iterate`."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called now and then during long work with (done, of how many)."""


def least_of(most: int) -> int:
    """Return what `SessionStore.shrink` leaves: three quarters, so that it has work at every quarter of the bound."""
    return most * 3 // 4


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """How the store is now; see `SessionStore.problem` for the problem."""

    sessions: int
    size_bytes: int
    problem: str | None = None


class SessionStore(Protocol):
    """Sessions by id. Every method may raise a StoreError, and has then changed nothing.

    All methods may be called from several threads and processes at once.
    """

    def update(self, session_id: str, change: Change) -> ShopperSession:
        """Read, change and write one session as one step; return what is stored now.

        No other update of any process comes between the reading and the writing. When this returns, the session
        survives a crash of the process, of all processes, and of the machine. A change that returns the very object
        it was given writes nothing; a change that raises leaves everything as it was.
        """

    def get(self, session_id: str) -> ShopperSession | None:
        """Return the session as last stored, or None."""

    def delete(self, session_id: str) -> bool:
        """Delete the session; return whether there was one.

        From then on no answer of any process holds it. Every trace of it is gone from what the store keeps within a
        minute, also where this process does not live so long: another one sees to it that works with the store. After
        `close` or `prune` it is gone at once.
        """

    def iterate(self, before: Position | None = None) -> Iterator[ShopperSession]:
        """Return all sessions, the one updated last first; with `before`, those that stand after that position.

        Reads as it goes: sessions stored after the call may be missing, none comes half. A page costs its own length.
        """

    def prune(self, cutoff: int, progress: Progress | None = None) -> int:
        """Delete all sessions not updated since `cutoff` (ms since 1970), and every trace of them; return how many."""

    def size(self) -> int | None:
        """Return how many bytes what is kept takes, as far as this process knows; None where that would cost something.

        Raises nothing.
        """

    def shrink(self, most: int) -> int:
        """Where what is kept takes more than `most` bytes, bring it down to three quarters of that; return the loss.

        What is out of use goes first, then the sessions that were not updated for longest, with every trace of them;
        the sessions of the newest time stay. The loss is the number of sessions that were deleted.
        """

    def problem(self) -> str | None:
        """Return None where the store can take a write now, else a sentence that says what to do. Raises nothing.

        Tries it rather than infers it, at the cost of a small part of a write, however much is stored.
        """

    def check(self) -> StoreCheck:
        """Return how much is stored, and the problem if there is one. Raises nothing; may take long."""

    def close(self) -> None:
        """Close files and connections. Every other call then raises StoreClosedError."""
