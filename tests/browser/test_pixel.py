"""The custom pixel in a frame without an origin, as Shopify runs it; the service takes the posts of one shop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from tests.browser.conftest import Console
from tracker.insights.orders import checkout_key
from tracker.web.callers.signatures import signature

SECRET = "an-invented-signing-secret-0001"
TOKEN = "c0ffee00c0ffee00c0ffee00c0ffee00"

SANDBOX = """<!doctype html><script>
  const subscribed = {};
  const TIMES = { checkout_started: "2026-11-23T08:00:00.000Z", checkout_completed: "2026-11-23T08:02:00.000Z" };
  const analytics = { subscribe: (name, work) => (subscribed[name] = work) };
  const browser = { localStorage: { getItem: async () => STORED } };
</script><script>PIXEL</script><script>
  const checkout = {
    lineItems: [{ quantity: 2 }, { quantity: 1 }], totalPrice: { amount: 61.5, currencyCode: "EUR" },
    currencyCode: "EUR", email: "jo@doe.example", token: "c0ffee00c0ffee00c0ffee00c0ffee00",
    order: { id: "secret-order" }, shippingAddress: { city: "Secretville" },
  };
  let data = { checkout };
  BEFORE;
  for (const name of ["checkout_started", "checkout_completed", "checkout_completed"])
    subscribed[name]({ id: "sh-" + name, name, timestamp: TIMES[name], data });
</script>"""
"""The sandbox: PIXEL is pasted, STORED is the storage of the shop's page, BEFORE is done before the pixel is called."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """A service that takes the posts of one shop only."""
    settings = {"ALLOWED_ORIGINS": "https://shop.example", "SHOPIFY_WEBHOOK_SECRET": SECRET}
    with GunicornServer(tmp_path_factory.mktemp("pixel"), workers=1, env=settings) as started:
        yield started


def pixel_of(link: WeakLink) -> str:
    """Return the pixel's text as the owner copies it at this address, to be pasted."""
    with urlopen(f"{link.url}/storefront-pixel.js") as answer:
        text: str = answer.read().decode()
    assert f'"{link.url}"' in text
    return text


def run_pixel(page: Page, shop: PlainShop, link: WeakLink, session: str, before: str = "") -> None:
    """Let the pixel report three events of this session from a frame without an origin, as Shopify does."""
    known = json.dumps(json.dumps({"id": session, "last": 9e15, "start": 0}))
    sandbox = SANDBOX.replace("STORED", known).replace("PIXEL", pixel_of(link))
    page.goto(shop.url)
    page.evaluate(
        """(html) => document.body.append(Object.assign(document.createElement("iframe"),
          { sandbox: "allow-scripts allow-forms", srcdoc: html }))""",
        sandbox.replace("BEFORE", before),
    )


def reported(service: GunicornServer, session: str) -> int:
    """Return how many events of the pixel are stored."""
    stored = service.stored() if service.storage.exists() else {}
    return len(stored.get(session, {"events": {}})["events"].get("/checkout", []))


def test_a_purchase_is_stored_once_and_without_personal_data(
    page: Page, strict: GunicornServer, console: Console
) -> None:
    with WeakLink(strict.port) as link, PlainShop(link.url, attributes='data-consent="wait"') as shop:
        run_pixel(page, shop, link, "a-known-session")
        wait_until(lambda: len(link.bodies) == 3, "all three events are sent")
        wait_until(lambda: reported(strict, "a-known-session") == 2, "the events are stored")

        assert {headers["origin"] for headers in link.headers} == {"null"}
        assert link.count("OPTIONS") == 0
        sent = b"".join(link.bodies).decode()
    record = strict.stored()["a-known-session"]
    assert [event["type"] for event in record["events"]["/checkout"]] == ["checkout_started", "checkout_completed"]
    bought = record["events"]["/checkout"][1]
    assert (bought["items"], bought["total"], bought["currency"]) == (3, 61.5, "EUR")
    assert {event["key"] for event in record["events"]["/checkout"]} == {checkout_key(TOKEN)}
    assert record["itemsInCart"] == 0
    assert not any(secret in sent for secret in ("jo@", "secret-order", "Secretville", TOKEN))
    assert console.lines == []


