"""Consent comes first: without it nothing is stored and nothing is sent beyond loading the script itself."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import BrowserContext, Page

from testing.gunicorn_server import wait_until
from testing.plain_shop import PlainShop
from testing.weak_link import WeakLink
from tests.browser.conftest import Told, WaitForRecord, session_of

SHOPIFY = """<script>
window.Shopify = {
  routes: { root: "/" },
  loadFeatures(features, done) {
    window.asked = features[0].name;
    setTimeout(() => {
      Shopify.customerPrivacy = {
        analyticsProcessingAllowed: () => document.cookie.includes("analytics=yes"),
        marketingAllowed: () => document.cookie.includes("marketing=yes"),
      };
      done();
    }, 30);
  },
};
function choose(analytics, marketing) {
  document.cookie = "analytics=" + analytics;
  document.cookie = "marketing=" + marketing;
  document.dispatchEvent(new CustomEvent("visitorConsentCollected", { detail: {} }));
}
</script>"""


def live(page: Page) -> None:
    """Do what a shopper does, for long enough that a script that should not would have sent it."""
    page.click("#one")
    page.evaluate("scrollTo(0, 500)")
    page.evaluate("history.pushState({}, '', '/products/secret')")
    page.wait_for_timeout(1500)
    page.click("#two")


def keys(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    return found


def assert_silent(page: Page, link: WeakLink) -> None:
    live(page)
    assert keys(page) == []
    page.click("#next")
    page.wait_for_load_state()
    page.close(run_before_unload=True)
    assert {path for _, path in link.seen} == {"/storefront.js"}


def test_shopify_says_no(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.head = SHOPIFY
    page.goto(shop.url)
    page.wait_for_function("window.Shopify.customerPrivacy")

    assert page.evaluate("window.asked") == "consent-tracking-api"
    assert_silent(page, link)


def test_shopify_does_not_answer(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.head = "<script>window.Shopify = { loadFeatures() {} }</script>"
    page.goto(shop.url)

    assert_silent(page, link)


def test_a_shopify_page_whose_consent_script_was_blocked(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.head = "<script>window.Shopify = {}</script>"
    page.goto(shop.url)

    assert_silent(page, link)


@pytest.mark.parametrize("signal", ["globalPrivacyControl: true", "doNotTrack: '1'"])
@pytest.mark.parametrize("attributes", ["", 'data-consent="granted"'])
def test_a_browser_that_asks_for_privacy(
    context: BrowserContext, page: Page, shop: PlainShop, link: WeakLink, signal: str, attributes: str
) -> None:
    name, _, value = signal.partition(": ")
    context.add_init_script(f"Object.defineProperty(Navigator.prototype, '{name}', {{ get: () => {value} }})")
    shop.attributes = attributes
    page.goto(shop.url)

    assert_silent(page, link)


def test_a_banner_of_the_shops_own(page: Page, shop: PlainShop, link: WeakLink, stored: WaitForRecord) -> None:
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    live(page)
    assert keys(page) == []
    assert link.count("POST") == 0
    page.evaluate("shopSignals.consent(true)")
    page.click("#one")
    session = session_of(page)
    stored(session, ("/products/secret", "view", ""), ("/products/secret", "click", "#one"))

    page.evaluate("shopSignals.consent(false)")
    assert keys(page) == []


def test_granted_it_starts_and_withdrawn_it_clears(
    page: Page, shop: PlainShop, link: WeakLink, stored: WaitForRecord, told: Told
) -> None:
    shop.head = SHOPIFY
    page.goto(shop.url)
    page.click("#one")
    page.evaluate("choose('yes', 'no')")
    page.click("#two")
    session = session_of(page)
    # What was done before is not told.
    stored(session, ("/", "view", ""), ("/", "click", "#two"))

    link.mode = "cut"
    page.click("#one")
    page.wait_for_timeout(100)
    assert len(keys(page)) == 2, "the session, and the queue with the click"
    page.evaluate("choose('no', 'no')")
    assert keys(page) == []
    before = link.count("POST", "/ingest")
    live(page)
    page.click("#next")
    page.wait_for_load_state()
    page.wait_for_timeout(500)
    assert keys(page) == []
    assert link.count("POST", "/ingest") == before
    assert not any("uncaught" in line for line in told.lines)


def test_withdrawn_in_one_tab_it_ends_in_the_other(
    context: BrowserContext, shop: PlainShop, link: WeakLink, told: Told
) -> None:
    shop.head = SHOPIFY
    context.add_init_script("addEventListener('shopSignals:sent', () => (window.sent = true), true)")
    first, second = context.new_page(), context.new_page()
    first.goto(shop.url)
    first.evaluate("choose('yes', 'yes')")
    session_of(first)
    second.goto(shop.url)
    second.wait_for_function("window.sent")
    # At work while the first one forgets, the second writes before it hears of that.
    second.evaluate(
        """() => void setTimeout(() => {
          const until = Date.now() + 500;
          while (Date.now() < until);
          localStorage.shopSignals = localStorage.shopSignals;
        })"""
    )
    first.evaluate("choose('no', 'no')")
    wait_until(lambda: keys(second) == [], "the other tab forgets as well")
    second.wait_for_timeout(200)
    before = link.count("POST", "/ingest")
    live(second)

    assert keys(second) == []
    assert link.count("POST", "/ingest") == before
    assert told.lines == []


def test_withdrawn_while_a_question_waits_it_is_not_asked(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.head = SHOPIFY
    shop.attributes = 'data-idle="0.2"'
    page.goto(shop.url)
    link.mode = "held"
    page.evaluate("choose('yes', 'yes')")
    page.click("#one")
    wait_until(lambda: link.count("POST", "/ingest") > 0, "the events go first")
    page.wait_for_timeout(500)
    page.evaluate("choose('no', 'no')")
    link.mode = "good"
    page.wait_for_timeout(500)

    assert keys(page) == []
    assert link.count("POST", "/askai") == 0


def test_without_marketing_consent_it_does_not_ask(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.head = SHOPIFY
    shop.attributes = 'data-idle="0.2"'
    page.goto(shop.url)
    page.evaluate("choose('yes', 'no')")
    page.click("#one")
    page.wait_for_timeout(1500)
    assert link.count("POST", "/ingest") > 0
    assert link.count("POST", "/askai") == 0
    page.evaluate("choose('yes', 'yes')")
    page.click("#one")

    wait_until(lambda: link.count("POST", "/askai") == 1, "it asks now")


def test_quiet_in_the_theme_editor(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.head = SHOPIFY.replace('routes: { root: "/" },', "designMode: true,")
    page.goto(shop.url)
    page.evaluate("choose('yes', 'yes')")

    assert_silent(page, link)


@pytest.mark.parametrize("path", ["/password", "/checkouts/cn/abc", "/en-de/password"])
def test_quiet_where_it_has_no_business(page: Page, shop: PlainShop, link: WeakLink, path: str) -> None:
    page.goto(shop.url + path)
    page.click("#one")
    page.wait_for_timeout(1200)

    assert keys(page) == []
    assert {path for _, path in link.seen} == {"/storefront.js"}


def test_nothing_that_names_a_person_is_sent(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.body = """<input id="q" name="q"><textarea id="note"></textarea><select id="size"><option>S<option>XL</select>
      <a id="mailto" href="mailto:jo@doe.example">Mail</a> <a id="out" href="https://other.example/u/jo?token=t0k3n">Out</a>
      <a id="order" href="/account/orders/0123456789abcdef0123">Order</a> <button id="by-jo@doe.example">By</button>"""
    page.goto(f"{shop.url}/account/activate/77/8f0c6f2e9a1b4c5d8f0c?email=jo@doe.example#secret-fragment")
    page.fill("#mail", "jo@doe.example")
    page.fill("#q", "my disease")
    page.fill("#note", "call me at 555-0199")
    page.select_option("#size", "XL")
    for target in ("#mail", "#q", "#note", "#size", "[id^=by-]"):
        page.click(target)
    for target in ("#mailto", "#out", "#order"):
        page.eval_on_selector(target, "(link) => link.addEventListener('click', (event) => event.preventDefault())")
        page.click(target)
    page.evaluate("history.pushState({}, '', '/pages/jo@doe.example/x')")
    page.evaluate("history.pushState({}, '', '/apps/track/7c0f6b9e-2f0d-4b7e-9a55-3d1c8f1f2a90/now')")
    page.evaluate("history.pushState({}, '', '/orders/deadbeefdeadbeefdead/authenticate')")
    page.wait_for_timeout(1500)
    page.close(run_before_unload=True)
    wait_until(lambda: link.count("POST", "/ingest") > 1, "the last of it is sent")
    everything = b"".join(link.bodies).decode() + json.dumps(link.headers)

    for secret in (
        "jo@",
        "jo?",
        "doe",
        "disease",
        "555",
        "t0k3n",
        "8f0c6f",
        "0123456789abcdef",
        "deadbeef",
        "3d1c8f1f2a90",
        "XL",
        "fragment",
    ):
        assert secret not in everything, secret
    assert '"/account"' in everything
    assert '"href":"mailto:"' in everything
    assert '"href":"other.example"' in everything
