"""A stand-in for the original system's browser script: it sends the same requests and clears the same state."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Send: TypeAlias = Callable[[str, str, str], tuple[int, Any] | None]
"""(path, content type, body) -> (status, JSON), or None if no answer came."""

EVENTS_A_FLUSH = 5
SECONDS_A_QUESTION = 5


@dataclass
class OriginalScript:
    """One page view of a shopper with the unmodified script. The caller advances the clock, which counts seconds."""

    session: str
    send: Send
    now: int
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    time_on_page: dict[str, int] = field(default_factory=dict)
    items_in_cart: int = 0
    popups: list[tuple[str, str]] = field(default_factory=list)
    """(message, category) of every popup that the script would have shown."""
    failures: int = 0
    _asked: int = 0

    def stay(self, page: str, seconds: int) -> None:
        """Spend time on a page; every fifth second the script sends a question."""
        for _ in range(seconds):
            self.now += 1
            self.time_on_page[page] = self.time_on_page.get(page, 0) + 1000
            if self.now - self._asked >= SECONDS_A_QUESTION:
                self.ask()

    def act(self, page: str, kind: str, **keys: Any) -> None:
        """Add an event, and send all events if five have been added since the last answer."""
        event = {"type": kind, "ts": self.now, "url": f"https://shop.example{page.partition(':')[2]}", **keys}
        self.events.setdefault(page, []).append(event)
        if sum(map(len, self.events.values())) >= EVENTS_A_FLUSH:
            self.flush("threshold")

    def flush(self, reason: str) -> None:
        answer = self.send("/ingest", "application/json", self.envelope(reason))
        if answer is None or not 200 <= answer[0] < 300:
            self.failures += 1
            return
        # The script empties its lists and zeroes its times, but keeps the keys of both.
        self.events = {page: [] for page in self.events}
        self.time_on_page = dict.fromkeys(self.time_on_page, 0)

    def envelope(self, reason: str) -> str:
        state = {
            "session": self.session,
            "events": self.events,
            "timeonpage": self.time_on_page,
            "itemsInCart": self.items_in_cart,
        }
        return json.dumps({"reason": reason, "ts": self.now, "session": self.session, "state": state})

    def ask(self) -> None:
        self._asked = self.now
        answer = self.send("/askai", "text/plain", self.session)
        if answer is None or answer[0] != 200:
            return
        decision = answer[1]["decision"]
        if decision["show_popup"]:
            self.popups.append((decision["message"], decision["category"]))
