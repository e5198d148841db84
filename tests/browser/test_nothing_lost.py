"""Whatever happens on the way, the stored events are those that were done: none lost, none doubled."""

from __future__ import annotations

import time

from playwright.sync_api import BrowserContext, Page

from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from testing.weak_link import WeakLink
from tests.browser.conftest import WaitForRecord, done, session_of


def wait_for_answer(page: Page) -> None:
    """Wait until the script has nothing left that was not answered."""
    page.wait_for_function("!Object.keys(localStorage).some((key) => key.startsWith('shopSignals.'))", timeout=30_000)


def test_a_tab_that_is_closed_right_after_a_click(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    page.goto(shop.url)
    session = session_of(page)
    page.click("#one")
    page.close(run_before_unload=True)

    stored(session, ("/", "view", ""), ("/", "click", "#one"))


def test_a_link_that_is_followed_at_once(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    page.goto(shop.url)
    session = session_of(page)
    page.click("#one")
    page.click("#next")

    stored(
        session,
        ("/", "view", ""),
        ("/", "click", "#one"),
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
    )


def test_a_dozen_pages_in_a_row(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    expected = []
    for number in range(12):
        page.goto(f"{shop.url}/products/p{number}")
        page.click("#two")
        expected += [(f"/products/p{number}", "view", ""), (f"/products/p{number}", "click", "#two")]

    stored(session_of(page), *expected)


def test_the_service_is_down_for_a_while(page: Page, shop: PlainShop, link: WeakLink, stored: WaitForRecord) -> None:
    link.mode = "down"
    page.goto(shop.url)
    session = session_of(page)
    for _ in range(3):
        page.click("#one")
    page.click("#next")
    page.click("#two")
    wait_until(lambda: link.count("POST", "/ingest") >= 3, "it tried")
    link.mode = "good"
    page.click("#home")

    stored(
        session,
        ("/", "view", ""),
        *[("/", "click", "#one")] * 3,
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
        ("/products/next", "click", "#two"),
        ("/products/next", "click", "#home"),
        ("/", "view", ""),
    )


def test_the_service_comes_back_while_the_page_stays(
    page: Page, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    link.mode = "cut"
    page.goto(shop.url)
    page.click("#one")
    wait_until(lambda: link.count("POST", "/ingest") >= 2, "it tried again")
    link.mode = "good"

    stored(session_of(page), ("/", "view", ""), ("/", "click", "#one"))
    wait_for_answer(page)


def test_answers_that_are_lost_after_the_service_stored_them(
    page: Page, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    link.mode = "lossy"
    page.goto(shop.url)
    page.click("#one")
    page.click("#one")
    wait_until(lambda: link.count("POST", "/ingest") >= 3, "it sent all of it three times")
    page.click("#two")
    link.mode = "good"
    page.click("#next")

    stored(
        session_of(page),
        ("/", "view", ""),
        ("/", "click", "#one"),
        ("/", "click", "#one"),
        ("/", "click", "#two"),
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
    )


def test_two_tabs_share_a_session(context: BrowserContext, shop: PlainShop, stored: WaitForRecord) -> None:
    first, second = context.new_page(), context.new_page()
    first.goto(shop.url)
    session = session_of(first)
    second.goto(f"{shop.url}/products/next")
    expected = [("/", "view", ""), ("/products/next", "view", "")]
    for _ in range(10):
        first.click("#one")
        second.click("#two")
        expected += [("/", "click", "#one"), ("/products/next", "click", "#two")]

    assert session_of(second) == session
    stored(session, *expected)


def test_two_tabs_at_the_same_time(context: BrowserContext, shop: PlainShop, service: GunicornServer) -> None:
    # Both act within the same milliseconds, on the same page, while answers come in.
    act = """async () => {
      for (let i = 0; i < 50; i++) {
        history.pushState({}, "", "/p" + (i % 2));
        await new Promise((done) => setTimeout(done, 20));
      }
    }"""
    pages = [context.new_page(), context.new_page()]
    for page in pages:
        page.goto(shop.url)
        session_of(page)
    for page in pages:
        page.evaluate(f"void ({act})()")
    pages[0].wait_for_timeout(1500)
    session = session_of(pages[0])
    for page in pages:
        page.wait_for_function("location.pathname === '/p1'")
        wait_for_answer(page)

    # The first view of each tab, and 50 of each.
    wait_until(lambda: len(done(service.stored().get(session))) == 102, "all of both tabs are stored")


def test_a_tab_that_opens_while_another_has_something_to_send(
    context: BrowserContext, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    link.mode = "down"
    first = context.new_page()
    first.goto(shop.url)
    session = session_of(first)
    first.click("#one")
    link.mode = "good"
    second = context.new_page()
    second.goto(f"{shop.url}/products/next")
    wait_for_answer(second)
    first.bring_to_front()
    first.click("#two")

    stored(
        session,
        ("/", "view", ""),
        ("/", "click", "#one"),
        ("/products/next", "view", ""),
        ("/", "click", "#two"),
        patience_s=30,
    )


def test_back_and_forward_from_the_cache(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    page.goto(shop.url)
    page.evaluate("window.kept = true")
    page.click("#one")
    page.click("#next")
    session_of(page)
    page.go_back(wait_until="commit")
    page.wait_for_function("document.visibilityState === 'visible' && location.pathname === '/'")

    assert page.evaluate("window.kept") is True, "the page did not come from the back/forward cache"
    page.click("#two")
    stored(
        session_of(page),
        ("/", "view", ""),
        ("/", "click", "#one"),
        ("/", "click", "#next"),
        ("/products/next", "view", ""),
        ("/", "view", "back"),
        ("/", "click", "#two"),
    )


def test_history_navigation_is_a_view_and_a_query_is_not(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    page.goto(f"{shop.url}/collections/all?email=a@b.example&page=2#top")
    page.evaluate("history.pushState({}, '', '/collections/all?sort=price')")
    page.evaluate("history.pushState({}, '', '/products/vase?variant=1')")
    page.evaluate("history.replaceState({}, '', '/products/mug')")
    page.evaluate("history.back()")

    record = stored(
        session_of(page),
        ("/collections/all", "view", ""),
        ("/products/vase", "view", "history"),
        ("/products/mug", "view", "history"),
        ("/collections/all", "view", "history"),
    )
    assert "example" not in str(record)


def test_more_than_a_body_holds_goes_in_several(
    page: Page, shop: PlainShop, link: WeakLink, service: GunicornServer
) -> None:
    link.mode = "down"
    page.goto(shop.url)
    page.evaluate("for (let i = 0; i < 1200; i++) history.pushState({}, '', '/' + i % 2 + 'x'.repeat(150))")
    session = session_of(page)
    kept = page.evaluate(
        "Object.keys(localStorage).filter((k) => k.startsWith('shopSignals.')).map((k) => localStorage[k])"
    )
    assert len(kept) == 1
    assert kept[0].count('"view"') == 1000, "the queue is bounded, and keeps the newest"
    link.mode = "good"
    page.reload()

    wait_until(lambda: len(done(service.stored().get(session))) == 1001, "all that were kept are stored", 30)
    assert max(map(len, link.bodies)) < 48 << 10


def test_time_counts_while_the_page_is_seen(page: Page, shop: PlainShop, service: GunicornServer) -> None:
    page.goto(shop.url)
    session = session_of(page)
    began = time.monotonic()
    page.wait_for_timeout(1000)
    page.click("#next")
    took = (time.monotonic() - began) * 1000
    wait_until(lambda: "/" in service.stored().get(session, {}).get("timeOnPage", {}), "the time is stored")

    assert 900 < service.stored()[session]["timeOnPage"]["/"] < took + 1000
