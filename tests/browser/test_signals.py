"""The signals of docs/events.md, each from what a shopper does; and why the script asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from testing.unkind_shop import UnkindShop
from tests.browser.answers import CART, Answers
from tests.browser.conftest import Clock, pass_time, session_of, wait_for_cart
from tests.conftest import gate_takes


@pytest.fixture
def shop(link: WeakLink) -> Iterator[UnkindShop]:
    with UnkindShop(link.url, attributes='data-idle="600"') as made:
        yield made


def events(service: GunicornServer, session: str, kind: str) -> list[dict[str, Any]]:
    record = service.stored().get(session) or {"events": {}}
    return [event for listed in record["events"].values() for event in listed if event["type"] == kind]


def wait_for(service: GunicornServer, session: str, kind: str, times: int = 1) -> list[dict[str, Any]]:
    wait_until(lambda: len(events(service, session, kind)) >= times, f"{kind} is stored")
    return events(service, session, kind)


STANDARD = {
    "cart_view": ("cart:view", "{}", {"where": "drawer"}),
    "product_select": ("product:select", "{}", {}),
    "search": ("search:update", "{ query: 'my disease' }", {}),
    "discount_refused": ("cart:discount-update", "{ applicable: false, code: 'SECRET' }", {}),
}


@pytest.mark.parametrize("kind", gate_takes(1, STANDARD))
def test_standard_events_of_shopify(
    page: Page, shop: UnkindShop, service: GunicornServer, link: WeakLink, kind: str
) -> None:
    name, detail, keys = STANDARD[kind]
    page.goto(shop.url)
    session = session_of(page)
    for _ in range(3):
        page.evaluate(f"document.dispatchEvent(Object.assign(new Event('shopify:{name}'), {detail}))")
    found = wait_for(service, session, kind)[0]

    assert {key: found.get(key) for key in keys} == keys
    assert set(found) - {"type", "ts", "n"} == set(keys)
    assert b"disease" not in b"".join(link.bodies)
    assert b"SECRET" not in b"".join(link.bodies)


def test_a_code_that_the_cart_refuses(page: Page, shop: UnkindShop, service: GunicornServer, link: WeakLink) -> None:
    page.goto(shop.url)
    session = session_of(page)
    wait_for_cart(page, 0)
    shop.codes = [{"code": "SECRET", "applicable": False}]
    page.click("#one")
    wait_for(service, session, "discount_refused")

    assert b"SECRET" not in b"".join(link.bodies)


def test_total_and_duplicates_of_the_cart(page: Page, shop: UnkindShop, service: GunicornServer) -> None:
    page.goto(shop.url)
    session = session_of(page)
    wait_for_cart(page, 0)
    for times in (1, 2):
        page.evaluate("fetch('/cart/add.js', { method: 'POST' }).then((answer) => answer.text())")
        wait_for(service, session, "add_to_cart", times)

    keys = ("items", "was", "total", "currency", "duplicates")
    assert [tuple(event[key] for key in keys) for event in events(service, session, "add_to_cart")] == [
        (1, 0, 1250, "EUR", 0),
        (2, 1, 2500, "EUR", 1),
    ]


def test_a_drawer_that_is_opened_by_hand_is_a_look_at_the_cart(
    page: Page, shop: UnkindShop, service: GunicornServer
) -> None:
    shop.body = """<button id="open">Cart</button><cart-drawer id="d"
      style="position:fixed;inset:0 0 0 auto;width:300px;visibility:hidden">Cart</cart-drawer>
      <script>document.getElementById("open").onclick = () => (d.style.visibility = "visible")</script>"""
    page.goto(shop.url)
    session = session_of(page)
    page.click("#open")

    assert wait_for(service, session, "cart_view")[0]["where"] == "drawer"


def test_quantities_options_and_what_is_sold_out(
    page: Page, shop: UnkindShop, service: GunicornServer, link: WeakLink
) -> None:
    shop.body = """<form action="/cart/add"><input name="quantity" type="number" value="1">
      <select name="options[Size]"><option>S<option>XL</select><button name="add" id="add">Add</button></form>
      <script>document.querySelector("select").onchange = () => (add.disabled = true)</script>"""
    page.goto(shop.url)
    session = session_of(page)
    page.fill("[name=quantity]", "3")
    page.press("[name=quantity]", "Tab")
    page.select_option("select", "XL")

    assert wait_for(service, session, "option_flip")[0]["target"] == "select[options[Size]]"
    assert wait_for(service, session, "quantity_change")[0]["target"] == "input[quantity]"
    wait_for(service, session, "sold_out")
    assert b"XL" not in b"".join(link.bodies)


ARRIVALS = [
    ("", "", {"from": "direct"}),
    ("https://www.google.com/", "", {"from": "search"}),
    ("https://duckduckgo.com/", "", {"from": "search"}),
    ("https://l.instagram.com/?u=x", "?fbclid=x", {"from": "social", "campaign": "social"}),
    (
        "https://blog.example/jo",
        "?utm_medium=email&utm_campaign=jo@doe.example",
        {"from": "other", "campaign": "email"},
    ),
    ("https://www.bing.com/", "?gclid=8f0c6f2e", {"from": "search", "campaign": "paid"}),
    ("", "?utm_source=flyer", {"from": "direct", "campaign": "other"}),
    ("", "?discount=SECRET", {"from": "direct", "discount": True}),
]


@pytest.mark.parametrize(("referrer", "query", "keys"), gate_takes(2, ARRIVALS, several=True))
def test_how_a_shopper_came_is_a_word_of_a_fixed_list(
    page: Page, shop: UnkindShop, service: GunicornServer, referrer: str, query: str, keys: dict[str, Any]
) -> None:
    page.add_init_script(f"Object.defineProperty(Document.prototype, 'referrer', {{ get: () => '{referrer}' }})")
    page.goto(f"{shop.url}/{query}")
    view = wait_for(service, session_of(page), "view")[0]

    assert {key: view.get(key) for key in keys} == keys
    assert view["device"] == "desktop"
    assert not any(text in str(view) for text in ("SECRET", "jo", "8f0c", "flyer"))


def test_a_code_that_the_shop_keeps_is_seen_and_not_read(
    context: BrowserContext, page: Page, shop: UnkindShop, service: GunicornServer
) -> None:
    context.add_cookies([{"name": "discount_code", "value": "SECRET", "url": shop.url}])
    page.goto(shop.url)
    view = wait_for(service, session_of(page), "view")[0]

    assert view["discount"] is True
    assert "SECRET" not in str(view)


def test_device_and_leaving_on_a_touch_screen(browser: Browser, shop: UnkindShop, service: GunicornServer) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    clock = Clock(context)
    answers = Answers(context, show_popup=False)
    page = context.new_page()
    shop.body = '<div style="height: 6000px"></div>'
    page.goto(shop.url)
    session = begin_long_ago(page)
    for y in (1500, 3000, 0):
        page.evaluate(
            "(y) => new Promise((done) => { addEventListener('scroll', done, { once: true }); scrollTo(0, y) })", y
        )
        clock.run(250)
    answers.wait(page, 1)

    assert wait_for(service, session, "view")[0]["device"] == "phone"
    assert [event["how"] for event in wait_for(service, session, "exit_intent")] == ["scroll"]
    assert answers.reasons == ["exit"]
    context.close()


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def move_to_leave(page: Page) -> None:
    """Move the mouse out of the window at its top, as somebody does who is about to close it."""
    page.evaluate("document.dispatchEvent(new MouseEvent('mouseout', { clientY: -2, bubbles: true }))")


def begin_long_ago(page: Page) -> str:
    """Let the visit have begun so long ago that questions are allowed; return its id."""
    session = session_of(page)
    pass_time(page, "start", 3_600_000)
    return session


def test_coming_back_from_another_tab(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop, service: GunicornServer
) -> None:
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    session = begin_long_ago(page)
    for seconds in (3, 6, 11):
        page.evaluate(HIDE, True)
        clock.run(seconds * 1000)
        page.evaluate(HIDE, False)
        clock.run(1500)
    answers.wait(page, 1)

    assert [event["hidden"] >= 5 for event in wait_for(service, session, "presence", 2)] == [True, True]
    assert answers.reasons == ["back"]


def test_the_fourth_click_on_one_thing_is_a_moment_and_a_changed_cart_counts_anew(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop
) -> None:
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    begin_long_ago(page)
    for _ in range(3):
        page.click("#one")
    page.wait_for_function("JSON.parse(localStorage.shopSignals).items === 0")
    page.evaluate("fetch('/cart/add.js', { method: 'POST' }).then((answer) => answer.text())")
    clock.run_until(
        lambda: page.evaluate("JSON.parse(localStorage.shopSignals).items") == 1, "the cart is read", within_ms=20_000
    )
    for _ in range(3):
        page.click("#one")
    clock.run(500)
    assert answers.reasons == []
    page.click("#one")
    answers.wait(page, 1)

    assert answers.reasons == ["again"]


def test_leaving_waits_for_no_gap(context: BrowserContext, page: Page, shop: UnkindShop) -> None:
    answers = Answers(context, show_popup=False)
    context.add_init_script("addEventListener('shopSignals:decision', () => (window.decided = true), true)")
    page.goto(shop.url)
    begin_long_ago(page)
    for _ in range(4):
        page.click("#one")
    page.wait_for_function("window.decided")
    move_to_leave(page)
    answers.wait(page, 2)

    assert answers.reasons == ["again", "exit"]


def test_nothing_is_asked_at_the_very_beginning_of_a_visit(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop
) -> None:
    shop.attributes = ""
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    session_of(page)
    for _ in range(4):
        page.click("#one")
    move_to_leave(page)
    clock.run(3000)
    assert answers.questions == []
    clock.run(13_000)
    move_to_leave(page)
    answers.wait(page, 1)

    assert answers.reasons == ["exit"]


@pytest.mark.parametrize("path", gate_takes(1, ["/policies/shipping-policy", "/pages/faq", "/search", "/cart"]))
def test_turning_away_from_a_page_that_was_read(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop, path: str
) -> None:
    answers = Answers(context, show_popup=False)
    page.goto(shop.url + path)
    begin_long_ago(page)
    clock.run(10_300)
    page.goto(f"{shop.url}/products/next")
    session_of(page)
    clock.run_until(lambda: answers.questions, "the script asks", within_ms=20_000)

    assert answers.reasons == ["turn_away"]


def test_a_changed_cart_is_asked_about_when_the_shopper_has_stopped(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop
) -> None:
    shop.attributes = ""
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    session_of(page)
    clock.run_until(
        lambda: page.evaluate("JSON.parse(localStorage.shopSignals).items") == 0, "the cart is read", within_ms=20_000
    )
    page.evaluate("fetch('/cart/add.js', { method: 'POST' }).then((answer) => answer.text())")
    clock.run_until(lambda: len(answers.questions) == 2, "the script asks twice", within_ms=200_000)

    assert answers.reasons == ["cart", "idle"]


def test_a_cart_that_is_read_late_makes_stillness_a_moment_all_the_same(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop
) -> None:
    shop.attributes = ""
    answers = Answers(context, show_popup=False)
    held: list[Route] = []
    page.route("**/cart.js", lambda route: held.append(route))
    page.goto(shop.url)
    session_of(page)
    clock.run_until(lambda: held, "the script reads the cart", within_ms=20_000)
    clock.run(70_000)
    held[0].fulfill(json={"item_count": 1})
    clock.run_until(lambda: answers.questions, "the script asks", within_ms=60_000)

    assert answers.reasons[0] == "idle"


SIGNS = {
    "a page of text": "history.pushState({}, '', '/pages/faq')",
    "a page gone back to": "history.pushState({}, '', '/a'); history.pushState({}, '', '/')",
    "a size chart": "",
}


@pytest.mark.parametrize("sign", gate_takes(2, [None, *SIGNS]))
def test_stillness_is_a_moment_only_after_a_sign(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop, sign: str | None
) -> None:
    shop.attributes = ""
    shop.body = "<button id=size-chart>Sizes</button>"
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    session_of(page)
    if sign == "a size chart":
        page.click("#size-chart")
    elif sign:
        page.evaluate(SIGNS[sign])
    for _ in range(70):
        clock.run(1000)
    if sign:
        answers.wait(page, 1)

    assert set(answers.reasons) == ({"idle"} if sign else set())


def test_no_more_than_twenty_questions_a_visit(
    context: BrowserContext, page: Page, clock: Clock, shop: UnkindShop
) -> None:
    shop.attributes = ""
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    begin_long_ago(page)
    for number in range(23):
        move_to_leave(page)
        if number < 20:
            answers.wait(page, number + 1)
        clock.run(300)
        page.wait_for_function("!JSON.parse(localStorage.shopSignals).open")

    assert len(answers.questions) == 20


def test_popup_events_do_not_lengthen_the_visit(context: BrowserContext, page: Page, shop: PlainShop) -> None:
    shop.attributes, shop.head, shop.items = 'data-idle="0.3"', CART, 1
    Answers(context)
    page.goto(shop.url)
    page.wait_for_selector("storefront-popup >> #card")
    before = page.evaluate("JSON.parse(localStorage.shopSignals).last")
    page.locator("storefront-popup >> #close").evaluate("(button) => button.click()")

    assert page.evaluate("JSON.parse(localStorage.shopSignals).last") == before
