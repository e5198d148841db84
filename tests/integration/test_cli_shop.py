"""flask shop check: faults with exit status 1, warnings with 0, for people and for machines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from testing.gunicorn_server import ROOT
from tests.integration.conftest import MakeApp


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "shop.example.toml", tmp_path / "shop.toml"))


@pytest.fixture
def app(make_app: MakeApp, shop_file: Path) -> Flask:
    return make_app(shop_file=shop_file)


def check(app: Flask, *arguments: object, expect: int = 0) -> Result:
    result = app.test_cli_runner().invoke(args=["shop", "check", *map(str, arguments)])
    assert result.exit_code == expect, result.output
    return result


def lines(app: Flask, *arguments: object, expect: int = 0) -> list[Any]:
    return [json.loads(line) for line in check(app, "--json", *arguments, expect=expect).stdout.splitlines()]


def change(shop_file: Path, old: str, new: str) -> int:
    """Change a line of the file and return its number."""
    before = shop_file.read_text("utf-8").split("\n")
    at = before.index(old)
    shop_file.write_text("\n".join([*before[:at], new, *before[at + 1 :]]), "utf-8")
    return at + 1


def test_sound_file_prints_its_messages_and_how_much_it_holds(app: Flask) -> None:
    printed = check(app).stdout.splitlines()
    assert printed[0] == 'fact   free-returns: "Free returns within 30 days."'
    assert printed[-1].endswith("shop.toml is sound: Linden & Loom has 5 messages and 3 rules")
    assert lines(app) == [{"ok": True, "shop": "Linden & Loom", "messages": 5, "rules": 3, "warnings": 0}]


def test_fault_is_printed_with_its_line_and_the_line_as_it_should_be(app: Flask, shop_file: Path) -> None:
    line = change(shop_file, "until = 2027-12-31", "until = 31.12.2027")
    message = "a day is written as year-month-day, without quotes"
    printed = check(app, expect=1).stdout.splitlines()
    assert printed == [f"{shop_file}, line {line}: {message}", "    write: until = 2027-12-31"]
    assert lines(app, shop_file, expect=1) == [
        {"line": line, "message": message, "kind": "fault", "instead": "until = 2027-12-31"}
    ]


def test_warning_is_printed_and_leaves_the_exit_status_zero(app: Flask, shop_file: Path) -> None:
    change(shop_file, "from = 2026-01-01", "from = 2020-01-01")
    line = change(shop_file, "until = 2027-12-31", "until = 2020-12-31")
    printed = check(app).stdout.splitlines()
    assert f"{shop_file}, line {line}: warning: welcome-10: ended " in printed[-2]
    assert printed[-1].endswith(" has 5 messages and 3 rules, 1 warning")
    warning, result = lines(app)
    assert (warning["line"], warning["kind"], result["ok"], result["warnings"]) == (line, "warning", True, 1)


@pytest.mark.parametrize("name", ["shop-1.0.0.toml", "shop-linden.toml"])
def test_files_without_rules_are_sound(app: Flask, name: str) -> None:
    assert lines(app, ROOT / "tests" / "samples" / name)[-1]["ok"] is True


def test_missing_file_is_one_line_that_says_where_to_begin(app: Flask, shop_file: Path) -> None:
    shop_file.unlink()
    assert "does not exist: popups only lead back to the cart. Begin with shop.example.toml." in (
        check(app, expect=1).stderr
    )
