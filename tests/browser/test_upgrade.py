"""A browser that the script of 1.0.0 has left: its visit goes on, and what it could not send arrives once."""

from __future__ import annotations

import json
import re
import time

from playwright.sync_api import BrowserContext, Page

from testing.gunicorn_server import ROOT
from testing.plain_shop import PlainShop
from tests.browser.conftest import WaitForRecord, session_of

SAMPLE = ROOT / "tests" / "samples" / "1.0.0" / "browser-storage.json"


def test_visit_that_1_0_0_began_goes_on_and_its_unsent_events_arrive_once(
    context: BrowserContext, page: Page, shop: PlainShop, stored: WaitForRecord
) -> None:
    text = SAMPLE.read_text("utf-8")
    times = re.compile(r"\b1795\d{9}\b")
    delta = round(time.time() * 1000) - 60_000 - max(map(int, times.findall(text)))
    left = json.loads(times.sub(lambda match: str(int(match[0]) + delta), text))
    texts = {key: json.dumps(value) for key, value in left.items()}
    # Written before the script runs, once for all pages of the context.
    context.add_init_script(
        "if (!localStorage.shopSignals)"
        f" for (const [key, text] of Object.entries({json.dumps(texts)})) localStorage[key] = text"
    )
    page.goto(shop.url)
    page.click("#one")

    assert session_of(page) == left["shopSignals"]["id"]
    record = stored(
        left["shopSignals"]["id"],
        ("/products/tidewater-mug", "click", "#add-to-cart"),
        ("/", "view", ""),
        ("/", "click", "#one"),
    )
    times_then = left["shopSignals"]["times"]
    assert {page: record["timeOnPage"].get(page, 0) >= ms for page, ms in times_then.items()} == dict.fromkeys(
        times_then, True
    )
