"""Every setting is documented: in .env.example with its default, and in the README's table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tracker.config import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
SERVING = {"HOST": "127.0.0.1", "PORT": "8000", "WEB_CONCURRENCY": "2"}
"""The settings that only gunicorn.conf.py reads, with their defaults."""


def written(default: Any) -> str:
    """Return a default as it is written in .env."""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, float):
        return f"{default:g}"
    return ",".join(default) if isinstance(default, tuple) else str(default)


DEFAULTS = {name: written(default) for name, (_, _, default) in SETTINGS.items()} | SERVING


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    found = (re.fullmatch(r"# ([A-Z][A-Z0-9_]*)=(.*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def test_the_example_has_exactly_the_settings_with_their_defaults() -> None:
    assert example() == DEFAULTS


def test_every_line_of_the_example_is_a_comment() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_sentence_describes_the_setting_in_the_example(name: str) -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    before = lines[next(i for i, line in enumerate(lines) if line.startswith(f"# {name}=")) - 1]

    assert re.fullmatch(r"# .*\.", before)


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_readme_has_a_row_for_the_setting(name: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")

    assert re.search(rf"^\| `{name}` \|", readme, re.MULTILINE)
