"""Beside other people's scripts: whatever they patch, wrap or take away, what was done is what is stored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import wait_until
from testing.plain_shop import PlainShop
from testing.unkind_shop import CONSENT, SWAP_BODY, UnkindShop
from tests.browser.answers import CARD, CART, Answers
from tests.browser.conftest import Clock, Console, WaitForRecord, session_of, wait_for_requests
from tests.conftest import gate_takes


@pytest.fixture
def unkind(link: WeakLink, request: pytest.FixtureRequest) -> Iterator[UnkindShop]:
    """A shop with the habits that the test is parametrised with."""
    with UnkindShop(link.url, *request.param, attributes='data-idle="0.5"') as made:
        # No question before the shopper did something: a click on this is a sign.
        made.body = '<button id="size-chart">Sizes</button>'
        yield made


HABITS = [
    ("array_to_json", "polluted_object", "clock_as_text", "fetch_reads_answers", "fetch_adds_headers"),
    ("array_to_json",),
    ("object_to_json",),
    ("polluted_object",),
    ("clock_as_text",),
    ("clock_from_zero",),
    ("fetch_reads_answers",),
    ("fetch_adds_headers",),
    ("fetch_throws",),
    ("beacon_throws", "no_navigation_api", "no_observer"),
]


@pytest.mark.parametrize("unkind", gate_takes(2, HABITS), ids="+".join, indirect=True)
def test_events_are_stored_and_popups_come(
    context: BrowserContext, page: Page, unkind: UnkindShop, link: WeakLink, stored: WaitForRecord, console: Console
) -> None:
    answers = Answers(context)
    page.goto(unkind.url)
    page.click("#size-chart")
    page.wait_for_selector(CARD)
    page.keyboard.press("Escape")
    page.click("#next")

    stored(
        answers.questions[0]["session"],
        ("/", "view", ""),
        ("/", "click", "#size-chart"),
        ("/", "popup_shown", ""),
        ("/", "popup_dismissed", ""),
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
    )
    assert link.count("OPTIONS") == 0
    assert console.lines == []


@pytest.mark.parametrize("consent", gate_takes(2, CONSENT))
def test_consent_counts_once_the_api_itself_is_there(
    page: Page, link: WeakLink, stored: WaitForRecord, consent: str
) -> None:
    with UnkindShop(link.url, consent=consent) as shop:
        page.goto(shop.url)
        session = session_of(page)
        page.click("#two")
        stored(session, ("/", "view", ""), ("/", "click", "#two"))


def test_no_consent_is_taken_from_a_stub(page: Page, clock: Clock, link: WeakLink) -> None:
    with UnkindShop(link.url, consent="a stub, then the API") as shop:
        shop.head = shop.head.replace("=> true", "=> false")
        page.goto(shop.url)
        page.click("#one")
        clock.run(2500)
        wait_for_requests(page, link)

        assert link.count("POST") == 0
        assert page.evaluate("Object.keys(localStorage)") == []


# The first report leaves 100 ms after the page came: where the API takes its yes back later, the service is told to
# forget the visit, and does. On a slow machine the yes is taken back first.
def test_an_api_that_says_yes_too_early_has_nothing_sent(page: Page, clock: Clock, link: WeakLink) -> None:
    with UnkindShop(link.url, consent="yes too early") as shop:
        page.goto(shop.url)
        page.click("#one")
        clock.run(2500)
        wait_for_requests(page, link)

        assert link.count("POST", "/ingest") == 0
        assert page.evaluate("Object.keys(localStorage)") == []


HOMES = {
    "localStorage throws": ("local_storage_throws",),
    "localStorage is a toy": ("local_storage_is_a_toy",),
}


@pytest.mark.parametrize("unkind", gate_takes(1, HOMES.values()), ids=HOMES, indirect=True)
def test_a_visit_outlives_its_page_in_another_home(
    context: BrowserContext, page: Page, unkind: UnkindShop, stored: WaitForRecord
) -> None:
    answers = Answers(context)
    page.goto(unkind.url)
    page.click("#size-chart")
    page.wait_for_selector(CARD)
    page.click("#next")

    stored(
        answers.questions[0]["session"],
        ("/", "view", ""),
        ("/", "click", "#size-chart"),
        ("/", "popup_shown", ""),
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
    )


@pytest.mark.parametrize("unkind", [("local_storage_throws", "session_storage_throws")], indirect=True)
def test_without_any_home_no_popup_comes_twice(
    context: BrowserContext, page: Page, clock: Clock, unkind: UnkindShop, link: WeakLink
) -> None:
    answers = Answers(context)
    for path in ("/", "/products/next"):
        page.goto(unkind.url + path)
        page.click("#size-chart")
        clock.run(2000)
        wait_for_requests(page, link)

    assert answers.questions == []


def test_with_storage_full_a_visit_goes_on(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    shop.head = """<script>
      for (let size = 1 << 20; size; size >>= 1)
        try { for (;;) localStorage["filler" + localStorage.length] = "x".repeat(size); } catch {}
    </script>"""
    page.goto(shop.url)
    page.click("#one")
    page.wait_for_function("sessionStorage.shopSignals")
    session = page.evaluate("JSON.parse(sessionStorage.shopSignals).id")
    page.click("#next")

    stored(
        session,
        ("/", "view", ""),
        ("/", "click", "#one"),
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
    )


ROUTERS = {
    "a body that is exchanged": "(path) => window.visit(path)",
    "the prototype's method": "(path) => History.prototype.pushState.call(history, {}, '', path)",
    "a method taken earlier": "(path) => window.early.call(history, {}, '', path)",
    "a method that does not pass on": """(path) => {
      history.pushState = (...values) => window.early.apply(history, values);
      history.pushState({}, "", path);
    }""",
    "the navigation API": "(path) => navigation.navigate(path, { history: 'push' })",
    "a view transition": """async (path) => {
      await document.startViewTransition(() => history.pushState({}, "", path)).finished;
    }""",
}


@pytest.mark.parametrize("router", gate_takes(2, ROUTERS))
def test_every_router_makes_views(
    page: Page, shop: PlainShop, stored: WaitForRecord, console: Console, router: str
) -> None:
    shop.head = f"""<script>window.early = history.pushState; {SWAP_BODY}
      if (window.navigation) navigation.addEventListener("navigate", (event) => event.canIntercept &&
        event.userInitiated === false && event.navigationType === "push" && event.intercept());</script>"""
    page.goto(shop.url)
    session = session_of(page)
    page.evaluate(f"({ROUTERS[router]})('/products/vase')")
    page.wait_for_function("location.pathname === '/products/vase'")
    page.click("#one")

    stored(session, ("/", "view", ""), ("/products/vase", "view", "history"), ("/products/vase", "click", "#one"))
    assert console.lines == []


def test_a_router_without_the_navigation_api_makes_views(page: Page, link: WeakLink, stored: WaitForRecord) -> None:
    with UnkindShop(link.url, "no_navigation_api") as shop:
        page.goto(shop.url)
        session = session_of(page)
        page.evaluate("history.pushState({}, '', '/products/vase')")
        stored(session, ("/", "view", ""), ("/products/vase", "view", "history"))


def test_a_popup_survives_an_exchanged_body(context: BrowserContext, page: Page, shop: PlainShop) -> None:
    Answers(context)
    shop.attributes, shop.items = 'data-idle="0.3"', 1
    shop.head = f"{CART}<script>{SWAP_BODY}</script>"
    page.goto(shop.url)
    page.wait_for_selector(CARD)
    page.evaluate("window.visit('/products/vase')")

    page.wait_for_function("document.querySelector('h1').textContent === '/products/vase'")
    expect(page.locator(CARD)).to_be_visible()


TAGS = {
    "crossorigin": '<script defer crossorigin="anonymous" src="{url}/storefront.js"></script>',
    "module": '<script type="module" src="{url}/storefront.js"></script>',
    "module, crossorigin": '<script type="module" crossorigin="anonymous" src="{url}/storefront.js"></script>',
    "injected": """<script>document.head.append(Object.assign(document.createElement("script"),
      {{ src: "{url}/storefront.js" }}))</script>""",
}


@pytest.mark.parametrize("tag", gate_takes(1, TAGS))
def test_every_way_of_loading_it_works(
    page: Page, shop: PlainShop, link: WeakLink, stored: WaitForRecord, console: Console, tag: str
) -> None:
    shop.service = "about:blank#"
    page.route("about:blank*", lambda route: route.fulfill(body=""))
    shop.page = lambda path: (  # type: ignore[method-assign]
        f"<!doctype html><head>{TAGS[tag].format(url=link.url)}</head><body><button id=one>One</button></body>"
    )
    page.goto(shop.url)
    session = session_of(page)
    page.click("#one")

    stored(session, ("/", "view", ""), ("/", "click", "#one"))
    assert console.lines == []


@pytest.mark.parametrize(("attributes", "counts"), [("", False), ('data-robots="count"', True)])
def test_an_automated_browser_counts_where_the_shop_wants_it(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, attributes: str, counts: bool
) -> None:
    shop.attributes = attributes
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => true })")
    page.goto(shop.url)
    page.click("#one")
    clock.run(1600)
    wait_for_requests(page, link)

    if counts:
        wait_until(lambda: link.count("POST", "/ingest") > 0, "the visit is reported")
    assert (link.count("POST", "/ingest") > 0) == counts