@pytest.mark.parametrize(
    ("name", "before", "expected"),
    [
        ("no-lines", "checkout.lineItems = null", (0, 61.5, "EUR", True)),
        (
            "quantities-as-text",
            'checkout.lineItems = [{ quantity: "2" }, { quantity: "x" }, null]',
            (2, 61.5, "EUR", True),
        ),
        ("total-as-text", 'checkout.totalPrice.amount = "61.50"', (3, 61.5, "EUR", True)),
        ("no-total", "checkout.totalPrice = checkout.currencyCode = null", (3, None, None, True)),
        ("no-token", "checkout.token = null", (3, 61.5, "EUR", False)),
        ("no-checkout", "data = {}", (0, None, None, False)),
        ("no-data", "data = null", (0, None, None, False)),
        ("no-crypto", 'Object.defineProperty(globalThis, "crypto", { value: {} })', (3, 61.5, "EUR", False)),
    ],
)
def test_a_checkout_with_parts_missing_is_reported_as_far_as_it_is_known(
    name: str, before: str, expected: tuple[object, ...], page: Page, strict: GunicornServer, console: Console
) -> None:
    with WeakLink(strict.port) as link, PlainShop(link.url, attributes='data-consent="wait"') as shop:
        run_pixel(page, shop, link, f"a-checkout-{name}", before)
        wait_until(lambda: len(link.bodies) == 3, "all three events are sent")
        wait_until(lambda: reported(strict, f"a-checkout-{name}") == 2, "the events are stored")

    for event in strict.stored()[f"a-checkout-{name}"]["events"]["/checkout"]:
        found = (event["items"], event.get("total"), event.get("currency"), "key" in event)
        assert found == expected
    assert console.lines == []


def test_an_order_is_joined_by_the_key_that_the_browser_made(page: Page, strict: GunicornServer) -> None:
    now = datetime.now(UTC).isoformat()
    order = {"id": 1, "checkout_token": TOKEN, "currency": "EUR", "current_total_price": "61.50", "created_at": now}
    body = json.dumps(order).encode()
    headers = {"X-Shopify-Topic": "orders/create", "X-Shopify-Hmac-SHA256": signature(SECRET, body).decode()}
    with WeakLink(strict.port) as link, PlainShop(link.url, attributes='data-consent="wait"') as shop:
        run_pixel(page, shop, link, "a-session-with-an-order")
        wait_until(lambda: reported(strict, "a-session-with-an-order") == 2, "the events are stored")
    with strict.client() as client:
        reply = client.request("POST", "/shopify/webhooks", body, headers)

    assert (reply.status, reply.json()["outcome"]) == (200, "joined")


def test_the_pixel_reports_nothing_without_a_current_session(page: Page, strict: GunicornServer) -> None:
    with WeakLink(strict.port) as link, PlainShop(link.url, attributes='data-consent="wait"') as shop:
        for stored in ("null", '"{}"', json.dumps(json.dumps({"id": "long-ago-session", "last": 0}))):
            sandbox = SANDBOX.replace("STORED", stored).replace("BEFORE;", "")
            sandbox = sandbox.replace("PIXEL", pixel_of(link))
            page.goto(shop.url)
            page.evaluate(
                """(html) => document.body.append(Object.assign(document.createElement("iframe"),
                  { sandbox: "allow-scripts", srcdoc: html }))""",
                sandbox,
            )
            page.frame_locator("iframe").locator("html").wait_for()
            # A request of the frame's own comes after those that the pixel might have sent.
            page.frames[-1].evaluate(
                "(url) => fetch(url, { mode: 'no-cors', cache: 'reload' })", f"{link.url}/storefront.js"
            )

        assert link.bodies == []
