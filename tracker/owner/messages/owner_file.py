"""The owner's file as it is edited in a browser: read, replaced as a whole, and its last five versions kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tracker.decisions.shop.live_file import ShopFile
from tracker.decisions.shop.shop import version_of

KEPT: Final = 5
"""Earlier versions, beside the file: shop.toml.1 is the newest of them."""


class SaveError(Exception):
    """The file was not saved; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier version."""

    number: int
    modified_ms: int


class EditedFile:
    """The file at TRACKER_SHOP_FILE; where instances share a database, it is shown and not changed."""

    def __init__(self, path: Path, shop: ShopFile) -> None:
        """`path` need not exist."""
        self._path = path
        self._shop = shop
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def is_shared(self) -> bool:
        """Whether other instances serve by a file of their own, so that it is published and not saved."""
        return self._shop.is_shared

    def text(self) -> str | None:
        """Return what the file holds; None if there is none, or if it cannot be read."""
        published = self._shop.published()
        return _read(self._target()) if published is None else _text(published)

    def version(self) -> str:
        """Return a short text that changes with the file's content; empty if there is none."""
        try:
            return version_of(self._shop.published() or self._target().read_bytes())
        except OSError:
            return ""

    def can_be_written(self) -> bool:
        """Return whether the service may replace the file."""
        if self.is_shared:
            return False  # It would change one instance's own copy.
        target = self._target()
        is_free = not target.exists() or (target.is_file() and os.access(target, os.W_OK))
        return is_free and os.access(target.parent, os.W_OK)

    def save(self, text: str, was: str) -> None:
        """Replace the file that had the version `was`, and keep it as the newest earlier version. Raises SaveError."""
        target = self._target()
        with self._lock:
            if not self.can_be_written():
                raise SaveError("The service may not write this file: change it where it lies, and it is read at once.")
            if self.version() != was:
                raise SaveError("Somebody else changed the file meanwhile: open it again, and repeat your change.")
            old = target.read_bytes() if target.exists() else None
            if old is not None and b"\r\n" in old:
                text = text.replace("\n", "\r\n")
            new = text.encode()
            if new == old:
                return
            try:
                if old is not None:
                    self._keep(target)
                _replace(target, new)
            except OSError as error:
                raise SaveError(f"The file could not be written ({error.strerror}). It is what it was.") from error

    def versions(self) -> list[Version]:
        """Return the earlier versions, the newest first."""
        found = []
        for number in range(1, KEPT + 1):
            with contextlib.suppress(OSError):
                found.append(Version(number, self._earlier(number).stat().st_mtime_ns // 1_000_000))
        return found

    def earlier(self, number: int) -> str | None:
        """Return the text of an earlier version; None if there is none of this number."""
        return _read(self._earlier(number)) if 1 <= number <= KEPT else None

    def _target(self) -> Path:
        return self._path.resolve()

    def _earlier(self, number: int) -> Path:
        target = self._target()
        return target.with_name(f"{target.name}.{number}")

    def _keep(self, target: Path) -> None:
        """Make the file as it is the first of the earlier versions; the fifth one goes."""
        for number in range(KEPT - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._earlier(number).replace(self._earlier(number + 1))
        beside = target.with_name(f"{target.name}.1.new")
        shutil.copy2(target, beside)
        beside.replace(self._earlier(1))


def _read(path: Path) -> str | None:
    try:
        return _text(path.read_bytes())
    except OSError:
        return None


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace").replace("\r\n", "\n")


def _replace(target: Path, content: bytes) -> None:
    descriptor, beside = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".new", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if target.exists():
            shutil.copymode(target, beside)
        Path(beside).replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise
