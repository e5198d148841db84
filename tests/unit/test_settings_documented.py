"""Every setting is documented: in .env.example with its default; docs/settings.md is made from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testing.reference import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]


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
