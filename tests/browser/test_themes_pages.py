"""What themes do with pages, carts and clicks: names stay apart and stay the same, every change of a cart is seen."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from testing.unkind_shop import UnkindShop
from tests.browser.answers import CARD, CART, Answers
from tests.browser.conftest import (
    SIZES,
    Clock,
    WaitForRecord,
    eventually,
    session_of,
    wait_for_cart,
    wait_for_requests,
)
from tests.conftest import gate_takes

LONG = "北海道産の有機栽培じゃがいもと手作りバターの詰め合わせ"

NAMES = {
    "/": [
        ("/fr-ca", "/fr-ca"),
        ("/products/x/", "/products/x"),
        ("/products//y", "/products/y"),
        ("/collections/checkout", "/collections/checkout"),
        ("/products/ean-8712345678901234", "/products/ean-8712345678901234"),
        ("/collections/orders/products/x", "/collections/orders/products/x"),
        ("/blogs/account/invoices", "/blogs/account/invoices"),
        ("/account/orders/8f0c6f2e9a1b4c5d8f0c", "/account"),
        ("/apps/track/8f0c6f2e9a1b4c5d8f0c", "/apps/track/*"),
        ("/search/my%20disease", "/search"),
        ("/products/%E5%8C%97", "/products/北"),
        ("/products/100%25-wool", "/products/100%-wool"),
        (f"/products/{LONG}-大", f"/products/{LONG}-大"),
        (f"/products/{LONG}-小", f"/products/{LONG}-小"),
    ],
    "/fr-ca/": [("/fr-ca/products/x", "/products/x"), ("/fr-ca", "/")],
    "/fr-ca": [("/fr-ca/products/x", "/products/x"), ("/fr-card/x", "/fr-card/x"), ("/fr-ca", "/")],
}
"""Addresses and the names of their pages, by the root of the shop's market."""


@pytest.mark.parametrize("root", NAMES)
def test_names_of_pages(page: Page, clock: Clock, link: WeakLink, stored: WaitForRecord, root: str) -> None:
    with UnkindShop(link.url, root=root) as shop:
        page.goto(shop.url + "/products/password")
        session = session_of(page)
        for path, _ in NAMES[root]:
            page.evaluate("(path) => history.pushState({}, '', path)", path)
        stored(session, ("/products/password", "view", ""), *[(name, "view", "history") for _, name in NAMES[root]])


def test_one_page_has_one_name_however_its_address_is_written(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    page.goto(f"{shop.url}/products/%E5%8C%97")
    for path in ("/products/%e5%8c%97/", "/products//北"):
        page.evaluate("(path) => history.pushState({}, '', path)", path)
    page.click("#one")

    stored(session_of(page), ("/products/北", "view", ""), ("/products/北", "click", "#one"))


def test_names_longer_than_any_stay_apart_and_bounded(page: Page, shop: PlainShop, service: GunicornServer) -> None:
    page.goto(shop.url)
    session = session_of(page)
    for end in ("a", "b"):
        page.evaluate("(path) => history.pushState({}, '', path)", "/products/" + "x" * 400 + end)
    wait_until(lambda: len((service.stored().get(session) or {"events": {}})["events"]) == 3, "three pages are stored")

    assert all(len(name) < 140 for name in service.stored()[session]["events"])


ADDING = {
    "an answer that nobody reads": "fetch('/cart/add.js', { method: 'POST', body: new FormData() })",
    "a beacon": "navigator.sendBeacon('/cart/add', '{}')",
    "the Storefront API": "fetch('/api/2026-01/graphql.json', { method: 'POST', body: '{}' })",
    "a request of the old kind": """(() => { const request = new XMLHttpRequest();
      request.open("POST", "/cart/add.js"); request.send("{}") })()""",
    "a frame": """document.body.append(Object.assign(document.createElement("iframe"),
      { onload() { this.contentWindow.fetch("/cart/add.js", { method: "POST" }) } }))""",
}


@pytest.mark.parametrize("way", gate_takes(2, ADDING))
@pytest.mark.parametrize("slowness_s", gate_takes(1, [0, 2.0]))
def test_every_way_of_adding_is_seen(
    page: Page, link: WeakLink, stored: WaitForRecord, way: str, slowness_s: float
) -> None:
    with UnkindShop(link.url) as shop:
        shop.body = f"<button id=add onclick='{ADDING[way].replace(chr(39), chr(34))}'>+</button>"
        shop.slowness_s = slowness_s
        page.goto(shop.url)
        session = session_of(page)
        wait_for_cart(page, 0)
        page.click("#add")
        record = stored(session, ("/", "view", ""), ("/", "click", "#add"), ("/", "add_to_cart", ""))

    added = record["events"]["/"][-1]
    assert (added["items"], added["was"], added["total"], added["currency"]) == (1, 0, 1250, "EUR")
    assert record["itemsInCart"] == 1


SHADOWS = {
    "an icon with a shadow root": """<a id="z" href="/products/z"><x-icon></x-icon></a>""",
    "an icon in an icon": """<a id="z" href="/products/z"><x-outer></x-outer></a>""",
    "a slotted text": """<x-card><a id="z" href="/products/z"><b>Z</b></a></x-card>""",
}
ELEMENTS = """<script>
  for (const [name, html] of Object.entries({ "x-icon": "<svg width=40 height=40><rect width=40 height=40 /></svg>",
    "x-outer": "<x-icon></x-icon>", "x-card": "<p><slot></slot></p>" }))
    customElements.define(name, class extends HTMLElement {
      connectedCallback() { this.attachShadow({ mode: "open" }).innerHTML = html }
    });
</script>"""


@pytest.mark.parametrize("kind", gate_takes(1, SHADOWS))
def test_clicks_cross_shadow_roots(page: Page, shop: PlainShop, stored: WaitForRecord, kind: str) -> None:
    shop.body = SHADOWS[kind] + ELEMENTS
    page.goto(shop.url)
    session = session_of(page)
    box = page.locator("#z").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] / 2)

    record = stored(session, ("/", "view", ""), ("/", "click", "#z"), ("/products/z", "view", ""))
    assert record["events"]["/"][1]["href"] == "/products/z"


