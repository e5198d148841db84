"""The storefront script asks at the moments at which the scorecard was learned."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

from tracker.decisions.rehearsal.moments import MOMENTS

SOURCES = Path(__file__).resolve().parents[2] / "tracker" / "storefront" / "assets" / "source"


def test_storefront_script_asks_at_the_moments_of_the_table() -> None:
    texts = [path.read_text("utf-8") for path in sorted(SOURCES.glob("*.js"))]
    tables = [
        found
        for text in texts
        for found in re.findall(r"\bconst MOMENTS = (\{.*?\});?$", text, re.MULTILINE | re.DOTALL)
    ]
    (table,) = tables
    without_comments = re.sub(r"//.*", "", table)
    text = re.sub(r"(\w+):", r'"\1":', re.sub(r",(\s*[}\]])", r"\1", without_comments))

    assert json.loads(text) == json.loads(json.dumps(asdict(MOMENTS)))
