"""The owner's file where the demo shop is on: until there is one, the demo shop has messages of its own."""

from __future__ import annotations

from pathlib import Path

from tracker.decisions.shop.live_file import ShopFile, ShopSource
from tracker.decisions.shop.shop import Shop

DEMO_FILE = Path(__file__).parent / "shop.toml"


class OwnersFileOrDemos:
    """A ShopSource: the owner's file as soon as it exists, the demo shop's before."""

    def __init__(self, owners: ShopSource, path: Path) -> None:
        """`path` is that of the owner's file."""
        self._owners = owners
        self._path = path
        self._demos = ShopFile(DEMO_FILE)

    def current(self) -> Shop:
        return (self._owners if self._path.exists() else self._demos).current()
