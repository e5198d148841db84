"""The demo shop, on a phone and on a desktop: a visit from the first page to the purchase, consent, accessibility."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from testing.fake_groq import FakeGroq, good_proposal
from testing.gunicorn_server import ROOT, GunicornServer, wait_until
from tests.browser.conftest import SIZES, Clock, Console, axe_violations, done, session_of
from tests.conftest import gate_takes

WITHIN_MS = 120_000
"""No popup comes in the first 15 seconds; then the shopper has to hesitate for the script to ask."""
CARD = "storefront-popup >> #card"


@pytest.fixture(scope="module")
def groq() -> Iterator[FakeGroq]:
    with FakeGroq() as fake:
        fake.mode, fake.reply = "obedient", lambda request: json.dumps(good_proposal(request, delay_ms=100))
        yield fake


@pytest.fixture(scope="module")
def advised(groq: FakeGroq, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """The service with the demo shop, and a model that always proposes a popup."""
    shop_file = str(ROOT / "shop.example.toml")
    settings = {"DEMO_SHOP": "on", "GROQ_API_KEY": "made-up", "GROQ_BASE_URL": groq.base_url}
    settings["TRACKER_SHOP_FILE"] = shop_file
    with GunicornServer(tmp_path_factory.mktemp("demo"), env=settings) as started:
        yield started


@pytest.fixture(params=SIZES)
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    phone = request.param == "phone"
    made = browser.new_context(viewport=SIZES[request.param], has_touch=phone, is_mobile=phone)  # type: ignore[arg-type]
    yield made
    made.close()


def test_a_visit_from_the_first_page_to_the_purchase(
    advised: GunicornServer, page: Page, clock: Clock, console: Console
) -> None:
    page.goto(f"{advised.url}/demo")
    page.click("#consent-yes")
    session = session_of(page)

    def seen() -> list[tuple[str, str, str]]:
        # How far a page scrolls depends on the fonts.
        return [event for event in done(advised.stored().get(session)) if event[1] != "scroll"]

    def until(path: str, kind: str) -> None:
        # No shopper clicks before a page's scripts have asked whether they may run.
        clock.run(1000)
        wait_until(lambda: (path, kind, "") in seen(), f"the service knows of {kind} on {path}")

    page.click("#hero-shop")
    until("/collections/all", "view")
    page.click("a.card[href$=stone-teapot]")
    until("/products/stone-teapot", "view")
    page.fill("input[name=quantity]", "2")
    page.click("#add-to-cart")
    until("/products/stone-teapot", "add_to_cart")
    page.click("#drawer-cart")
    clock.run_until(page.locator(CARD).count, "a popup is drawn", within_ms=WITHIN_MS)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("storefront-popup")).to_have_count(0)
    page.click("[name=plus]")
    expect(page.locator("output")).to_have_text("3")
    until("/cart", "add_to_cart")
    clock.run(60_000)
    expect(page.locator("storefront-popup")).to_have_count(0)
    page.click("#checkout")
    until("/checkout", "checkout_started")
    page.click("#place-order")
    page.wait_for_selector("#thanks")

    expected = [
        ("/", "view", ""),
        ("/", "click", "#hero-shop"),
        ("/collections/all", "view", ""),
        ("/collections/all", "click", "a.card"),
        ("/products/stone-teapot", "view", ""),
        ("/products/stone-teapot", "quantity_change", "input[quantity]"),
        ("/products/stone-teapot", "click", "#add-to-cart"),
        ("/products/stone-teapot", "add_to_cart", ""),
        ("/products/stone-teapot", "click", "#drawer-cart"),
        ("/cart", "view", ""),
        ("/cart", "popup_shown", ""),
        ("/cart", "popup_dismissed", ""),
        ("/cart", "click", "button[plus]"),
        ("/cart", "add_to_cart", ""),
        ("/cart", "click", "#checkout"),
        ("/checkout", "checkout_started", ""),
        ("/checkout", "checkout_completed", ""),
    ]
    until("/checkout", "checkout_completed")
    assert seen() == expected
    record = advised.stored()[session]
    assert record["itemsInCart"] == 0, "what was bought is no longer in the cart"
    bought = record["events"]["/checkout"][-1]
    assert (bought["items"], bought["total"], bought["currency"]) == (3, 204, "EUR")
    assert set(record["timeOnPage"]) == {"/", "/collections/all", "/products/stone-teapot", "/cart"}
    assert console.lines == []


def test_the_panel_shows_decision_events_and_record(
    advised: GunicornServer, page: Page, clock: Clock, console: Console
) -> None:
    page.goto(f"{advised.url}/demo/products/arc-lamp")
    page.click("#consent-yes")
    page.click("#add-to-cart")
    page.click("#drawer-close")
    clock.run_until(page.locator(CARD).count, "a popup is drawn", within_ms=WITHIN_MS)
    message = page.get_by_role("dialog").get_attribute("aria-label")
    page.click("storefront-popup >> #close")
    page.click("#scenes")
    panel = page.locator("#panel")

    expect(panel).to_contain_text("Show a popup")
    assert message
    expect(panel).to_contain_text(message)
    expect(panel).to_contain_text("add_to_cart")
    expect(panel).to_contain_text(session_of(page)[:8])
    expect(panel.locator("pre")).to_contain_text('"itemsInCart": 1')
    assert axe_violations(page) == []
    page.click("#panel-close")
    expect(panel).to_be_hidden()
    assert console.lines == []


IN_A_HURRY_MS = 10_000
"""The demo shop's own messages come so soon after a sign."""


