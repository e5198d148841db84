"""The port to sums over sessions: what a store keeps of them beside the sessions, in a form that it does not know.

A session comes down to a *tally*, a short list that stands near the beginning of its record. A store adds tallies up
without parsing the rest, and keeps the sums of the sessions that it prunes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

from tracker.sessions.model import Record
from tracker.sessions.store import Change


class Sums(Protocol):
    """Sums over sessions. One thread at a time may use them."""

    def put(self, session_id: str, tally: bytes, sign: int) -> None:
        """Put the tally of a session in (`sign` 1) or take it out (-1), as its record spells it.

        Where nothing finds the session by it, as many such sessions as `sign` says.
        """

    def put_record(self, session_id: str, record: Record, sign: int) -> None:
        """The same for a session whose record holds no tally, or none that can be read."""

    def merge(self, other: Self) -> None:
        """Put all that the other sums hold in, but not how single sessions are found."""

    def find(self, key: str) -> str | None:
        """Return the id of a session by a key, as its tally holds it."""

    def to_record(self) -> Any:
        """Return the sums as JSON, without how single sessions are found."""


class Counting(Protocol):
    """What sessions come down to. Pure, and the same in all processes."""

    def counted(self, change: Change) -> Change:
        """Return the change of a session with its tally made anew."""

    def parted(self, tally: Sequence[Any]) -> tuple[bytes, list[str]]:
        """Return the part of a session's tally that is summed, as `Sums.put` takes it, and the keys that find it."""

    def sums(self, record: Any = None) -> Any:
        """Return new sums, or those of a record that `Sums.to_record` made. Raises ValueError."""

    def aged(self, record: Any) -> Any:
        """Return the record of sums of pruned sessions as it is to be kept from today on."""


class CountedSessions(Protocol):
    """The sums of a store: of all its sessions, and of those that it pruned. Every method may raise a StoreError."""

    def version(self) -> str:
        """Return a text that changes with the sums, without counting anything."""

    def read(self) -> Any:
        """Return the sums of everything that any process has stored before the call. To be read only."""

    def find(self, key: str) -> str | None:
        """Return the id of a session by a key that its tally holds."""
