"""What a shopper's browser remembers of earlier visits, as its script tells it with a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Final

from tracker.decisions.shop.shop import Shop


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """A message that this browser was shown; days are whole ones that have passed since."""

    message_id: str
    shown_days: int | None = None
    dismissals: int = 0
    dismissed_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserMemory:
    """The messages that were shown, and how many days ago something was bought; None if nothing is remembered."""

    seen: tuple[SeenMessage, ...] = ()
    bought_days: int | None = None

    def to_record(self) -> dict[str, Any]:
        """Return {seen?: [[message_id, shown_days, dismissals, dismissed_days]], bought?}; {} for no memory."""
        record: dict[str, Any] = {}
        if self.seen:
            record["seen"] = [list(astuple(one)) for one in self.seen]
        if self.bought_days is not None:
            record["bought"] = self.bought_days
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> BrowserMemory:
        """Read what `to_record` made. Raises TypeError or ValueError for anything else."""
        return cls(seen=tuple(SeenMessage(*one) for one in record.get("seen", ())), bought_days=record.get("bought"))

    def resting(self, shop: Shop) -> frozenset[str]:
        """Return the ids of the messages that this browser is not to be shown again yet.

        A message that was closed rests for the shop's days, and twice as long after each further time.
        """
        return frozenset(one.message_id for one in self.seen if _rests(one, shop))

    def bought_lately(self, shop: Shop) -> bool:
        """Whether an order was placed too few days ago for a popup."""
        return self.bought_days is not None and self.bought_days < shop.caps.days_after_purchase


NO_MEMORY: Final = BrowserMemory()
_MOST_DOUBLINGS: Final = 10


def _rests(seen: SeenMessage, shop: Shop) -> bool:
    message = shop.find(seen.message_id)
    if message is None:
        return False
    once = message.once_in_days
    if once is not None and seen.shown_days is not None and seen.shown_days < once:
        return True
    if not seen.dismissals or seen.dismissed_days is None:
        return False
    doublings = min(seen.dismissals - 1, _MOST_DOUBLINGS)
    return seen.dismissed_days < shop.caps.days_after_dismissal << doublings
