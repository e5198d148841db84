"""The script is a good guest: no preflight, no line in the console, no error, one global name and no other trace."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import wait_until
from testing.plain_shop import PlainShop
from tests.browser.conftest import Clock, Console, WaitForRecord, session_of

CART = """<script>window.Shopify = { customerPrivacy: {
  analyticsProcessingAllowed: () => true, marketingAllowed: () => true } };</script>"""


def test_requests_need_no_preflight_and_carry_no_credentials(
    context: BrowserContext,
    page: Page,
    clock: Clock,
    shop: PlainShop,
    link: WeakLink,
    stored: WaitForRecord,
    console: Console,
) -> None:
    context.add_cookies([{"name": "secret", "value": "cookie", "url": link.url}])
    shop.head = CART
    shop.items = 1
    page.goto(shop.url)
    page.click("#one")
    session = session_of(page)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).items === 1")
    clock.run(20_000)
    wait_until(lambda: link.count("POST", "/askai") > 0, "the script asked")
    stored(session, ("/", "view", ""), ("/", "click", "#one"))
    page.click("#next")
    wait_until(
        lambda: link.count("POST", "/ingest") > 2, "the first page reported its end and the second its beginning"
    )

    assert link.count("OPTIONS") == 0
    assert console.lines == []
    posts = link.headers
    assert {headers["content-type"] for headers in posts} == {"text/plain;charset=UTF-8"}
    # A beacon always carries the service's own cookies, and the service has none.
    assert any("cookie" not in headers for headers in posts)
    assert {headers["origin"] for headers in posts} == {shop.url}
    assert not any("?" in headers.get("referer", "") for headers in posts)


def test_the_script_adds_one_global_and_changes_no_other(page: Page, shop: PlainShop) -> None:
    shop.head = "<script>window.namesBefore = Object.getOwnPropertyNames(window); window.fetchBefore = fetch</script>"
    page.goto(shop.url)
    page.click("#one")

    before = "window.namesBefore.concat('namesBefore', 'fetchBefore')"
    assert page.evaluate(f"Object.getOwnPropertyNames(window).filter((name) => !({before}).includes(name))") == [
        "shopSignals"
    ]
    assert page.evaluate("fetch === window.fetchBefore")


def test_events_are_sent_where_storage_is_blocked(
    context: BrowserContext, page: Page, clock: Clock, shop: PlainShop, link: WeakLink, console: Console
) -> None:
    context.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError') } })"
    )
    page.goto(shop.url)
    page.click("#one")
    clock.run(1000)
    wait_until(lambda: b"#one" in b"".join(link.bodies), "the events of the first page are sent")
    page.click("#next")
    page.wait_for_url("**/products/next")
    clock.run(1000)
    wait_until(lambda: b"/products/next" in b"".join(link.bodies), "the events of the next page are sent")

    assert console.lines == []


def test_events_are_sent_where_storage_is_full(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, console: Console
) -> None:
    shop.head = """<script>
      for (let size = 1 << 20; size; size >>= 1)
        try { for (;;) localStorage["filler" + localStorage.length] = "x".repeat(size); } catch {}
    </script>"""
    page.goto(shop.url)
    page.click("#one")
    clock.run(1000)
    wait_until(lambda: b"#one" in b"".join(link.bodies), "the events are sent")

    assert console.lines == []


def test_events_are_sent_where_storage_holds_nonsense(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, console: Console
) -> None:
    for nonsense in ("{", "null", "[]", '"text"', "{}", '{"id":5,"last":"x"}'):
        page.goto(shop.url + "/robots.txt")
        page.evaluate("(text) => { localStorage['shopSignals'] = localStorage['shopSignals.other'] = text }", nonsense)
        link.bodies.clear()
        page.goto(shop.url)
        page.click("#one")
        clock.run(1000)
        wait_until(lambda: b"#one" in b"".join(link.bodies), f"events are sent in spite of {nonsense}")

    assert console.lines == []


def test_views_are_recorded_beside_a_script_that_wraps_history_and_fetch(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord, console: Console
) -> None:
    wrap = """window.%s = [];
      for (const name of ["pushState", "replaceState"]) {
        const original = history[name];
        history[name] = function (...values) { window.%s.push(values[2]); return original.apply(this, values); };
      }
      const fetched%s = window.fetch;
      window.fetch = function (...values) { return fetched%s.apply(this, values); };"""
    shop.head = f"<script>{wrap % (('early',) * 4)}</script>"
    shop.body = f"<script type=module>{wrap % (('late',) * 4)}</script>"
    page.goto(shop.url)
    page.click("#one")
    page.evaluate("history.pushState({ a: 1 }, '', '/products/vase')")
    page.evaluate("history.replaceState({ b: 2 }, '', '/products/mug')")

    stored(
        session_of(page),
        ("/", "view", ""),
        ("/", "click", "#one"),
        ("/products/vase", "view", "history"),
        ("/products/mug", "view", "history"),
    )
    assert page.evaluate("[window.early, window.late, history.state]") == [
        ["/products/vase", "/products/mug"],
        ["/products/vase", "/products/mug"],
        {"b": 2},
    ]
    assert console.lines == []


def test_no_error_where_the_page_breaks_fetch_and_beacons(
    page: Page, clock: Clock, shop: PlainShop, console: Console
) -> None:
    shop.head = """<script>
      window.fetch = () => { throw new Error("broken fetch") };
      navigator.sendBeacon = () => { throw new Error("broken beacon") };
      window.PerformanceObserver = undefined;
      Object.defineProperty(crypto, "randomUUID", { value: undefined });
    </script>"""
    page.goto(shop.url)
    page.click("#one")
    page.evaluate("history.pushState({}, '', '/p')")
    clock.run(60_000)
    page.click("#next")
    page.wait_for_load_state()

    assert console.lines == []


def test_events_and_popup_under_a_strict_content_security_policy(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord, console: Console
) -> None:
    shop.headers = {
        "Content-Security-Policy": f"default-src 'none'; script-src {link.url}; connect-src {link.url};"
        " require-trusted-types-for 'script'"
    }
    page.route("**/askai", lambda route: route.fulfill(json=DECISION, headers={"Access-Control-Allow-Origin": "*"}))
    page.goto(f"{shop.url}/pages/help")
    page.click("#one")
    clock.run(20_000)
    page.wait_for_selector("storefront-popup >> #card")
    clock.run(3000)

    stored(
        session_of(page),
        ("/pages/help", "view", ""),
        ("/pages/help", "click", "#one"),
        ("/pages/help", "popup_shown", ""),
    )
    assert page.locator("#card").evaluate("(card) => getComputedStyle(card).position") == "relative", (
        "the popup has its style"
    )
    assert console.lines == []


def test_a_script_that_is_loaded_twice_records_each_event_once(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    shop.head = f'<script defer src="{link.url}/storefront.js"></script>'
    page.goto(shop.url)
    page.click("#one")

    stored(session_of(page), ("/", "view", ""), ("/", "click", "#one"))


def test_a_prerendered_page_is_no_visit_until_it_is_shown(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink
) -> None:
    shop.head = (
        """<script>Object.defineProperty(document, "prerendering", { value: true, configurable: true });</script>"""
    )
    page.goto(shop.url)
    page.click("#one")
    clock.run(60_000)
    assert link.count("POST") == 0
    page.evaluate("document.dispatchEvent(new Event('prerenderingchange'))")
    clock.run(1000)

    wait_until(lambda: link.count("POST", "/ingest") > 0, "the visit begins when the page is shown")


def test_the_path_of_a_market_is_no_part_of_a_pages_name(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    shop.head = CART.replace("window.Shopify = {", 'window.Shopify = { routes: { root: "/en-de/" },')
    page.goto(f"{shop.url}/en-de/products/vase")
    page.click("#home")

    stored(session_of(page), ("/products/vase", "view", ""), ("/products/vase", "click", "#home"), ("/", "view", ""))


DECISION = {
    "ok": True,
    "show_popup": True,
    "message": "Would you like a hand?",
    "reason": "A test.",
    "category": "info",
    "trigger": "test",
    "confidence": 1,
    "delay_ms": 0,
}