def test_a_clock_set_back_begins_a_visit_of_its_own(
    context: BrowserContext, page: Page, link: WeakLink, stored: WaitForRecord
) -> None:
    with UnkindShop(link.url, attributes='data-idle="0.5"') as shop:
        answers = Answers(context, show_popup=False)
        shop.items = 1
        page.goto(shop.url)
        first = session_of(page)
        answers.wait(page, 1)
        stored(first, ("/", "view", ""))
        context.add_init_script(
            """(() => {
              const Real = Date, back = 7200e3;
              window.Date = class extends Real {
                constructor(...of) { of[0] === undefined ? super(Real.now() - back) : super(...of) } };
              window.Date.now = () => Real.now() - back;
            })()"""
        )
        shop.items = 2
        page.goto(shop.url + "/products/next")
        page.wait_for_function("(first) => JSON.parse(localStorage.shopSignals).id !== first", arg=first)
        second = session_of(page)
        page.click("#one")
        asked = len(answers.questions)
        answers.wait(page, asked + 1)
        record = stored(second, ("/products/next", "view", ""), ("/products/next", "click", "#one"))

    assert second != first
    assert record["itemsInCart"] == 2, "the cart of the new clock counts"


FUTURE = ["last", "start", "asked", "quiet", "clock"]


@pytest.mark.parametrize("key", gate_takes(1, FUTURE))
def test_a_stored_moment_in_the_future_counts_as_unknown(
    context: BrowserContext, page: Page, shop: PlainShop, key: str
) -> None:
    shop.attributes, shop.head, shop.items = 'data-idle="0.5"', CART, 1
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    answers.wait(page, 1)
    page.evaluate(
        """(key) => {
          const found = JSON.parse(localStorage.shopSignals);
          localStorage.shopSignals = JSON.stringify({ ...found, [key]: Date.now() + 1e9 });
        }""",
        key,
    )
    page.goto(f"{shop.url}/products/next")
    page.click("#one")

    answers.wait(page, 2)


