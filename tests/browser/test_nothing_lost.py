"""Whatever happens to a tab or on the way, each event is stored exactly once."""

from __future__ import annotations

import time

from playwright.sync_api import BrowserContext, Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from tests.browser.conftest import Clock, WaitForRecord, done, session_of


def wait_for_answer(page: Page) -> None:
    """Wait until the service has answered for every event of the script."""
    page.wait_for_function("!Object.keys(localStorage).some((key) => key.startsWith('shopSignals.'))", timeout=90_000)


def middle_of(page: Page, selector: str) -> tuple[float, float]:
    """Return where to click with the mouse: `page.click` waits for frames, and a tab in the background draws few."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_events_of_a_tab_that_is_closed_right_after_a_click_are_stored(
    page: Page, shop: PlainShop, stored: WaitForRecord
) -> None:
    page.goto(shop.url)
    session = session_of(page)
    page.click("#one")
    page.close(run_before_unload=True)

    stored(session, ("/", "view", ""), ("/", "click", "#one"))


def test_the_events_of_a_page_that_is_left_at_once_are_stored(
    page: Page, shop: PlainShop, stored: WaitForRecord
) -> None:
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


def test_the_events_of_a_dozen_pages_in_a_row_are_stored(page: Page, shop: PlainShop, stored: WaitForRecord) -> None:
    expected = []
    for number in range(12):
        page.goto(f"{shop.url}/products/p{number}")
        page.click("#two")
        expected += [(f"/products/p{number}", "view", ""), (f"/products/p{number}", "click", "#two")]

    stored(session_of(page), *expected)


def test_events_are_kept_while_the_service_is_down_and_sent_by_the_next_page(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    link.mode = "down"
    page.goto(shop.url)
    session = session_of(page)
    for _ in range(3):
        page.click("#one")
    page.click("#next")
    page.click("#two")
    clock.run(10_000)
    wait_until(lambda: link.count("POST", "/ingest") >= 3, "the script tried")
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


def test_a_page_sends_again_until_the_service_is_back(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    link.mode = "cut"
    page.goto(shop.url)
    page.click("#one")
    clock.run_until(lambda: link.count("POST", "/ingest") >= 2, "the script tries again", within_ms=60_000)
    link.mode = "good"
    clock.run(10_000)

    stored(session_of(page), ("/", "view", ""), ("/", "click", "#one"))
    wait_for_answer(page)


def test_events_whose_answers_were_lost_are_sent_again_and_stored_once(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    link.mode = "lossy"
    page.goto(shop.url)
    page.click("#one")
    page.click("#one")
    clock.run_until(lambda: link.count("POST", "/ingest") >= 3, "the script sends all of it again", within_ms=60_000)
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


def test_two_tabs_share_a_session(
    context: BrowserContext, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
    first, second = context.new_page(), context.new_page()
    first.goto(shop.url)
    session = session_of(first)
    second.goto(f"{shop.url}/products/next")
    expected = [("/", "view", ""), ("/products/next", "view", "")]
    one, two = middle_of(first, "#one"), middle_of(second, "#two")
    for _ in range(10):
        first.mouse.click(*one)
        second.mouse.click(*two)
        expected += [("/", "click", "#one"), ("/products/next", "click", "#two")]

    assert session_of(second) == session
    stored(session, *expected)


def test_events_of_two_tabs_in_the_same_milliseconds_are_all_stored(
    context: BrowserContext, shop: PlainShop, service: GunicornServer
) -> None:
    # Both tabs act on the same pages while answers come in.
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
        page.evaluate(f"() => {{ window.acting = ({act})() }}")
    for page in pages:
        page.evaluate("window.acting")  # until its last step is done
    session = session_of(pages[0])
    for page in pages:
        wait_for_answer(page)

    # The first view of each tab, and 50 of each.
    wait_until(lambda: len(done(service.stored().get(session))) == 102, "all of both tabs are stored")


def test_a_new_tab_sends_what_another_tab_has_not_sent_yet(
    context: BrowserContext, clock: Clock, shop: PlainShop, link: WeakLink, stored: WaitForRecord
) -> None:
    link.mode = "down"
    first = context.new_page()
    first.goto(shop.url)
    session = session_of(first)
    first.click("#one")
    link.mode = "good"
    second = context.new_page()
    second.goto(f"{shop.url}/products/next")
    clock.run(1000)
    wait_for_answer(second)
    first.bring_to_front()
    first.click("#two")

    stored(
        session,
        ("/", "view", ""),
        ("/", "click", "#one"),
        ("/products/next", "view", ""),
        ("/", "click", "#two"),
    )


def test_a_page_from_the_back_forward_cache_is_a_view_and_records_events(
    page: Page, shop: PlainShop, stored: WaitForRecord
) -> None:
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


def test_a_history_navigation_is_a_view_and_a_new_query_is_none(
    page: Page, clock: Clock, shop: PlainShop, stored: WaitForRecord
) -> None:
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


def test_more_events_than_a_body_holds_go_in_several_bodies(
    page: Page, clock: Clock, shop: PlainShop, link: WeakLink, service: GunicornServer
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
    clock.run(1000)
    wait_for_answer(page)

    wait_until(lambda: len(done(service.stored().get(session))) == 1001, "all events that were kept are stored")
    assert max(map(len, link.bodies)) < 48 << 10


def test_the_time_that_a_page_is_seen_is_stored(
    page: Page, clock: Clock, shop: PlainShop, service: GunicornServer
) -> None:
    page.goto(shop.url)
    session = session_of(page)
    began = time.monotonic()
    clock.run(60_000)
    page.click("#next")
    took = (time.monotonic() - began) * 1000
    wait_until(lambda: "/" in service.stored().get(session, {}).get("timeOnPage", {}), "the time is stored")

    assert 60_000 <= service.stored()[session]["timeOnPage"]["/"] < 60_000 + took + 1000
