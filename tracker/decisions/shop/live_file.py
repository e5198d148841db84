"""The owner's file while the service runs: a changed file takes effect without a restart, a faulty one does not."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Protocol

from tracker.decisions.shop.faults import ShopFileError
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop

log = logging.getLogger(__name__)

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

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._shop = Shop()
        self._problem: str | None = None

    def current(self) -> Shop:
        """Return the shop as it was last read without a fault."""
        self._refresh()
        return self._shop

    @property
    def problem(self) -> str | None:
        """What is wrong with the file now; None if nothing is."""
        self._refresh()
        return self._problem

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            seen = _NO_FILE
        except OSError:
            seen = _UNREADABLE
        if seen == self._seen:
            return
        with self._lock:
            if seen == self._seen:
                return
            try:
                self._shop = Shop() if seen == _NO_FILE else parse_shop(self._path.read_bytes())
                self._problem = None
            except ShopFileError as error:
                self._problem = f"The shop's file has faults; the last good one stays in force. {error}"
                log.warning("the shop's file has faults and was not read: %s", error)
            except OSError:
                self._problem = "The shop's file cannot be read; the last good one stays in force."
                log.warning("the shop's file cannot be read")
            self._seen = seen
