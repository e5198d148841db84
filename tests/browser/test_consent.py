"""Without consent the script stores nothing and sends nothing; with it, nothing that names a person."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import BrowserContext, Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import wait_until
from testing.plain_shop import PlainShop
from tests.browser.conftest import Clock, Console, WaitForRecord, session_of

IDLE_MS = 20_000
"""The script asks after so long without an event (data-idle has its default)."""

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


def visit(page: Page, clock: Clock) -> None:
    """Do what a shopper does, for so long that a script that reports would have sent it."""
    page.click("#one")
    page.evaluate("scrollTo(0, 500)")
    page.evaluate("history.pushState({}, '', '/products/secret')")
    clock.run(1500)
    page.click("#two")


def keys(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    return found


def assert_silent(page: Page, clock: Clock, link: WeakLink) -> None:
    visit(page, clock)
    assert keys(page) == []
    page.click("#next")
    page.wait_for_load_state()
    page.close(run_before_unload=True)
    assert {path for _, path in link.seen} == {"/storefront.js"}


def test_nothing_is_stored_or_sent_where_shopify_says_no(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink
) -> None:
    shop.head = SHOPIFY
    page.goto(shop.url)
    page.wait_for_function("window.Shopify.customerPrivacy")

    assert page.evaluate("window.asked") == "consent-tracking-api"
    assert_silent(page, clock, link)


def test_nothing_is_stored_or_sent_while_shopify_has_not_answered(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink
) -> None:
    shop.head = "<script>window.Shopify = { loadFeatures() {} }</script>"
    page.goto(shop.url)

    assert_silent(page, clock, link)


def test_nothing_is_stored_or_sent_where_shopifys_consent_script_was_blocked(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink
) -> None:
    shop.head = "<script>window.Shopify = {}</script>"
    page.goto(shop.url)

    assert_silent(page, clock, link)


@pytest.mark.parametrize("signal", ["globalPrivacyControl: true", "doNotTrack: '1'"])
@pytest.mark.parametrize("attributes", ["", 'data-consent="granted"'])
def test_a_browsers_privacy_signal_outweighs_granted_consent(
    context: BrowserContext,
    page: Page,
    clock: Clock,
    shop: PlainShop,
    link: WeakLink,
    signal: str,
    attributes: str,
) -> None:
    name, _, value = signal.partition(": ")
    context.add_init_script(f"Object.defineProperty(Navigator.prototype, '{name}', {{ get: () => {value} }})")
    shop.attributes = attributes
    page.goto(shop.url)

    assert_silent(page, clock, link)


def test_the_shops_own_consent_banner_starts_and_stops_the_script(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    visit(page, clock)
    assert keys(page) == []
    assert link.count("POST") == 0
    page.evaluate("shopSignals.consent(true)")
    page.click("#one")
    session = session_of(page)
    stored(session, ("/products/secret", "view", ""), ("/products/secret", "click", "#one"))

    page.evaluate("shopSignals.consent(false)")
    assert keys(page) == []


def test_granted_consent_starts_the_script_and_withdrawn_consent_clears_its_storage(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord, console: Console
) -> None:
    shop.head = SHOPIFY
    page.goto(shop.url)
    page.click("#one")
    page.evaluate("choose('yes', 'no')")
    page.click("#two")
    session = session_of(page)
    # What the shopper did before is not reported.
    stored(session, ("/", "view", ""), ("/", "click", "#two"))

    link.mode = "cut"
    page.click("#one")
    assert len(keys(page)) == 2, "the session, and the queue with the click"
    page.evaluate("choose('no', 'no')")
    assert keys(page) == []
    before = link.count("POST", "/ingest")
    visit(page, clock)
    page.click("#next")
    page.wait_for_load_state()
    clock.run(2000)
    assert keys(page) == []
    assert link.count("POST", "/ingest") == before
    assert not any("uncaught" in line for line in console.lines)


def test_consent_withdrawn_in_one_tab_stops_the_other_tab_too(
    context: BrowserContext, shop: PlainShop, link: WeakLink, console: Console
) -> None:
    shop.head = SHOPIFY
    context.add_init_script("addEventListener('shopSignals:sent', () => (window.sent = true), true)")
    first, second = context.new_page(), context.new_page()
    first.goto(shop.url)
    first.evaluate("choose('yes', 'yes')")
    session_of(first)
    second.goto(shop.url)
    second.wait_for_function("window.sent")
    # The second tab is busy while the first one clears the storage, and writes to it before it hears of that.
    second.evaluate(
        """() => void setTimeout(() => {
          const until = Date.now() + 500;
          while (Date.now() < until);
          localStorage.shopSignals = localStorage.shopSignals;
        })"""
    )
    first.evaluate("choose('no', 'no')")
    wait_until(lambda: keys(second) == [], "the other tab clears the storage as well")
    clock = Clock(context)  # only now: the clock of a busy page stands still, and its wait would never end
    before = link.count("POST", "/ingest")
    visit(second, clock)

    assert keys(second) == []
    assert link.count("POST", "/ingest") == before
    assert console.lines == []


def test_a_waiting_question_is_not_asked_once_consent_is_withdrawn(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink
) -> None:
    shop.head = SHOPIFY
    shop.items = 1
    page.goto(shop.url)
    link.mode = "held"
    page.evaluate("choose('yes', 'yes')")
    page.click("#one")
    clock.run(IDLE_MS)  # the script wants to ask, and sends the events first
    wait_until(lambda: link.count("POST", "/ingest") > 0, "the events are on their way")
    page.evaluate("choose('no', 'no')")
    with page.expect_response("**/ingest"):
        link.mode = "good"
    clock.run(IDLE_MS)

    assert keys(page) == []
    assert link.count("POST", "/askai") == 0


def test_without_marketing_consent_events_are_sent_but_nothing_is_asked(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink
) -> None:
    shop.head = SHOPIFY
    shop.items = 1
    page.goto(shop.url)
    with page.expect_response("**/ingest"):
        page.evaluate("choose('yes', 'no')")
        page.click("#one")
        clock.run(IDLE_MS)
    assert link.count("POST", "/askai") == 0
    page.evaluate("choose('yes', 'yes')")
    page.click("#one")
    clock.run(IDLE_MS)

    wait_until(lambda: link.count("POST", "/askai") > 0, "the script asks now")


def test_the_script_does_nothing_in_the_theme_editor(page: Page, clock: Clock, shop: PlainShop, link: WeakLink) -> None:
    shop.head = SHOPIFY.replace('routes: { root: "/" },', "designMode: true,")
    page.goto(shop.url)
    page.evaluate("choose('yes', 'yes')")

    assert_silent(page, clock, link)


@pytest.mark.parametrize("path", ["/password", "/checkouts/cn/abc", "/en-de/password"])
def test_the_script_does_nothing_on_password_and_checkout_pages(
    page: Page,
    clock: Clock,
    shop: PlainShop,
    link: WeakLink,
    path: str,
) -> None:
    page.goto(shop.url + path)
    page.click("#one")
    clock.run(IDLE_MS)
    # A request of the test's own: those of the script would have come before it. Its answer is not for other sites.
    page.evaluate("(url) => fetch(url, { mode: 'no-cors' }).catch(() => null)", f"{link.url}/healthz")

    assert keys(page) == []
    assert [path for _, path in link.seen] == ["/storefront.js", "/healthz"]


def test_nothing_that_names_a_person_is_sent(page: Page, clock: Clock, shop: PlainShop, link: WeakLink) -> None:
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
    clock.run(1500)
    wait_until(lambda: link.count("POST", "/ingest") > 0, "the first events are sent")
    page.close(run_before_unload=True)
    wait_until(lambda: link.count("POST", "/ingest") > 1, "the last events are sent")
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
