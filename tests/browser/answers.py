"""Answers of /askai in the service's place, with what the service itself does not say yet."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route

CART = """<script>window.Shopify = { customerPrivacy: {
  analyticsProcessingAllowed: () => true, marketingAllowed: () => true } };</script>"""
"""A shop whose cart the script reads: with something in it, a shopper who is still is asked about."""

CARD = "storefront-popup >> #card"
CLOSE = "storefront-popup >> #close"
ACTION = "storefront-popup >> .action"

DECISION: dict[str, Any] = {
    "ok": True,
    "show_popup": True,
    "message": "Returns are free within 30 days.",
    "message_id": "free-returns",
    "reason": "A test.",
    "category": "info",
    "trigger": "test",
    "confidence": 1,
    "delay_ms": 0,
}


class Answers:
    """Answers every question with `answer`; keeps the questions as they came."""

    def __init__(self, context: BrowserContext, **keys: Any) -> None:
        self.answer = DECISION | keys
        self.questions: list[dict[str, Any]] = []
        context.route("**/askai", self._fulfill)

    def wait(self, page: Page, times: int) -> None:
        """Wait until so many questions came; only a wait of Playwright's own lets them be answered."""
        for _ in range(400):
            if len(self.questions) >= times:
                return
            page.wait_for_timeout(50)
        raise AssertionError(f"asked {len(self.questions)} times, not {times}")

    def wait_until_settled(self, page: Page) -> None:
        """Wait until the last question is answered, and what was to be drawn is drawn or dropped."""
        page.wait_for_function(
            "(() => { const it = JSON.parse(localStorage.shopSignals); return !it.open && !it.next })()"
        )

    @property
    def reasons(self) -> list[str]:
        return [question["why"] for question in self.questions]

    def _fulfill(self, route: Route) -> None:
        self.questions.append(json.loads(route.request.post_data or "{}"))
        route.fulfill(json=self.answer, headers={"Access-Control-Allow-Origin": "*"})
