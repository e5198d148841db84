"""The core names no feature, no adapter and no library of either: not in code, nor in a comment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tracker

ROOT = Path(__file__).resolve().parents[2]
TRACKER = Path(tracker.__file__).parent
CORE = {"sessions", "durable", "config"}

ROOMS = {path.name for path in TRACKER.iterdir() if (path / "__init__.py").exists()} - CORE
ADAPTERS = {path.name for path in (TRACKER / "storage").iterdir() if (path / "__init__.py").exists()}
LIBRARIES = {
    found[1]
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    if (found := re.match(r"([A-Za-z0-9_.-]+)==", line))
} - {"orjson", "gevent", "greenlet"}
"""All but what the core itself needs: records are JSON, and blocking calls have to know who schedules."""

ORDINARY_WORDS = {"decisions", "web", "click"}
"""Names that are also a key of a record or a kind of event: they are looked for after `tracker.` and `import` only."""

NAMES = sorted((ROOMS | ADAPTERS | LIBRARIES | {"flask", "groq", "gunicorn", "redis", "psycopg"}) - ORDINARY_WORDS)
SOURCES = sorted([*(TRACKER / "sessions").rglob("*.py"), *(TRACKER / "durable").rglob("*.py")])


def test_the_lists_are_not_empty() -> None:
    assert {"askai", "ingest", "storefront", "storage", "json_file", "llm", "flask", "groq", "gunicorn"} <= set(NAMES)
    assert len(SOURCES) > 4


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_source_of_the_core_names_no_feature_adapter_or_library(source: Path) -> None:
    text = source.read_text("utf-8")
    names = "|".join(re.escape(name).replace("_", "[ _-]?").replace(r"\-", "[ _-]?") for name in NAMES)
    ordinary = "|".join(ORDINARY_WORDS)
    found = re.findall(rf"\b(?:{names})\b|(?:tracker\.|import )(?:{ordinary})\b", text, re.IGNORECASE)
    modules = set(re.findall(r"tracker\.([a-z_]+)", text)) - CORE

    assert found == []
    assert modules == set()
