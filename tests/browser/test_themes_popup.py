"""The popup in every theme: readable, never over what a shopper needs, with a way that its message opens."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer
from testing.plain_shop import PlainShop
from testing.unkind_shop import UnkindShop
from tests.browser.answers import ACTION, CARD, CART, CLOSE, Answers
from tests.browser.conftest import (
    SIZES,
    Clock,
    Console,
    WaitForRecord,
    axe_violations,
    eventually,
    session_of,
    wait_for_cart,
)
from tests.conftest import gate_takes


@pytest.fixture
def shop(shop: PlainShop) -> PlainShop:
    shop.attributes, shop.head, shop.items = 'data-idle="0.3"', CART, 1
    return shop


GROUNDS = {
    "plain": "",
    "dark body": "body { background: #191613; color: #f4ede2 }",
    "dark html": "html { background: #111 } body { color: #eee }",
    "gradient": "body { background: linear-gradient(#111, #222); color: #eee }",
    "light gradient": "body { background: linear-gradient(#fff, #eee); color: #333 }",
    "a picture": "html { background: #fff url(data:image/gif;base64,R0lGODlhAQAB) } body { color: #fff }",
    "browser's dark scheme": ":root { color-scheme: dark }",
    "oklch": "body { background: oklch(20% 0.02 250); color: oklch(95% 0.01 250) }",
    "color-mix": "body { background: color-mix(in srgb, black 90%, white); color: color-mix(in lab, white 90%, red) }",
    "half transparent": "html { background: #000 } body { background: #ffffff10; color: #ddd }",
    "grey on grey": "body { background: #777; color: #888 }",
    "own background alone": ":root { --popup-background: #101820 } body { color: #222 }",
    "own text alone": ":root { --popup-text: #fff }",
    "own button alone": ":root { --popup-button: #111 } body { color: #222 }",
    "hidden until the fonts are there": "body { color: transparent }",
    "inverted by a filter": "html { filter: invert(1); background: #fff } body { color: #111 }",
}

CONTRAST = """(selector) => {
  const pixel = (...layers) => {
    const paint = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    for (const layer of layers) { paint.fillStyle = layer; paint.fillRect(0, 0, 1, 1) }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
      part /= 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
  };
  const light = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  const shadow = document.querySelector("storefront-popup").shadowRoot;
  const card = getComputedStyle(shadow.querySelector("#card"));
  const style = getComputedStyle(shadow.querySelector(selector));
  const ground = selector === ".action" ? [card.backgroundColor, style.backgroundColor] : [card.backgroundColor];
  const [one, other] = [light(pixel(...ground, style.color)), light(pixel(...ground))];
  return Math.max(one / other, other / one);
}"""


@pytest.mark.parametrize("ground", gate_takes(4, GROUNDS))
def test_text_and_ground_are_a_pair(context: BrowserContext, page: Page, shop: PlainShop, ground: str) -> None:
    Answers(context, action={"label": "How returns work", "opens": "/policies/refund-policy"})
    shop.head += f"<style>{GROUNDS[ground]}</style>"
    page.goto(shop.url)
    page.wait_for_selector(ACTION)

    for part in ("p", "#close", ".action"):
        assert page.evaluate(CONTRAST, part) >= 4.5, part
    assert axe_violations(page, "storefront-popup") == []


PRODUCT = """<style>body { margin: 0 } form { position: absolute; inset-inline-end: 60px; bottom: 90px }
  form button { width: 300px; height: 52px }</style>
  <form action="/cart/add"><button id="buy" type="submit" name="add">Add to cart</button></form>"""
STICKY = """<div id="buy" style="position:fixed;inset:auto 0 0;height:72px;background:#123;color:#fff">
  <button style="float:right;height:60px">Add to cart - EUR 12.50</button></div>"""
CHAT = """<button id="buy" style="position:fixed;right:20px;bottom:20px;width:60px;height:60px">Chat</button>"""
IN_VIEW = """<style>body { margin: 0 } #buy { position: fixed; left: 0; right: 0; bottom: 0; height: 40px }</style>
  <x-bar id="buy"></x-bar>"""


@pytest.mark.parametrize("body", [PRODUCT, STICKY, CHAT, IN_VIEW], ids=["add to cart", "sticky bar", "chat", "element"])
@pytest.mark.parametrize(
    "size", gate_takes(1, [SIZES["phone"], {"width": 1280, "height": 720}]), ids=["phone", "desktop"]
)
def test_nothing_that_shoppers_need_is_covered(
    context: BrowserContext, page: Page, shop: PlainShop, body: str, size: dict[str, int]
) -> None:
    Answers(context, action={"label": "How returns work", "opens": "/policies/refund-policy"})
    shop.body = body
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(shop.url)
    page.wait_for_selector(CARD)

    def are_apart() -> bool:
        card, needed = page.locator(CARD).bounding_box(), page.locator("#buy").bounding_box()
        assert card is not None
        assert needed is not None
        return (
            card["y"] + card["height"] <= needed["y"]
            or card["y"] >= needed["y"] + needed["height"]
            or card["x"] + card["width"] <= needed["x"]
            or card["x"] >= needed["x"] + needed["width"]
        )

    eventually(page, are_apart, "the popup has found its place")
    card = page.locator(CARD).bounding_box()
    assert card is not None
    assert card["y"] >= 0
    assert card["width"] * card["height"] < 0.12 * size["width"] * size["height"]


def test_it_gives_way_when_something_comes_under_it(context: BrowserContext, page: Page, shop: PlainShop) -> None:
    Answers(context)
    page.goto(shop.url)
    page.wait_for_selector(CARD)

    def top() -> float:
        box = page.locator(CARD).bounding_box()
        assert box is not None
        return box["y"]

    before = top()
    page.evaluate("(html) => document.body.insertAdjacentHTML('beforeend', html)", STICKY)

    eventually(page, lambda: top() < before - 40, "the popup has given way")


WAYS = [
    ({"label": "Shipping", "opens": "/policies/shipping-policy"}, "/fr-ca/policies/shipping-policy", "page"),
    ({"label": "To the cart", "opens": "cart"}, "/fr-ca/cart", "cart"),
    ({"label": "Mail us", "opens": "mailto:help@shop.example"}, "mailto:help@shop.example", "contact"),
    ({"label": "Call us", "opens": "tel:+49301234"}, "tel:+49301234", "contact"),
    ({"label": "Write to us", "opens": "https://wa.me/49301234"}, "https://wa.me/49301234", "contact"),
    ({"label": "Apply", "apply": "GLOW 10"}, "/fr-ca/discount/OLD,GLOW%2010?redirect=%2Fproducts%2Fx%3Fa%3D1", "apply"),
]


@pytest.mark.parametrize(
    ("action", "address", "kind"),
    gate_takes(2, WAYS, several=True),
    ids=[kind + address[:9] for _, address, kind in WAYS],
)
def test_the_button_opens_what_the_message_says(
    context: BrowserContext, page: Page, link: WeakLink, stored: WaitForRecord, action: Any, address: str, kind: str
) -> None:
    Answers(context, action=action)
    with UnkindShop(link.url, root="/fr-ca", attributes='data-idle="0.5"') as shop:
        shop.items = 1
        shop.codes = [{"code": "OLD", "applicable": True}, {"code": "NO", "applicable": False}]
        page.goto(shop.url + "/products/x?a=1")
        page.wait_for_selector(ACTION)

        assert page.locator(ACTION).inner_text() == action["label"]
        assert page.locator(ACTION).get_attribute("href") == address
        record = stored(session_of(page), ("/products/x", "view", ""), ("/products/x", "popup_shown", ""))
        shown = record["events"]["/products/x"][1]
        assert (shown["message_id"], shown["action"]) == ("free-returns", kind)


@pytest.mark.parametrize(
    "opens",
    gate_takes(
        1,
        [
            "javascript:alert(1)",
            "https://other.example/",
            "//other.example",
            "/\\other.example",
            "data:text/html,x",
            "",
        ],
    ),
)
def test_nothing_else_is_opened(context: BrowserContext, page: Page, shop: PlainShop, opens: str) -> None:
    Answers(context, action={"label": "Bad", "opens": opens})
    page.goto(shop.url)
    page.wait_for_selector(CLOSE)

    assert page.locator(ACTION).count() == 0


def test_a_chat_is_opened_by_an_event(
    context: BrowserContext, page: Page, shop: PlainShop, stored: WaitForRecord
) -> None:
    Answers(context, action={"label": "Ask us", "opens": "event:open-chat"})
    shop.head += "<script>addEventListener('open-chat', () => (window.chat = true))</script>"
    page.goto(shop.url)
    page.click(ACTION)

    page.wait_for_function("window.chat")
    expect(page.locator("storefront-popup")).to_have_count(0)
    record = stored(session_of(page), ("/", "view", ""), ("/", "popup_shown", ""), ("/", "popup_clicked", ""))
    assert record["events"]["/"][-1]["action"] == "event"


def test_a_message_without_a_way_has_no_button(context: BrowserContext, page: Page, link: WeakLink) -> None:
    Answers(context)
    with UnkindShop(link.url, attributes='data-idle="0.5"') as shop:
        shop.items = 1
        page.goto(shop.url)
        page.wait_for_selector(CLOSE)

        assert page.locator(ACTION).count() == 0


def test_words_come_in_the_messages_language_and_the_shops_own_stand_above(
    context: BrowserContext, page: Page, shop: PlainShop
) -> None:
    words = {"close": "Schließen", "copy": "Code kopieren", "copied": "Kopiert", "view_cart": "Zum Warenkorb"}
    answers = Answers(context, words=words, offer={"id": "autumn", "text": "10 %", "code": "GLOW10"})
    page.goto(shop.url)
    page.wait_for_selector(CARD)
    assert page.locator(ACTION).inner_text() == "Code kopieren"
    assert page.locator(CLOSE).get_attribute("aria-label") == "Schließen"

    answers.answer["message_id"] = "another"
    shop.attributes += ' data-words="Zu"'
    page.evaluate("localStorage.clear()")
    page.goto(f"{shop.url}/products/next")
    page.wait_for_selector(CARD)
    assert page.locator(ACTION).inner_text() == "Code kopieren"
    assert page.locator(CLOSE).get_attribute("aria-label") == "Zu"


def test_a_decided_popup_survives_the_page_turn(
    context: BrowserContext, page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    answers = Answers(context, delay_ms=10_000)
    page.goto(shop.url)
    session = session_of(page)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).next")
    page.click("#next")
    session_of(page)
    clock.run_until(page.locator(CARD).count, "the popup is drawn", within_ms=12_000)

    stored(
        session,
        ("/", "view", ""),
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
        ("/products/next", "popup_shown", ""),
    )
    assert len(answers.questions) == 1


CLOCKS = {
    "stands": "began",
    "goes back a little with each look": "began - looks++",
    "was set back by eight seconds": "began - (looks++ ? 8000 : 0)",
}
"""What Date.now() says in the first five seconds of a page, from the answer on."""


@pytest.mark.parametrize("says", gate_takes(2, CLOCKS.values()), ids=CLOCKS)
def test_the_longest_delay_is_waited_out_whatever_the_clock_does(
    context: BrowserContext, page: Page, shop: PlainShop, says: str
) -> None:
    Answers(context, delay_ms=10_000)
    context.add_init_script(
        f"""const now = Date.now, began = now(); let looks = 0;
        document.addEventListener("shopSignals:decision", () => {{
          Date.now = () => (performance.now() < 5000 ? {says} : now());
        }});"""
    )
    page.goto(shop.url)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).next")
    page.wait_for_timeout(1500)

    assert page.locator("storefront-popup").count() == 0
    assert page.evaluate("!!JSON.parse(localStorage.shopSignals).next")


def test_a_decided_popup_is_drawn_in_one_tab_only(context: BrowserContext, page: Page, shop: PlainShop) -> None:
    # Both are in sight, as two windows side by side are, and are kept busy until the same millisecond.
    Answers(context, delay_ms=4000)
    page.goto(shop.url)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).next")
    other = context.new_page()
    other.goto(f"{shop.url}/products/next")
    session_of(other)
    for tab in (page, other):
        tab.evaluate(
            """() => {
              const { at } = JSON.parse(localStorage.shopSignals).next;
              setTimeout(() => { while (Date.now() < at + 50); }, at - 100 - Date.now());
            }"""
        )
    popups = [tab.locator("storefront-popup") for tab in (page, other)]
    for _ in range(400):
        if sum(popup.count() for popup in popups):
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(3000)

    assert sum(popup.count() for popup in popups) == 1


CHANGED = "document.dispatchEvent(new Event('shopify:cart:lines-update'))"
DROPS: dict[str, tuple[str, Any]] = {
    "cart": (CHANGED, {}),
    "here": ("history.pushState({}, '', '/policies/refund')", {"opens": "/policies/refund", "label": "Refunds"}),
    "theme": ("1", {}),
    "late": ("document.body.appendChild(document.createElement('dialog')).showModal()", {}),
    "repeat": (
        """localStorage.shopSignals = JSON.stringify({
          ...JSON.parse(localStorage.shopSignals), seen: { "free-returns": [Date.now(), 0] } })""",
        {},
    ),
}


@pytest.mark.parametrize("why", gate_takes(1, DROPS))
def test_a_dropped_popup_says_why(
    context: BrowserContext, page: Page, clock: Clock, link: WeakLink, service: GunicornServer, why: str
) -> None:
    act, action = DROPS[why]
    Answers(context, delay_ms=10_000, **({"action": action} if action else {}))
    with UnkindShop(link.url, attributes='data-idle="0.6"') as shop:
        shop.items = 1
        if why == "theme":
            shop.head += (
                "<script>document.addEventListener('shopSignals:decision', (event) => event.preventDefault())</script>"
            )
        page.goto(shop.url)
        session = session_of(page)
        page.wait_for_function("JSON.parse(localStorage.shopSignals).next")
        if why == "cart":
            shop.items = 5
        page.evaluate(act)
        if why == "cart":
            wait_for_cart(page, 5)

        def dropped() -> list[dict[str, Any]]:
            listed = service.stored()[session]["events"].values()
            return [one for events in listed for one in events if one["type"] == "popup_dropped"]

        clock.run_until(dropped, "the service knows that it was dropped", within_ms=90_000)
        assert page.locator("storefront-popup").count() == 0
        found = dropped()[0]

    assert (found["why"], found["message_id"]) == (why, "free-returns")


def test_it_waits_while_somebody_types(context: BrowserContext, page: Page, clock: Clock, shop: PlainShop) -> None:
    Answers(context, delay_ms=10_000)
    page.goto(shop.url)
    page.focus("#mail")
    page.wait_for_function("JSON.parse(localStorage.shopSignals).next")
    for _ in range(13):
        page.keyboard.press("a")
        clock.run(1000)
    assert page.locator("storefront-popup").count() == 0

    clock.run_until(page.locator(CARD).count, "the popup is drawn", within_ms=10_000)


def test_a_swipe_closes_it(context: BrowserContext, page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    Answers(context)
    page.goto(shop.url)
    page.wait_for_selector(CARD)
    page.locator(CARD).evaluate("""(card) => {
      const send = (type, clientX) => card.dispatchEvent(
        new PointerEvent(type, { clientX, clientY: 400, pointerType: "touch", bubbles: true }));
      send("pointerdown", 100);
      send("pointerup", 180);
    }""")

    expect(page.locator("storefront-popup")).to_have_count(0)
    stored(session_of(page), ("/", "view", ""), ("/", "popup_shown", ""), ("/", "popup_dismissed", ""))


def test_a_preview_is_drawn_and_not_recorded(
    context: BrowserContext, page: Page, shop: PlainShop, link: WeakLink, console: Console
) -> None:
    answers = Answers(context)
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    page.evaluate("void shopSignals.preview('free-returns')")
    page.wait_for_selector(CARD)
    page.click(CLOSE)
    page.wait_for_timeout(1300)

    assert answers.questions == [{"session": "previewing", "preview": "free-returns", "language": "en"}]
    assert link.count("POST", "/ingest") == 0
    assert page.evaluate("Object.keys(localStorage)") == []
    assert console.lines == []


def test_the_service_answers_a_preview_and_records_nothing(
    page: Page, shop: PlainShop, service: GunicornServer, link: WeakLink
) -> None:
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    page.evaluate("document.documentElement.lang = 'de'; void shopSignals.preview('free-returns')")

    # The service has no file of an owner's, and shows the demo shop's messages.
    expect(page.locator(CARD)).to_contain_text("send anything back")
    expect(page.locator(ACTION)).to_have_text("How returns work")
    assert link.count("POST", "/ingest") == 0
    assert not service.storage.exists() or "previewing" not in service.stored()


def test_a_preview_of_an_unknown_message_shows_nothing(page: Page, shop: PlainShop, link: WeakLink) -> None:
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    page.evaluate("void shopSignals.preview('never-heard-of')")
    page.wait_for_timeout(800)

    assert page.locator("storefront-popup").count() == 0


def test_a_popup_that_cannot_be_drawn_is_dropped(
    context: BrowserContext, page: Page, shop: PlainShop, stored: WaitForRecord
) -> None:
    Answers(context)
    context.route("**/storefront-popup.js*", lambda route: route.fulfill(status=404))
    with page.expect_response("**/storefront-popup.js*"):
        page.goto(shop.url)

    record = stored(session_of(page), ("/", "view", ""), ("/", "popup_dropped", ""))
    assert record["events"]["/"][1]["why"] == "failed"
