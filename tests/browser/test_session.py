"""How long a session lasts, and what it keeps of a visit: views, clicks, the cart, the depth of scrolling."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from tests.browser.conftest import Clock, Console, WaitForRecord, pass_time, session_of

MINUTE = 60_000
SCROLL = """(y) => new Promise((done) => {
  addEventListener("scroll", done, { once: true });
  scrollTo(0, y);
})"""
SHOPIFY = """<script>window.Shopify = { customerPrivacy: {
  analyticsProcessingAllowed: () => true, marketingAllowed: () => true } };</script>"""


def test_a_session_goes_on_after_29_minutes_without_an_event(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    page.goto(shop.url)
    session = session_of(page)
    pass_time(page, "last", 29 * MINUTE)
    page.click("#one")

    stored(session, ("/", "view", ""), ("/", "click", "#one"))


def test_after_31_minutes_a_new_session_begins_with_a_view(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    page.goto(shop.url)
    first = session_of(page)
    stored(first, ("/", "view", ""))
    pass_time(page, "last", 31 * MINUTE)
    page.click("#one")
    second = session_of(page)

    assert second != first
    record = stored(second, ("/", "view", ""), ("/", "click", "#one"))
    assert record["events"]["/"][0]["visit"] == 2, "the second visit of this shopper"
    stored(first, ("/", "view", ""))


def test_after_a_day_a_new_session_begins(page: Page, shop: PlainShop) -> None:
    page.goto(shop.url)
    first = session_of(page)
    pass_time(page, "start", 24 * 60 * MINUTE)
    page.goto(f"{shop.url}/products/next")

    assert session_of(page) != first


def test_leaving_a_page_after_a_long_while_begins_no_session(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    page.goto(shop.url)
    first = session_of(page)
    stored(first, ("/", "view", ""))
    pass_time(page, "last", 40 * MINUTE)
    before = link.count("POST", "/ingest")
    page.goto("about:blank")
    wait_until(lambda: link.count("POST", "/ingest") > before, "the script reports that the page is left")

    assert all(first.encode() in body for body in link.bodies)


def test_events_of_an_hour_offline_are_kept_and_sent(
    context: BrowserContext, page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    page.goto(shop.url)
    session = session_of(page)
    stored(session, ("/", "view", ""))
    context.set_offline(True)
    expected = [("/", "view", "")]
    for number in range(30):
        page.evaluate(f"history.pushState({{}}, '', '/offline/{number}')")
        page.click("#one")
        expected += [(f"/offline/{number}", "view", "history"), (f"/offline/{number}", "click", "#one")]
    clock.run(60 * MINUTE)  # the tries to send fail, and come ever more rarely
    context.set_offline(False)

    stored(session, *expected)


def test_a_session_id_is_a_random_uuid(page: Page, shop: PlainShop) -> None:
    page.goto(shop.url)

    assert page.evaluate("/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(JSON.parse(localStorage.shopSignals).id)")


def test_without_randomuuid_the_script_makes_an_id_that_the_service_takes(
    context: BrowserContext, page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    context.add_init_script("Object.defineProperty(crypto, 'randomUUID', { value: undefined })")
    page.goto(shop.url)

    stored(session_of(page), ("/", "view", ""))


def test_every_change_of_the_cart_is_one_event(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord, console: Console
) -> None:
    shop.head = SHOPIFY
    shop.items = 2
    page.goto(shop.url)
    session = session_of(page)

    def wait_for_items(count: int) -> None:
        """Wait until the script has read this number of items in the cart, and let time for another look pass."""
        page.wait_for_function(f"JSON.parse(localStorage.shopSignals).items === {count}")
        clock.run(200)
        page.evaluate("fetch('/cart.js').then((answer) => answer.text())")

    wait_for_items(2)
    page.evaluate("window.NAME = 'shopify:cart:lines-update'")
    # By the network, by the standard event, by both, and refused: a theme may do any of these.
    page.evaluate("fetch('/cart/add.js', { method: 'POST', body: '{\"quantity\": 3}' })")
    wait_for_items(5)
    shop.items = 1
    page.evaluate("""() => {
      const event = new Event(NAME, { bubbles: true });
      document.body.dispatchEvent(Object.assign(event, { promise: Promise.resolve({}) }));
    }""")
    wait_for_items(1)
    page.evaluate("""() => {
      const promise = fetch("/cart/add.js", { method: "POST", body: "{}" });
      document.body.dispatchEvent(Object.assign(new Event(NAME, { bubbles: true }), { promise }));
    }""")
    wait_for_items(2)
    page.evaluate("""() => {
      const promise = Promise.reject(new Error("refused"));
      promise.catch(() => {});
      document.body.dispatchEvent(Object.assign(new Event(NAME, { bubbles: true }), { promise }));
    }""")
    record = stored(
        session,
        ("/", "view", ""),
        ("/", "add_to_cart", ""),
        ("/", "remove_from_cart", ""),
        ("/", "add_to_cart", ""),
    )

    assert [(event.get("was"), event.get("items")) for event in record["events"]["/"][1:]] == [(2, 5), (5, 1), (1, 2)]
    assert record["itemsInCart"] == 2
    assert console.lines == []


def test_without_a_readable_cart_no_items_are_stored(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord, console: Console
) -> None:
    shop.head = SHOPIFY
    shop.files["/cart.js"] = "<!doctype html><title>Opening soon</title>"
    page.goto(shop.url)
    page.click("#one")
    record = stored(session_of(page), ("/", "view", ""), ("/", "click", "#one"))

    assert record["itemsInCart"] == 0
    assert console.lines == []


def test_scroll_depth_is_recorded_by_quarters(
    page: Page, clock: Clock, shop: PlainShop, service: GunicornServer
) -> None:
    shop.body = '<div style="height: 4000px"></div>'
    page.goto(shop.url)
    session = session_of(page)
    for y in (900, 300, 1800, 5000):
        page.evaluate(SCROLL, y)
        clock.run(250)
    clock.run(1000)

    def depths() -> list[int]:
        record = service.stored().get(session) or {"events": {}}
        return [event["depth"] for event in record["events"].get("/", []) if event["type"] == "scroll"]

    wait_until(lambda: depths() == [25, 50, 100], f"{depths()} are the quarters that were reached")
