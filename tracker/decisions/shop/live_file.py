"""The owner's file while the service runs: a changed one takes effect without a restart, a faulty one does not.

It stands on this machine's disk; where several instances share a database, it may be published there instead.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from tracker.decisions.shop.faults import ShopFileError
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop, version_of
from tracker.durable.cell import Cell, CellError

log = logging.getLogger(__name__)

TAKEN_UP_AFTER_S: Final = 5.0
"""How long an instance goes on with what it knows before it looks for another published file."""

_NO_FILE = (0, 0, 0)
_UNREADABLE = (-1, 0, 0)


class ShopSource(Protocol):
    """Where the shop's present state comes from."""

    def current(self) -> Shop:
        """Return the shop as it is now."""


class ShopFile:
    """A ShopSource that checks the file before every answer and reads it when it changed.

    A file that became faulty leaves the last good one in force; `problem` reports it until it is corrected.
    """

    def __init__(self, path: Path, shared: Cell | None = None, *, look_every_s: float = TAKEN_UP_AFTER_S) -> None:
        """`path` need not exist. `shared`: where a file may be published for all instances, in place of their own."""
        self._path = path
        self._shared = shared
        self._published = b""
        self._next_look = 0.0
        self._look_every_s = look_every_s
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | str | None = None
        self._shop = Shop()
        self._problem: str | None = None

    def current(self) -> Shop:
        """Return the shop as it was last read without a fault."""
        self._refresh()
        return self._shop

    @property
    def is_shared(self) -> bool:
        """Whether several instances may serve this shop, so that a file on one machine's disk is not for all."""
        return self._shared is not None

    def published(self) -> bytes | None:
        """Return the published file, as of at most five seconds ago; None where none is."""
        if self._shared is not None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._look_every_s
            try:
                self._published = self._shared.get() or b""
            except CellError as error:
                log.warning("the published file of the shop cannot be looked for (%s)", error)
        return self._published or None

    @property
    def problem(self) -> str | None:
        """What is wrong with the file now; None if nothing is."""
        self._refresh()
        return self._problem

    def _refresh(self) -> None:
        published = self.published()
        seen = self._state_of_file() if published is None else version_of(published)
        if seen == self._seen:
            return
        with self._lock:
            if seen == self._seen:
                return
            try:
                if seen == _NO_FILE:
                    self._shop = Shop()
                else:
                    self._shop = parse_shop(self._path.read_bytes() if published is None else published)
                self._problem = None
            except ShopFileError as error:
                self._problem = f"The shop's file has faults; the last good one stays in force. {error}"
                log.warning("the shop's file has faults and was not read: %s", error)
            except OSError:
                self._problem = "The shop's file cannot be read; the last good one stays in force."
                log.warning("the shop's file cannot be read")
            self._seen = seen

    def _state_of_file(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return _NO_FILE
        except OSError:
            return _UNREADABLE
        return status.st_mtime_ns, status.st_size, status.st_ino