@pytest.mark.parametrize(
    ("sign", "message"),
    [("cart", "send anything back"), ("shipping", "2 to 4 working days")],
)
def test_without_an_owners_file_a_fitting_popup_comes_within_ten_seconds_of_a_sign(
    service: GunicornServer, page: Page, clock: Clock, console: Console, sign: str, message: str
) -> None:
    page.goto(f"{service.url}/demo/products/arc-lamp")
    page.click("#consent-yes")
    session_of(page)
    clock.run(3000)
    if sign == "cart":
        page.click("#add-to-cart")
        page.click("#drawer-close")
    else:
        page.click(".links >> text=" + sign.capitalize())
        session_of(page)
    clock.run_until(page.locator(CARD).count, "a popup is drawn", within_ms=IN_A_HURRY_MS, step_ms=500)

    expect(page.locator(CARD)).to_contain_text(message)
    assert axe_violations(page, "storefront-popup") == []
    assert console.lines == []


def test_a_visit_without_consent_sends_and_stores_nothing(service: GunicornServer, page: Page) -> None:
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto(f"{service.url}/demo")
    page.click("#consent-no")
    page.click("#hero-shop")
    page.click("a.card >> nth=2")
    page.click("#add-to-cart")
    page.click("#drawer-cart")
    page.click("#checkout")
    page.click("#place-order")
    page.wait_for_selector("#thanks")

    assert [url for url in posts if "/demo/cart/" not in url] == []
    assert page.evaluate("Object.keys(localStorage)") == []


def test_consent_can_be_withdrawn_in_the_demo_shop(service: GunicornServer, page: Page) -> None:
    page.goto(f"{service.url}/demo")
    page.click("#consent-yes")
    session_of(page)
    page.click("#privacy-choices")
    page.click("#consent-no")

    assert page.evaluate("Object.keys(localStorage)") == []


LOAD_EVERY_PICTURE = """Promise.allSettled([...document.images].map((picture) => {
  picture.loading = "eager";
  return picture.decode();
}))"""
PAGES = [
    "",
    "policies/shipping-policy",
    "collections/all",
    "collections/light",
    "products/linen-throw",
    "cart",
    "checkout",
    "checkout/thank_you",
]


LOOKS = [("phone", "dark"), ("desktop", "light"), ("phone", "light"), ("desktop", "dark")]


@pytest.mark.parametrize(("context", "scheme"), gate_takes(2, LOOKS, several=True), indirect=["context"])
def test_axe_finds_no_violation_on_any_page(service: GunicornServer, page: Page, scheme: str, console: Console) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{service.url}/demo/products/oak-tray")
    page.click("#add-to-cart")
    page.click("#drawer-close")
    for path in PAGES:
        page.goto(f"{service.url}/demo/{path}")
        page.wait_for_selector("#consent")

        assert axe_violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the screen"
        assert console.lines == [], path


def test_every_picture_and_style_of_the_demo_shop_is_served(service: GunicornServer, page: Page) -> None:
    missing: list[str] = []
    page.on("response", lambda response: missing.append(response.url) if response.status >= 400 else None)
    for path in PAGES:
        page.goto(f"{service.url}/demo/{path}")
        page.evaluate(LOAD_EVERY_PICTURE)

    assert missing == []


def test_the_pixel_of_the_demo_shop_is_the_file_that_shops_get(service: GunicornServer, page: Page) -> None:
    source = (Path(__file__).parents[2] / "tracker" / "storefront" / "assets" / "pixel.js").read_text("utf-8")
    page.goto(f"{service.url}/demo/checkout")
    served = page.evaluate("fetch('/storefront-pixel.js').then((answer) => answer.text())")

    assert served == source.replace("https://HOST", service.url, 1)
