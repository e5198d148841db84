"""How many of the project's own calls one request takes, and in how many files: `python -m testing.request_path`.

A figure for reviews, not a timing: it is the same on every machine, and it grows with every detour of the code.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, Final

from flask import Flask

import tracker
from tracker.app import create_app
from tracker.config import Config

PACKAGE: Final = f"{Path(tracker.__file__).parent}/"
EXAMPLE_SHOP: Final = Path(__file__).resolve().parents[1] / "shop.example.toml"


def calls_by_function(app: Flask, method: str, path: str, body: str | bytes) -> Counter[tuple[str, str]]:
    """Return how often one request enters each function of `tracker/`, by (file in the package, function).

    Each resumption of a generator and each comprehension counts as a call, as `sys.setprofile` sees them. The request
    is made in this thread and must have been warmed up by the caller: a first request also sets things up. Raises
    ValueError for an answer that is not 2xx, which would measure the wrong path.
    """
    calls: Counter[tuple[str, str]] = Counter()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            calls[code.co_filename.removeprefix(PACKAGE), code.co_qualname] += 1

    client = app.test_client()
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        response = client.open(path, method=method, data=body)
    finally:
        sys.setprofile(before)
    if not 200 <= response.status_code < 300:
        raise ValueError(f"{method} {path} was answered with {response.status_code}: {response.get_data(as_text=True)}")
    return calls


def project_calls(app: Flask, method: str, path: str, body: str | bytes) -> tuple[int, int]:
    """Return (calls, files): how many calls of functions in `tracker/` one request takes, and in how many files."""
    calls = calls_by_function(app, method, path, body)
    return calls.total(), len({file for file, _function in calls})


def example_report(session: str) -> str:
    """Return a body for /ingest: 7 items in the cart, a long dwell, no checkout, on three pages."""
    now = 1_790_000_000_000
    events = {
        "/": [
            {"type": "view", "ts": now - 60_000},
            {"type": "click", "target": "#add-to-cart", "ts": now - 55_000},
        ],
        "/cart": [{"type": "view", "ts": now - 5_000}],
    }
    pages = {"/products/xyz": 123_456, "/cart": 9_876}
    return json.dumps({"session": session, "itemsInCart": 7, "timeOnPage": pages, "events": events})


def main() -> None:
    """Print the figures of POST /ingest (a session's second report) and of POST /askai by the rules."""
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "sessions.json"
        app = create_app(Config(storage_file=storage, shop_file=EXAMPLE_SHOP, log_level="ERROR", holdout_percent=0.0))
        client = app.test_client()
        for session in ("warm-up-1", "measured-1"):
            client.post("/ingest", data=example_report(session))
        client.post("/askai", data="warm-up-1")
        more = example_report("measured-1").replace("123456", "133456")
        paths = {"POST /ingest": ("/ingest", more), "POST /askai": ("/askai", "measured-1")}
        for name, (path, body) in paths.items():
            calls = calls_by_function(app, "POST", path, body)
            print(f"{name}: {calls.total()} calls in {len({file for file, _function in calls})} files")
            if "-v" in sys.argv:
                for (file, function), count in sorted(calls.items()):
                    print(f"  {count:4} {file} {function}")


if __name__ == "__main__":
    main()
