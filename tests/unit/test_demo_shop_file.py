"""The demo shop's messages: they stand until there is an owner's file, and the file of the demo shop is sound."""

from __future__ import annotations

from pathlib import Path

from testing.gunicorn_server import ROOT
from tracker.decisions.shop.live_file import ShopFile
from tracker.decisions.shop.owner_file import parse_shop
from tracker.demo.shop_file import DEMO_FILE, OwnersFileOrDemos


def test_the_file_of_the_demo_shop_has_no_fault() -> None:
    assert parse_shop(DEMO_FILE.read_bytes()).name == "Kiln & Linen"


def test_the_owners_file_takes_over_as_soon_as_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    source = OwnersFileOrDemos(ShopFile(path), path)
    before = source.current().name
    path.write_bytes((ROOT / "shop.example.toml").read_bytes())

    assert (before, source.current().name) == ("Kiln & Linen", "Linden & Loom")
