"""Sessions and changes for tests of stores; every event has a unique name, so a lost or doubled one is noticed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Change

PAGE = "/products/brass-lamp"
NOON = 1_790_000_000_000


def session(session_id: str, *names: str, at: int = NOON) -> ShopperSession:
    """Return a session with one event for each name."""
    events = {PAGE: [{"type": "click", "ts": at, "name": name} for name in names]} if names else {}
    return ShopperSession(session=session_id, items_in_cart=1, time_on_page={PAGE: 1000}, events=events, updated_at=at)


def adds(session_id: str, name: str, at: int = NOON) -> Change:
    """Return the change that adds one event to the stored session, or to a new one."""

    def change(stored: ShopperSession | None) -> ShopperSession:
        old = stored or session(session_id, at=at)
        event = {"type": "click", "ts": at, "name": name}
        return replace(old, events={**old.events, PAGE: [*old.events.get(PAGE, []), event]}, updated_at=at)

    return change


def names(stored: ShopperSession | None) -> Counter[str]:
    """Return how often each name occurs among the events of a session."""
    return Counter() if stored is None else Counter(e["name"] for _page, e in stored.all_events() if "name" in e)


def beside(path: Path) -> set[str]:
    """Return the names of the files beside the session file, without its lock, which always exists."""
    return {other.name for other in path.parent.iterdir()} - {path.name, f"{path.name}.lock"}
