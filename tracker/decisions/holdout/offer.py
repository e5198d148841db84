"""An offer: the first moment of a visit at which a popup would be shown, in either group alike.

All that is said about whether popups sell is counted from here: of browsers that were offered one, not of those that
saw one. Its record stands in the decision log under `offer`: {at, arm, message_id, share, epoch, first,
lot}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Arm: TypeAlias = Literal["shown", "held"]
"""`shown`: the popup was decided for; `held`: it was replaced by silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The first would-show moment of a visit, written once."""

    at_ms: int
    arm: Arm
    message_id: str
    """What was said, or would have been said."""
    percent: float
    """The share that was held out then."""
    epoch: str
    first: bool
    """Whether this browser had not been offered anything in this epoch before."""
    lot: int
    """The lot by which the arm was chosen."""

    def to_record(self) -> dict[str, Any]:
        return {
            "at": self.at_ms,
            "arm": self.arm,
            "message_id": self.message_id,
            "share": self.percent,
            "epoch": self.epoch,
            "first": self.first,
            "lot": self.lot,
        }

    @classmethod
    def of(cls, decisions: Mapping[str, Any]) -> Offer | None:
        """Return the offer of a decision log's record; None if there was none, or none that can be read."""
        match decisions.get("offer"):
            case {
                "at": int(at_ms),
                "arm": "shown" | "held" as arm,
                "message_id": str(message_id),
                "share": int() | float() as percent,
                "epoch": str(epoch),
                "first": bool(first),
                "lot": int(lot),
            }:
                return cls(
                    at_ms=at_ms,
                    arm=arm,
                    message_id=message_id,
                    percent=percent,
                    epoch=epoch,
                    first=first,
                    lot=lot,
                )
        return None
