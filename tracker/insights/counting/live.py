"""The insights of a store that keeps sums: nothing is counted but what is new."""

from __future__ import annotations

from datetime import tzinfo

from tracker.decisions.holdout.epoch import Epoch
from tracker.decisions.holdout.epochs import Epochs
from tracker.durable.cell import CellError
from tracker.insights.counting.recount import Recounted
from tracker.insights.port import Counted, Insights
from tracker.insights.tally import KEY_CHARS
from tracker.insights.waiting import WaitingOrders
from tracker.sessions.counting import CountedSessions
from tracker.sessions.store import SessionStore, StoreBusyError


def epoch_of(epochs: Epochs) -> Epoch | None:
    """Return the epoch that the service decides by. Raises StoreBusyError where nobody can tell."""
    try:
        return epochs.known()
    except CellError as error:
        raise StoreBusyError(f"The groups of the comparison cannot be read now: {error}.") from error


def insights_of(
    store: SessionStore, sums: CountedSessions | None, zone: tzinfo, epochs: Epochs, waiting: WaitingOrders
) -> Insights:
    """Return the insights into a store, by its own sums where it keeps any."""
    if sums is None:
        return Recounted(store, zone, lambda: epoch_of(epochs), waiting)
    return LiveInsights(sums, zone, epochs, waiting)


class LiveInsights:
    """An Insights over the sums that a store keeps."""

    def __init__(self, sums: CountedSessions, zone: tzinfo, epochs: Epochs, waiting: WaitingOrders) -> None:
        self._sums = sums
        self._waiting = waiting
        self._zone = zone
        self._epochs = epochs

    @property
    def zone(self) -> tzinfo:
        return self._zone

    def version(self) -> str:
        epoch = epoch_of(self._epochs)
        return f"{self._sums.version()}.{'' if epoch is None else epoch.id}.{self._waiting.version()}"

    def counted(self) -> Counted:
        version = self.version()
        return Counted(
            sums=self._sums.read().sums,
            epoch=epoch_of(self._epochs),
            unmatched=self._waiting.unmatched_or_none(),
            version=version,
        )

    def session_of(self, key: str) -> str | None:
        return self._sums.find(key[:KEY_CHARS])