STORED = [
    {"shopSignals.5000": "[null]"},
    {"shopSignals.5000": '[["x"],[1,2,3],{"a":1},"text"]'},
    {"shopSignals.5000": '[["abcdefgh",null,{"type":[],"ts":"x"}]]'},
    {"shopSignals": '{"id":"abcdefgh1","start":NOW,"last":NOW,"times":5,"seen":[1],"items":-1,"visit":"x","lot":1e9}'},
    {"shopSignals": '{"id":["abcdefgh1"],"start":NOW,"last":NOW,"times":{"/":"5"},"seen":{"a":1},"items":"3"}'},
    {"shopSignals": '{"id":123456789,"start":NOW,"last":"NOW","next":{"decision":7,"at":"x"},"seen":null}'},
    {"shopSignals": '{"id":"abcdefgh1","start":NOW,"last":NOW,"next":{"at":NOW,"decision":{"message":{}}},"asks":[]}'},
]


@pytest.mark.parametrize("kept", gate_takes(2, STORED), ids=lambda kept: next(iter(kept.values()))[:50])
def test_nothing_that_is_read_from_storage_is_trusted(
    page: Page, shop: PlainShop, link: WeakLink, service: GunicornServer, kept: dict[str, str]
) -> None:
    page.goto(shop.url + "/password")
    for key, text in kept.items():
        page.evaluate(
            "([key, text]) => { localStorage[key] = text.replaceAll('NOW', Date.now()) }",
            [key, text],
        )
    for path in ("/", "/products/next"):
        page.goto(shop.url + path)
        page.click("#one")
        session = page.evaluate("JSON.parse(localStorage.shopSignals).id")

    def clicks() -> int:
        events = (service.stored().get(session) or {"events": {}})["events"]
        return sum(event["type"] == "click" for listed in events.values() for event in listed)

    wait_until(lambda: clicks() >= 2, "both clicks are stored")


def test_only_pages_that_are_seen_are_views(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    page.add_init_script("Object.defineProperty(Document.prototype, 'hidden', { get: () => !window.seen })")
    page.goto(shop.url)
    clock.run(1500)
    wait_for_requests(page, link)
    assert link.count("POST") == 0
    page.evaluate("window.seen = true; document.dispatchEvent(new Event('visibilitychange'))")

    stored(session_of(page), ("/", "view", ""))


def test_a_page_in_a_frame_of_the_shop_is_no_view(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    page.goto(shop.url)
    session = session_of(page)
    page.evaluate(
        """new Promise((done) => document.body.append(Object.assign(document.createElement("iframe"),
          { src: "/products/quick", onload: done })))"""
    )
    page.click("#one")

    stored(session, ("/", "view", ""), ("/", "click", "#one"))


PANES = {
    "a carousel": (
        "<div id=p style='width:300px;height:90px;overflow:auto'><div style='height:900px'></div></div>",
        [],
    ),
    "the page itself": (
        """<style>html,body{height:100%;margin:0;overflow:hidden}</style>
        <div id=p style='position:absolute;inset:0;overflow:auto'><div style='height:9000px'></div></div>""",
        [25],
    ),
}


@pytest.mark.parametrize("pane", PANES)
@pytest.mark.parametrize("size", gate_takes(1, SIZES))
def test_depth_is_that_of_the_page(
    page: Page, clock: Clock, shop: PlainShop, service: GunicornServer, link: WeakLink, pane: str, size: str
) -> None:
    shop.body, expected = PANES[pane]
    shop.body += "<button id=end style='position:fixed;top:50px;left:50px'>End</button>"
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
    page.goto(shop.url)
    session = session_of(page)
    page.evaluate("document.getElementById('p').scrollTo(0, 2000)")
    clock.run(500)
    page.click("#end")

    def depths() -> list[int]:
        events = (service.stored().get(session) or {"events": {}})["events"].get("/", [])
        is_complete = any(event["type"] == "click" for event in events)
        return [event["depth"] for event in events if event["type"] == "scroll"] if is_complete else [-1]

    clock.run(1000)
    eventually(page, lambda: depths() == expected, f"the depths are {expected}")


def test_a_small_modal_dialog_covers(context: BrowserContext, page: Page, clock: Clock, shop: PlainShop) -> None:
    answers = Answers(context)
    shop.attributes, shop.head, shop.items = 'data-idle="0.3"', CART, 1
    shop.body = '<dialog id="d" style="height:20px">Hi</dialog>'
    page.goto(shop.url)
    page.evaluate("d.showModal()")
    answers.wait(page, 1)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).next")
    clock.run(700)
    assert page.locator("storefront-popup").count() == 0
    page.evaluate("d.close()")

    clock.run_until(page.locator(CARD).count, "the popup is drawn", within_ms=10_000)
