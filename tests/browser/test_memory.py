"""What is kept over visits, with consent: messages, purchases, the lot. All of it goes with consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from tests.browser.answers import CART, CLOSE, Answers
from tests.browser.conftest import WaitForRecord, eventually, session_of

DAY = 86_400_000
PIXEL = Path(__file__).parents[2] / "tracker" / "storefront" / "assets" / "pixel.js"


def kept(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("JSON.parse(localStorage.shopSignals)")
    return found


def pass_days(page: Page, shop: PlainShop, days: float) -> None:
    """Let everything that this browser remembers be so many days ago, with no page of the shop open meanwhile.

    A page that were open could begin the next visit before the test does.
    """
    shop.files["/away.js"] = ""  # of the same origin, and without the script
    page.goto(f"{shop.url}/away.js")
    page.evaluate(
        """(ms) => {
          const found = JSON.parse(localStorage.shopSignals);
          const moments = ["start", "last", "clock", "asked", "quiet", "bought"].filter((key) => found[key]);
          for (const key of moments) found[key] -= ms;
          for (const one of Object.values(found.seen)) for (const i of [0, 2]) if (one[i]) one[i] -= ms;
          localStorage.shopSignals = JSON.stringify(found);
        }""",
        days * DAY,
    )


def test_a_dismissed_message_rests_a_week_then_two(
    context: BrowserContext, page: Page, shop: PlainShop, service: GunicornServer
) -> None:
    shop.attributes, shop.head, shop.items = 'data-idle="0.3"', CART, 1
    answers = Answers(context)
    for days, is_drawn in ((0, True), (0.05, False), (7.5, True), (7.5, False), (8, True)):
        if days:
            pass_days(page, shop, days)
        page.goto(shop.url)
        before = len(answers.questions)
        page.click("#one")
        answers.wait(page, before + 1)
        answers.wait_until_settled(page)
        expect(page.locator("storefront-popup")).to_have_count(int(is_drawn))
        if is_drawn:
            page.click(CLOSE)
            expect(page.locator("storefront-popup")).to_have_count(0)

    assert answers.questions[-1]["memory"]["messages"] == [["free-returns", 15, 2, 15]]

    def dropped() -> set[str]:
        events = [one for record in service.stored().values() for listed in record["events"].values() for one in listed]
        return {one["why"] for one in events if one["type"] == "popup_dropped"}

    eventually(page, lambda: "dismissed" in dropped(), "the service knows why it was not drawn")


def test_lot_and_visit_number_outlive_the_visit(page: Page, shop: PlainShop, link: WeakLink) -> None:
    page.goto(shop.url)
    session_of(page)
    page.click("#one")
    before = kept(page)
    pass_days(page, shop, 1)
    page.goto(shop.url)
    page.click("#one")
    after = kept(page)
    wait_until(lambda: after["id"].encode() in b"".join(link.bodies), "the second visit is reported")

    assert 0 <= before["lot"] < 1000
    assert (after["lot"], after["visit"]) == (before["lot"], before["visit"] + 1)
    assert after["id"] != before["id"]
    assert all(f'"lot":{before["lot"]}'.encode() in body for body in link.bodies)


def test_lots_are_spread_over_a_thousand(context: BrowserContext, page: Page, shop: PlainShop) -> None:
    lots = set()
    for _ in range(8):
        page.goto(shop.url)
        session_of(page)
        lots.add(kept(page)["lot"])
        page.evaluate("localStorage.clear()")

    assert len(lots) > 4


def test_what_the_service_says_of_groups_is_kept_and_sent_along(
    context: BrowserContext, page: Page, shop: PlainShop, link: WeakLink
) -> None:
    shop.attributes, shop.head, shop.items = 'data-idle="0.3"', CART, 1
    Answers(context, show_popup=False, offered="e3")
    page.goto(shop.url)
    page.wait_for_function("JSON.parse(localStorage.shopSignals).won === 'e3'")
    pass_days(page, shop, 1)
    page.goto(shop.url)
    page.click("#one")

    wait_until(lambda: b'"offered":"e3"' in link.bodies[-1], "a later visit carries it")


def test_a_purchase_is_remembered_and_goes_with_views_and_questions(
    context: BrowserContext, page: Page, shop: PlainShop, stored: WaitForRecord
) -> None:
    shop.attributes, shop.head, shop.items = 'data-idle="0.3"', CART, 1
    answers = Answers(context, show_popup=False)
    page.goto(shop.url)
    session_of(page)
    answers.wait(page, 1)
    source = PIXEL.read_text("utf-8").replace("https://HOST", shop.service)
    for number in (1, 1, 2):
        page.evaluate(
            """async ([source, id]) => {
              const subscribed = {};
              window.analytics = { subscribe: (name, work) => (subscribed[name] = work) };
              window.browser = { localStorage: { getItem: async (key) => localStorage.getItem(key),
                setItem: async (key, text) => localStorage.setItem(key, text) } };
              await new Function(source + "; return report")()("checkout_completed",
                { id, timestamp: new Date().toISOString(), data: { checkout: { lineItems: null } } });
            }""",
            [source, f"sh-{number}"],
        )
    assert kept(page)["buys"] == 2
    pass_days(page, shop, 3.5)
    page.goto(shop.url)
    before = len(answers.questions)
    answers.wait(page, before + 1)

    assert (answers.questions[-1]["memory"]["buys"], answers.questions[-1]["memory"]["bought"]) == (2, 3)
    record = stored(session_of(page), ("/", "view", ""))
    assert record["events"]["/"][0]["buys"] == 2


def test_withdrawn_consent_erases_the_visit_here_and_there(
    page: Page, shop: PlainShop, link: WeakLink, service: GunicornServer
) -> None:
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    page.evaluate("shopSignals.consent(true)")
    page.click("#one")
    session = session_of(page)
    wait_until(lambda: session in service.stored(), "the visit is stored")
    page.evaluate("shopSignals.consent(false)")

    wait_until(lambda: service.stored().get(session) is None, "the service has erased it")
    assert page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]") == []
    page.click("#two")
    page.wait_for_timeout(1300)
    assert service.stored().get(session) is None


def test_the_service_is_told_once_it_can_be_reached(
    page: Page, shop: PlainShop, link: WeakLink, service: GunicornServer
) -> None:
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    page.evaluate("shopSignals.consent(true)")
    session = session_of(page)
    wait_until(lambda: session in service.stored(), "the visit is stored")
    link.mode = "cut"
    page.evaluate("shopSignals.consent(false)")
    page.wait_for_timeout(500)
    link.mode = "good"
    page.goto("about:blank")  # by a beacon, when the page goes

    wait_until(lambda: service.stored().get(session) is None, "the service has erased it")


def test_a_banner_that_answers_late_does_not_lose_the_visit(page: Page, shop: PlainShop) -> None:
    shop.attributes = 'data-consent="wait"'
    page.goto(shop.url)
    page.evaluate("shopSignals.consent(true)")
    first = session_of(page)
    page.goto(f"{shop.url}/products/next")
    page.wait_for_timeout(300)
    page.evaluate("shopSignals.consent(true)")

    assert session_of(page) == first
