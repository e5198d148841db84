"""The popup: what it shows, how it is closed, when the script asks for one and when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from testing.faults.weak_link import WeakLink
from testing.plain_shop import PlainShop
from tests.browser.answers import ACTION, CARD, CART, CLOSE
from tests.browser.conftest import (
    SIZES,
    Clock,
    Console,
    WaitForRecord,
    axe_violations,
    pass_time,
    session_of,
    wait_for_cart,
)

OFFER = {"id": "autumn", "text": "10 % off all candles until Sunday", "code": "GLOW10"}

NOON = 1_793_000_000
"""A moment in 2026: the script takes no other clock for one."""

Answer = dict[str, Any]


class Asked:
    """Answers /askai in the place of the service, always with `answer`, and counts the questions."""

    def __init__(self, context: BrowserContext) -> None:
        self.times = 0
        self.answer: Answer = {
            "ok": True,
            "show_popup": True,
            "message": "Would you like a hand with your order?",
            "reason": "A test.",
            "category": "info",
            "trigger": "test",
            "confidence": 1,
            "delay_ms": 0,
        }
        context.route("**/askai", self._fulfill)

    def wait(self, page: Page, times: int) -> None:
        """Wait until this number of questions came; only while Playwright itself waits can they be answered."""
        for _ in range(1200):
            if self.times >= times:
                return
            page.wait_for_timeout(50)
        raise AssertionError(f"asked {self.times} times, not {times}")

    def _fulfill(self, route: Route) -> None:
        self.times += 1
        route.fulfill(json=self.answer, headers={"Access-Control-Allow-Origin": "*"})


@pytest.fixture
def asked(context: BrowserContext) -> Asked:
    return Asked(context)


@pytest.fixture
def shop(shop: PlainShop) -> PlainShop:
    """The script asks at once: with something in the cart, a tenth of a second without an event is hesitation here."""
    shop.attributes = 'data-idle="0.1"'
    shop.head = CART
    shop.items = 1
    return shop


def wait_until_still(page: Page) -> None:
    """Wait until the popup is drawn and its animations have ended."""
    page.wait_for_selector(CARD)
    page.locator(CARD).evaluate(
        "(card) => Promise.all(card.getAnimations({ subtree: true }).map((animation) => animation.finished))"
    )


def focused(page: Page) -> str:
    """Return the id of the element that has the focus in this page, whether or not its window is in front."""
    found: str = page.evaluate("document.activeElement.id")
    return found


@pytest.mark.parametrize("key", ["Escape", "Enter"])
def test_the_keyboard_closes_the_popup_and_the_focus_returns(
    page: Page, shop: PlainShop, asked: Asked, stored: WaitForRecord, key: str
) -> None:
    page.goto(shop.url)
    page.focus("#two")
    page.wait_for_selector(CARD)
    assert focused(page) == "two", "the popup does not take the focus"
    page.focus(CLOSE)
    page.keyboard.press(key)

    expect(page.locator("storefront-popup")).to_have_count(0)
    assert focused(page) == "two"
    record = stored(session_of(page), ("/", "view", ""), ("/", "popup_shown", ""), ("/", "popup_dismissed", ""))
    shown, dismissed = record["events"]["/"][1:]
    assert shown["category"] == dismissed["category"] == "info"
    assert shown["trigger"] == dismissed["trigger"] == "test"


def test_the_tab_key_reaches_the_buttons_of_the_popup(page: Page, shop: PlainShop, asked: Asked) -> None:
    asked.answer["offer"] = OFFER
    page.goto(shop.url)
    page.wait_for_selector(CARD)
    page.focus("#mail")
    reached = []
    for _ in range(2):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.shadowRoot?.activeElement?.textContent"))

    assert reached == ["Copy code", "×"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("offer", [None, OFFER])
def test_axe_finds_no_violation_in_the_popup(
    context: BrowserContext, page: Page, shop: PlainShop, asked: Asked, size: str, dark: bool, offer: Answer | None
) -> None:
    if offer:
        asked.answer["offer"] = offer
    if dark:
        shop.files["/dark.js"] = "document.body.style.cssText = 'background:#191613;color:#f4ede2'"
        shop.body = '<script src="/dark.js"></script>'
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
    page.goto(shop.url)
    wait_until_still(page)

    assert axe_violations(page, "storefront-popup") == []


def test_a_screen_reader_announces_the_popup(page: Page, shop: PlainShop, asked: Asked) -> None:
    page.goto(shop.url)
    page.wait_for_selector(CARD)

    assert page.get_attribute("storefront-popup", "aria-live") == "polite"
    expect(page.get_by_role("dialog", name="Would you like a hand with your order?")).to_be_visible()
    expect(page.get_by_role("button", name="Close")).to_be_visible()


def test_data_words_sets_the_words_of_the_buttons(page: Page, shop: PlainShop, asked: Asked) -> None:
    shop.attributes += ' data-words="Schließen|Code kopieren|Kopiert|Zum Warenkorb"'
    asked.answer["offer"] = OFFER
    page.goto(shop.url)
    page.wait_for_selector(CARD)

    expect(page.get_by_role("button", name="Schließen")).to_be_visible()
    expect(page.locator(ACTION)).to_have_text("Code kopieren")


def test_the_popup_shifts_no_layout(page: Page, shop: PlainShop, asked: Asked) -> None:
    page.add_init_script("""window.shift = 0; new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true })""")
    page.goto(shop.url)
    wait_until_still(page)
    page.keyboard.press("Escape")
    expect(page.locator("storefront-popup")).to_have_count(0)
    # Two frames later every shift of the layout has been handed to the observer.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")

    assert page.evaluate("window.shift") == 0


def test_markup_in_a_message_is_shown_as_text(page: Page, shop: PlainShop, asked: Asked, console: Console) -> None:
    hostile = "<img src=x onerror=\"document.title='bad'\"><b>hello</b>"
    asked.answer |= {"message": hostile, "offer": {"id": "x", "text": hostile, "code": hostile}}
    page.goto(shop.url)
    page.wait_for_selector(CARD)

    for part in ("p", "code"):
        expect(page.locator(f"storefront-popup >> {part}")).to_have_text(hostile)
    assert page.locator("storefront-popup >> img").count() == 0
    assert page.title() == "/"
    assert console.lines == []


def test_the_action_button_copies_the_code(
    context: BrowserContext, page: Page, shop: PlainShop, asked: Asked, stored: WaitForRecord
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked.answer["offer"] = OFFER
    page.goto(shop.url)
    page.click(ACTION)

    expect(page.locator(ACTION)).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "GLOW10"
    record = stored(session_of(page), ("/", "view", ""), ("/", "popup_shown", ""), ("/", "popup_clicked", ""))
    assert [event["offer"] for event in record["events"]["/"][1:]] == ["autumn", "autumn"]


def test_a_message_is_drawn_once_a_visit_over_all_pages_and_tabs(
    context: BrowserContext, page: Page, clock: Clock, shop: PlainShop, asked: Asked
) -> None:
    page.goto(shop.url)
    page.wait_for_selector(CARD)
    page.keyboard.press("Escape")
    # As if the two quiet minutes were over: the script asks again, on this page, on the next, and in another tab.
    calm = "localStorage.shopSignals = JSON.stringify({ ...JSON.parse(localStorage.shopSignals), quiet: 0, asked: 1 })"
    for place in (page, page, context.new_page()):
        before = asked.times
        if place is not page or before > 1:
            place.goto(f"{shop.url}/products/next")
        with place.expect_response("**/askai"):
            place.evaluate(calm)
            place.bring_to_front()
            place.click("#one")
            clock.run(1000)
        clock.run(1000)
        assert asked.times > before
        expect(place.locator("storefront-popup")).to_have_count(0)


def test_nothing_is_asked_for_two_minutes_after_a_popup(
    page: Page, clock: Clock, shop: PlainShop, asked: Asked
) -> None:
    page.goto(shop.url)
    page.wait_for_selector(CARD)
    page.keyboard.press("Escape")
    for _ in range(11):
        clock.run(10_000)
        page.click("#one")
    assert asked.times == 1
    clock.run(10_000)
    page.click("#one")
    clock.run(1000)

    asked.wait(page, 2)


def test_the_popup_comes_after_exactly_the_delay_of_the_decision(
    context: BrowserContext, page: Page, shop: PlainShop, asked: Asked
) -> None:
    asked.answer["delay_ms"] = 1500
    shop.attributes = 'data-idle="5"'
    context.add_init_script("addEventListener('shopSignals:decision', () => (window.decided = true), true)")
    context.clock.install(time=NOON)
    page.goto(shop.url)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).items === 1")  # the cart was read
    context.clock.pause_at(NOON + 60)  # the script asks, and from here the page's time stands still
    page.wait_for_function("window.decided", polling=50)
    popup = page.locator("storefront-popup")
    context.clock.run_for(1499)
    assert popup.count() == 0
    context.clock.run_for(1)
    expect(popup).to_have_count(1)
    context.clock.run_for(50)
    expect(page.locator(CARD)).to_be_visible()


COVERS = {
    "a modal dialog": ('<dialog id="d" style="height:200px">Search</dialog>', "d.showModal()", "d.close()"),
    "a drawer": (
        '<cart-drawer id="d" style="position:fixed;inset:0 0 0 auto;width:300px;visibility:hidden">Cart</cart-drawer>',
        "d.style.visibility = 'visible'",
        "d.style.visibility = 'hidden'",
    ),
    "a drawer beside the screen": (
        """<div class="mini-cart-drawer" id="d"></div><style>
          .mini-cart-drawer { position: fixed; inset: 0 0 0 auto; width: 9em; transform: translateX(100%) }</style>""",
        "d.style.transform = 'none'",
        "d.style.transform = 'translateX(100%)'",
    ),
    "a modal of an app": (
        '<div role="dialog" aria-modal="true" id="d" style="display:none"><p>Newsletter</p></div>',
        "d.style.display = 'block'",
        "d.style.display = 'none'",
    ),
}


@pytest.mark.parametrize("cover", COVERS)
def test_the_popup_never_covers_the_cart_drawer_or_a_dialog(
    page: Page, clock: Clock, shop: PlainShop, asked: Asked, cover: str
) -> None:
    shop.body, open_it, close_it = COVERS[cover]
    with page.expect_response("**/askai"):
        page.goto(shop.url)
        page.evaluate(open_it)
        clock.run(100)
    clock.run(5000)
    expect(page.locator("storefront-popup")).to_have_count(0)
    page.evaluate(close_it)
    clock.run(1100)
    expect(page.locator(CARD)).to_be_visible()
    page.evaluate(open_it)
    clock.run(300)
    expect(page.locator(CARD)).to_be_hidden()
    page.evaluate(close_it)
    clock.run(300)
    expect(page.locator(CARD)).to_be_visible()


def test_a_theme_can_draw_a_popup_of_its_own(page: Page, shop: PlainShop, asked: Asked, stored: WaitForRecord) -> None:
    shop.head += """<script>document.addEventListener("shopSignals:popup", (event) => {
      event.preventDefault();
      window.drawn = event.detail.decision.message;
      window.report = event.detail.report;
    });</script>"""
    page.goto(shop.url)
    page.wait_for_function("window.drawn === 'Would you like a hand with your order?'")
    page.evaluate("window.report('clicked')")

    expect(page.locator("storefront-popup")).to_have_count(0)
    stored(session_of(page), ("/", "view", ""), ("/", "popup_shown", ""), ("/", "popup_clicked", ""))


def test_a_theme_can_set_colours_font_and_place_of_the_popup(page: Page, shop: PlainShop, asked: Asked) -> None:
    shop.head += """<style>
      :root { --popup-background: rgb(10, 20, 30); --popup-text: rgb(250, 250, 250); --popup-radius: 0 }
      body { font-family: monospace } storefront-popup { inset-block-end: 90px }</style>"""
    page.goto(shop.url)
    wait_until_still(page)

    style = page.locator(CARD).evaluate(
        "(card) => ['backgroundColor', 'color', 'borderRadius', 'fontFamily'].map((key) => getComputedStyle(card)[key])"
    )
    assert style == ["rgb(10, 20, 30)", "rgb(250, 250, 250)", "0px", "monospace"]
    box = page.locator(CARD).bounding_box()
    assert box is not None
    assert box["y"] + box["height"] == pytest.approx(800 - 90, abs=1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_the_popup_stands_in_its_corner_and_its_close_button_is_large_enough(
    page: Page, shop: PlainShop, asked: Asked, size: str, direction: str
) -> None:
    shop.head += f"<script>document.documentElement.dir = '{direction}'</script>"
    asked.answer["message"] = "צריכים עזרה עם ההזמנה?" if direction == "rtl" else "Would you like a hand?"
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
    page.goto(shop.url)
    wait_until_still(page)
    card, close = page.locator(CARD).bounding_box(), page.locator(CLOSE).bounding_box()
    assert card is not None
    assert close is not None
    width = SIZES[size]["width"]
    left, right = card["x"], width - card["x"] - card["width"]

    assert min(left, right) >= 7.5
    assert close["width"] >= 44
    assert close["height"] >= 44
    at_start = close["x"] + close["width"] / 2 < card["x"] + card["width"] / 2
    assert at_start == (direction == "rtl")
    if size == "desktop":
        assert (left < right) == (direction == "rtl")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_popup_does_not_move_where_reduced_motion_is_set(
    context: BrowserContext, page: Page, shop: PlainShop, asked: Asked
) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(shop.url)
    page.wait_for_selector(CARD)

    assert page.locator(CARD).evaluate("(card) => getComputedStyle(card).animationName") == "none"


def test_a_click_in_the_popup_is_no_click_on_the_page(
    page: Page, shop: PlainShop, asked: Asked, stored: WaitForRecord
) -> None:
    page.goto(shop.url)
    page.click(CLOSE)

    stored(session_of(page), ("/", "view", ""), ("/", "popup_shown", ""), ("/", "popup_dismissed", ""))


def test_with_data_ask_off_nothing_is_asked(
    page: Page, clock: Clock, shop: PlainShop, asked: Asked, link: WeakLink
) -> None:
    shop.attributes += ' data-ask="off"'
    with page.expect_response("**/ingest"):
        page.goto(shop.url)
        page.click("#one")
        clock.run(60_000)
    clock.run(60_000)

    assert link.count("POST", "/ingest") > 0
    assert asked.times == 0


def test_the_script_asks_when_the_mouse_leaves_the_page(
    page: Page, clock: Clock, shop: PlainShop, asked: Asked, stored: WaitForRecord
) -> None:
    shop.attributes = 'data-idle="600"'
    page.goto(shop.url)
    session = session_of(page)
    wait_for_cart(page, 1)  # a popup that was decided before the cart was known is dropped
    pass_time(page, "start", 3_600_000)  # at the very beginning of a visit nothing is asked
    page.evaluate("document.dispatchEvent(new MouseEvent('mouseout', { clientX: 300, clientY: -2, bubbles: true }))")
    page.wait_for_selector(CARD)

    stored(session, ("/", "view", ""), ("/", "exit_intent", ""), ("/", "popup_shown", ""))


def test_the_script_asks_when_the_cart_has_changed_and_the_shopper_is_still(
    page: Page, clock: Clock, shop: PlainShop, asked: Asked, stored: WaitForRecord
) -> None:
    shop.attributes = ""
    shop.items = 0
    page.goto(shop.url)
    session = session_of(page)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).items === 0")  # the cart was read
    clock.run(70_000)
    assert asked.times == 0, "without a sign and without a cart stillness is no moment"
    page.evaluate("fetch('/cart/add.js', { method: 'POST', body: JSON.stringify({ quantity: 2 }) })")
    clock.run_until(page.locator(CARD).count, "a popup is drawn", within_ms=60_000)
    page.click(ACTION)
    page.wait_for_url("**/cart")

    record = stored(
        session,
        ("/", "view", ""),
        ("/", "add_to_cart", ""),
        ("/", "popup_shown", ""),
        ("/", "popup_clicked", ""),
        ("/cart", "view", ""),
    )
    added = record["events"]["/"][1]
    assert (added["items"], added["was"]) == (2, 0)
    assert record["itemsInCart"] == 2
