"""Events as the storefront script sends them, and the records that the service makes of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import Report, ShopperSession
from tracker.storage.json_file import text

PAGES = ("/", "/collections/vases", "/products/ash-vase", "/products/stone-teapot", "/cart")
BEGAN = 1_790_000_000_000
LIMITS = SessionLimits(events=5000, pages=200, event_bytes=1 << 20)


def events(first: int, count: int) -> dict[str, list[dict[str, Any]]]:
    """Return `count` events by page, numbered from `first` on and two seconds apart."""
    by_page: dict[str, list[dict[str, Any]]] = {}
    for number in range(first, first + count):
        page = PAGES[number // 7 % len(PAGES)]
        event: dict[str, Any] = {"type": "click", "ts": BEGAN + number * 2000, "n": 731_204_000 + number}
        if number % 7 == 0:
            event |= {"type": "view", "locale": "en-GB", "visit": 1}
        elif number % 3:
            event |= {"target": "a.card.link", "href": PAGES[number % len(PAGES)]}
        else:
            event |= {"type": "scroll", "depth": number % 5 * 25}
        by_page.setdefault(page, []).append(event)
    return by_page


def body(session: str, first: int, count: int) -> dict[str, Any]:
    """Return the snapshot with these events."""
    return {
        "session": session,
        "itemsInCart": first % 4,
        "timeOnPage": dict.fromkeys(PAGES[:3], first * 900 + 400),
        "events": events(first, count),
        "sentAt": BEGAN + (first + count) * 2000,
    }


def write_visit(path: Path, *, bodies: int, count: int, repeats: int = 0) -> None:
    """Write, one line a body, what follows the session id in the bodies of a visit; each brings `count` new events.

    `repeats` is the number of events that each body repeats from the one before, as a script does that sends all.
    """
    marker = orjson.dumps({"session": "S"})[:-1]
    lines = []
    for step in range(bodies):
        spelled = orjson.dumps(body("S", step * count, count + repeats))
        lines.append(spelled.removeprefix(marker))
    path.write_bytes(b"\n".join(lines) + b"\n")


def session(session_id: str, count: int) -> ShopperSession:
    """Return a session as the service stores it after one body; the model would be asked about it."""
    report = Report(
        session=session_id,
        items_in_cart=3,
        clock=BEGAN,
        time_on_page={"/cart": 61_000, "/products/ash-vase": 38_000},
        events=events(0, count),
    )
    return merge(None, report, LIMITS, BEGAN)


EVENTS_IN = {1_000: 8, 15_000: 155}
"""Number of events in a record, by its size in bytes."""


def stored_sessions(count: int, size: int) -> Iterator[tuple[str, ShopperSession]]:
    """Yield (id, session) of sessions of about `size` bytes each."""
    pattern = session("pattern-id", EVENTS_IN[size])
    for number in range(count):
        session_id = f"stored-{number:07d}"
        yield session_id, replace(pattern, session=session_id, updated_at=BEGAN + number)


def write_file(path: Path, count: int, size: int = 1_000) -> None:
    """Write a session file with this number of sessions, as the service itself writes it."""
    with path.open("wb") as file:
        file.write(text.HEADER)
        for number, (session_id, one) in enumerate(stored_sessions(count, size)):
            file.write(text.separator(first=number == 0) + text.line(session_id, one.to_record()))
        file.write(text.FOOTER)
        # Otherwise the first measured flush would have to bring all of it to the disk.
        file.flush()
        os.fsync(file.fileno())
