"""One walk through everything: a popup in the demo shop, a click, a purchase, Shopify's webhook, the owner's pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from testing.fake_groq import FakeGroq, good_proposal
from testing.gunicorn_server import GunicornServer, wait_until
from tests.browser.conftest import Clock, Console, done, session_of
from tracker.web.callers.signatures import signature

SECRET = "an-invented-signing-secret-0001"
TOKEN = "the-owner's-token-of-the-tests"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GunicornServer]:
    """The service with the demo shop, the owner's token, the key of the webhooks, and a model that always proposes."""
    with FakeGroq() as groq:
        groq.mode, groq.reply = "obedient", lambda request: json.dumps(good_proposal(request, delay_ms=100))
        settings = {"DEMO_SHOP": "on", "ADMIN_TOKEN": TOKEN, "SHOPIFY_WEBHOOK_SECRET": SECRET}
        model = {"GROQ_API_KEY": "made-up", "GROQ_BASE_URL": groq.base_url}
        with GunicornServer(tmp_path, env={**settings, **model}) as started:
            yield started


def webhook(service: GunicornServer, token: str, **more: str) -> str:
    """Send an order as Shopify sends it; return what became of it."""
    now = datetime.now(UTC).isoformat()
    order = {"id": 5550001, "checkout_token": token, "currency": "EUR", "current_total_price": "136.00"}
    body = json.dumps({**order, "created_at": now, "updated_at": now, **more}).encode()
    headers = {"X-Shopify-Topic": "orders/updated", "X-Shopify-Hmac-SHA256": signature(SECRET, body).decode()}
    with service.client() as client:
        reply = client.request("POST", "/shopify/webhooks", body, headers)
    assert reply.status == 200
    return str(reply.json()["outcome"])


def test_a_popup_a_click_and_a_purchase_are_on_the_owners_pages(
    browser: Browser, service: GunicornServer, page: Page, clock: Clock, console: Console
) -> None:
    page.goto(f"{service.url}/demo/products/stone-teapot")
    page.click("#consent-yes")
    session = session_of(page)

    def until(kind: str) -> None:
        # No shopper clicks before a page's scripts have asked whether they may run.
        clock.run(1000)
        wait_until(
            lambda: service.storage.exists() and kind in {one[1] for one in done(service.stored().get(session))},
            f"the service knows of {kind}",
        )

    page.fill("input[name=quantity]", "2")
    page.click("#add-to-cart")
    until("add_to_cart")
    page.click("#drawer-close")
    clock.run_until(page.locator("storefront-popup >> .action").count, "a popup is drawn", within_ms=120_000)
    page.click("storefront-popup >> .action")
    until("popup_clicked")
    page.goto(f"{service.url}/demo/cart")
    page.click("#checkout")
    until("checkout_started")
    token = page.evaluate("JSON.parse(sessionStorage.getItem('demo-checkout')).token")
    page.click("#place-order")
    until("checkout_completed")
    assert console.lines == []

    assert [webhook(service, token) for _ in range(3)] == ["joined"] * 3

    owner = browser.new_page()
    owner.goto(f"{service.url}/login")
    owner.get_by_label("Password").fill(TOKEN)
    owner.get_by_role("button", name="Sign in").click()
    owner.wait_for_url(lambda address: "/login" not in address)
    owner.goto(f"{service.url}/today")
    figures = owner.locator("dl.figures > div", has_text="Orders")
    expect(figures).to_contain_text("1")
    expect(figures).to_contain_text("136")
    owner.goto(f"{service.url}/visits/{session}")
    story = owner.locator("main")
    expect(story).to_contain_text("Bought for 136.00 EUR")
    expect(story).to_contain_text("Shopify confirmed an order worth €136")

    assert webhook(service, token, cancelled_at=datetime.now(UTC).isoformat()) == "joined"
    owner.goto(f"{service.url}/today")
    expect(figures).not_to_contain_text("136")
    owner.goto(f"{service.url}/visits/{session}")
    expect(story).to_contain_text("Shopify cancelled the order.")
    owner.close()
