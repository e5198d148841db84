"""The custom pixel in a frame without an origin, as Shopify runs it; the service takes the posts of one shop."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from tests.browser.conftest import Console

SANDBOX = """<!doctype html><script>
  const subscribed = {};
  const TIMES = { checkout_started: "2026-11-23T08:00:00.000Z", checkout_completed: "2026-11-23T08:02:00.000Z" };
  const analytics = { subscribe: (name, work) => (subscribed[name] = work) };
  const browser = { localStorage: { getItem: async () => STORED } };
</script><script src="SCRIPT"></script><script>
  const checkout = {
    lineItems: [{ quantity: 2 }, { quantity: 1 }], totalPrice: { amount: 61.5, currencyCode: "EUR" },
    currencyCode: "EUR", email: "jo@doe.example",
    order: { id: "secret-order" }, shippingAddress: { city: "Secretville" },
  };
  for (const name of ["checkout_started", "checkout_completed", "checkout_completed"])
    subscribed[name]({ id: "sh-" + name, name, timestamp: TIMES[name], data: { checkout } });
</script>"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """A service that takes the posts of one shop only."""
    settings = {"ALLOWED_ORIGINS": "https://shop.example"}
    with GunicornServer(tmp_path_factory.mktemp("pixel"), workers=1, env=settings) as started:
        yield started


def test_a_purchase_is_stored_once_and_without_personal_data(
    page: Page, strict: GunicornServer, console: Console
) -> None:
    with WeakLink(strict.port) as link, PlainShop(link.url, attributes='data-consent="wait"') as shop:
        known = json.dumps(json.dumps({"id": "a-known-session", "last": 9e15, "start": 0}))
        sandbox = SANDBOX.replace("STORED", known).replace("SCRIPT", f"{link.url}/storefront-pixel.js")
        page.goto(shop.url)
        page.evaluate(
            """(html) => document.body.append(Object.assign(document.createElement("iframe"),
              { sandbox: "allow-scripts allow-forms", srcdoc: html }))""",
            sandbox,
        )
        wait_until(lambda: len(link.bodies) == 3, "all three events are sent")
        wait_until(lambda: "a-known-session" in strict.stored(), "the events are stored")

        assert {headers["origin"] for headers in link.headers} == {"null"}
        assert link.count("OPTIONS") == 0
        sent = b"".join(link.bodies).decode()
    record = strict.stored()["a-known-session"]
    assert [event["type"] for event in record["events"]["/checkout"]] == ["checkout_started", "checkout_completed"]
    bought = record["events"]["/checkout"][1]
    assert (bought["items"], bought["total"], bought["currency"]) == (3, 61.5, "EUR")
    assert record["itemsInCart"] == 0
    assert not any(secret in sent for secret in ("jo@", "secret-order", "Secretville"))
    assert console.lines == []


def test_the_pixel_reports_nothing_without_a_current_session(page: Page, strict: GunicornServer) -> None:
    with WeakLink(strict.port) as link, PlainShop(link.url, attributes='data-consent="wait"') as shop:
        for stored in ("null", '"{}"', json.dumps(json.dumps({"id": "long-ago-session", "last": 0}))):
            sandbox = SANDBOX.replace("STORED", stored).replace("SCRIPT", f"{link.url}/storefront-pixel.js")
            page.goto(shop.url)
            page.evaluate(
                """(html) => document.body.append(Object.assign(document.createElement("iframe"),
                  { sandbox: "allow-scripts", srcdoc: html }))""",
                sandbox,
            )
            page.frame_locator("iframe").locator("html").wait_for()
            # A request of the frame's own comes after those that the pixel might have sent.
            page.frames[-1].evaluate("(url) => fetch(url, { mode: 'no-cors' })", f"{link.url}/healthz")

        assert link.bodies == []
