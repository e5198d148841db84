"""The port to the sums: what the report, the owner's pages and the webhooks ask, wherever sessions are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

from tracker.decisions.holdout.epoch import Epoch
from tracker.insights.sums import Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Everything that a report is made from, as of one moment."""

    sums: Sums
    """Those of all visits that are kept, and of those that were pruned. They belong to whoever made them: read only."""
    epoch: Epoch | None
    """The epoch of now; None: nobody is held out."""
    unmatched: Mapping[str, int] | None = None
    """The orders that no visit is known of, by the shop's day on which they were placed; None: nobody can tell now."""
    version: str
    """Changes whenever anything else of it may have changed."""


class Insights(Protocol):
    """Every method may raise a StoreError."""

    @property
    def zone(self) -> tzinfo:
        """The shop's time zone: its days are those of all figures."""

    def version(self) -> str:
        """Return `counted().version`, without counting anything."""

    def counted(self) -> Counted:
        """Return the sums of everything that any process has stored before the call."""

    def session_of(self, key: str) -> str | None:
        """Return the id of the session that holds the checkout of this key, or the order of this hash."""
