"""The epochs of a shop, in a cell that all workers share: another share begins another one."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable
from typing import Final, Protocol

from tracker.decisions.holdout.epoch import Epoch
from tracker.durable.cell import Cell, CellError

log = logging.getLogger(__name__)

_KEPT: Final = 50


class EpochSource(Protocol):
    """Where the engine learns which browsers are held out."""

    def current(self) -> Epoch | None:
        """Return the epoch of now, beginning one where the share has changed; None: nobody is held out."""


class FixedEpoch:
    """An EpochSource that is always the same."""

    def __init__(self, epoch: Epoch | None = None) -> None:
        self._epoch = epoch

    def current(self) -> Epoch | None:
        return self._epoch


class Epochs:
    """The epochs in a cell: {epochs: [{id, percent, begun}]}, the newest last; a share of 0 is one without groups."""

    def __init__(self, cell: Cell, percent: float, clock: Callable[[], int]) -> None:
        """`percent` is the share that is set now; `clock` returns ms since 1970. Touches nothing yet."""
        self._cell = cell
        self._percent = percent
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: Epoch | None = None

    def current(self) -> Epoch | None:
        """See EpochSource. Where the cell cannot be read or written, nobody is held out, and nothing is compared."""
        with self._lock:
            if self._begun is None:
                try:
                    self._begun = self._begin()
                except CellError as error:
                    log.warning("nobody is held out and nothing is compared, for the epoch is not known: %s", error)
                    return None
            return self._begun if self._begun.percent else None

    def known(self) -> Epoch | None:
        """Return the epoch that the service decides by, without beginning one. Raises CellError.

        A command may run with other settings than the service, and must not end the service's epoch. Where the service
        has not decided anything yet, it is the one that it will begin.
        """
        epochs = _read(self._cell.get())
        newest = epochs[-1] if epochs else Epoch(id="", percent=self._percent, begun_ms=self._clock())
        return newest if newest.percent else None

    def _begin(self) -> Epoch:
        if not self._percent and self._cell.get() is None:
            return Epoch(id="", percent=0.0, begun_ms=0)

        def begun(stored: bytes | None) -> bytes:
            epochs = _read(stored)
            if stored is not None and epochs and epochs[-1].percent == self._percent:
                return stored
            new = Epoch(id=secrets.token_hex(4), percent=self._percent, begun_ms=self._clock())
            return _spelled([*epochs, new][-_KEPT:])

        return _read(self._cell.update(begun))[-1]


def _spelled(epochs: list[Epoch]) -> bytes:
    records = [{"id": one.id, "percent": one.percent, "begun": one.begun_ms} for one in epochs]
    return json.dumps({"epochs": records}).encode()


def _read(stored: bytes | None) -> list[Epoch]:
    """Return the epochs of a cell; none where it holds something else, which a new one then replaces."""
    try:
        record = json.loads(stored or b"{}")
        return [
            Epoch(id=str(one["id"]), percent=float(one["percent"]), begun_ms=int(one["begun"]))
            for one in record.get("epochs", [])
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        log.error("the file of epochs holds something else; a new epoch begins")
        return []
