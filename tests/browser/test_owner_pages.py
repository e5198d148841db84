"""The owner's pages in a real browser: every state, at three widths, light and dark, with axe and a strict policy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

from testing.made_up_figures import NOW_MS, STATES, MadeUpInsights
from testing.page_server import PageServer
from tests.browser.conftest import AXE, Console
from tests.conftest import PROFILE, gate_takes
from tracker.app import create_app
from tracker.config import Config

expect.set_options(timeout=30_000)  # a busy machine takes its time to answer a form

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "the-owner's-token-of-the-tests"
SAYS = {
    "empty": ("Nothing was heard of your shop yet.", "Nobody can tell."),
    "first-hour": ("Your first day so far: 6 visits", "Nobody can tell."),
    "nothing-today": ("No visit yet today.", "Nobody can tell."),
    "off": ("Today so far:", "Every shopper may see popups"),
    "example": ("Example data.", "Not decided yet."),
    "too-early": ("Today so far:", "Not enough data yet."),
    "undecided": ("Today so far:", "Not decided yet."),
    "sells": ("Today so far:", "Yes."),
    "harms": ("Today so far:", "No."),
    "small": ("Today so far:", "Hardly."),
    "broken": ("Today so far:", "Cannot be told."),
}
"""What Today and "Does it pay?" say in each state."""

LOOK_ALIKE = {"off", "too-early", "undecided", "small"}
"""The states that differ from others by their words alone: the gate reads those in tests without a browser."""

LIGHT_TOO = {"today (sells)", "pays (harms)", "setup", "visits/a-visit-0001", "check"}
"""The pages that the gate has axe look at in light colours as well; among them is every part that pages are made of."""

OF_TODAY = {"empty", "first-hour", "nothing-today", "example", "sells"}

SETTLED = """async () => {
  const images = [...document.images].map((one) => one.decode().catch(() => {}));
  await Promise.all([...document.getAnimations().map((one) => one.finished), ...images]);
}"""
FOUND = """async () => {
  const result = await axe.run(document, { resultTypes: ["violations"] });
  return result.violations.flatMap((rule) => rule.nodes.map((node) => rule.id + ": " + node.target.join(" ")));
}"""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(reduced_motion="reduce")
    yield made
    made.close()


@pytest.fixture
def make_app(tmp_path: Path) -> Callable[..., Flask]:
    """Return the application with figures of a state, at the moment that they belong to."""

    def make(insights: MadeUpInsights | None = None, **settings: Any) -> Flask:
        shutil.copy(ROOT / "shop.example.toml", tmp_path / "shop.toml")
        config = Config(
            storage_file=tmp_path / "sessions.json", admin_token=TOKEN, shop_file=tmp_path / "shop.toml", **settings
        )
        return create_app(config, insights=insights, clock=lambda: NOW_MS)

    return make


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("Password").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: not address.endswith("/login"))


def look_at(page: Page, console: Console, name: str) -> None:
    """Check the page that is open, with all that it hides, at every width, light and dark."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    for scheme, width in (
        ("dark", 768),
        ("dark", 1280),
        ("light", 768),
        ("light", 1280),
        ("light", 390),
        ("dark", 390),
    ):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(SETTLED)
        found = page.evaluate("document.documentElement.scrollWidth")
        assert found <= width, f"{name}, {width} px: wider than the screen"
    assert console.lines == [], name
    page.evaluate(AXE.read_text("utf-8"))  # a page's policy does not apply to what Playwright evaluates
    assert page.evaluate(FOUND) == [], f"{name}, narrow and dark"
    if name in LIGHT_TOO or PROFILE == "thorough":
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate(SETTLED)
        assert page.evaluate(FOUND) == [], f"{name}, wide and light"
    console.lines.clear()  # axe tries inline styles, which the policy forbids


@pytest.mark.parametrize("state", gate_takes(7, sorted(STATES, key=LOOK_ALIKE.__contains__)))
def test_the_figures_of_every_state(make_app: Callable[..., Flask], page: Page, console: Console, state: str) -> None:
    query = "?data=example" if state == "example" else ""
    with PageServer(make_app(STATES[state]())) as server:
        sign_in(page, server.url)
        for path, told in zip(("today", "pays"), SAYS[state], strict=True):
            page.goto(f"{server.url}/{path}{query}")
            expect(page.locator("main")).to_contain_text(told)
            # Today differs between the verdicts by the card that "Does it pay?" has too.
            if path == "pays" or state in OF_TODAY:
                look_at(page, console, f"{path} ({state})")


def test_every_other_page(make_app: Callable[..., Flask], page: Page, console: Console) -> None:
    app = make_app()
    events: list[tuple[str, dict[str, Any]]] = [
        ("view", {}),
        ("add_to_cart", {"items": 2}),
        ("checkout_completed", {"total": 84.9, "currency": "EUR"}),
    ]
    listed = [{"type": kind, "ts": NOW_MS - 60_000 + number, **more} for number, (kind, more) in enumerate(events)]
    body = {"session": "a-visit-0001", "itemsInCart": 2, "timeOnPage": {"/": 60_000}, "events": {"/products/x": listed}}
    assert app.test_client().post("/ingest", json=body).status_code == 200
    paths = ["setup", "visits", "visits/a-visit-0001", "messages", "messages/welcome-10", "messages-file", "settings"]
    with PageServer(app) as server:
        page.goto(f"{server.url}/login")
        look_at(page, console, "login")
        sign_in(page, server.url)
        for path in paths:
            page.goto(f"{server.url}/{path}")
            look_at(page, console, path)
        page.goto(f"{server.url}/messages/free-returns")
        page.get_by_label("Text in English").fill("Free returns within 60 days.")
        page.get_by_role("button", name="Check the change").click()
        expect(page.locator("h1")).to_have_text("This is sound. Shall it be saved?")
        look_at(page, console, "check")
        page.get_by_role("button", name="Save it").click()
        expect(page.locator("main")).to_contain_text("Free returns within 60 days.")


def test_a_damaged_session_file_is_said_in_words(
    make_app: Callable[..., Flask], page: Page, console: Console, tmp_path: Path
) -> None:
    (tmp_path / "sessions.json").write_bytes(b"{" + b"\xff" * 500)
    with PageServer(make_app()) as server:
        sign_in(page, server.url)
        page.goto(f"{server.url}/today")
        expect(page.locator("h1")).to_have_text("Not possible just now.")
        console.lines.clear()  # the browser notes that the answer was 503
        look_at(page, console, "damaged")
        page.goto(f"{server.url}/settings")
        expect(page.locator("h1")).to_have_text("The service cannot keep visits now.")


def test_an_open_page_takes_in_new_figures_by_itself(
    make_app: Callable[..., Flask], page: Page, console: Console
) -> None:
    insights = STATES["off"]()
    asked: list[int] = []
    page.on("response", lambda response: asked.append(response.status) if "/today" in response.url else None)
    page.clock.install()
    with PageServer(make_app(insights)) as server:
        sign_in(page, server.url)
        page.goto(f"{server.url}/today")
        page.locator("#day-table summary").click()
        page.locator("h1").click()  # the focus leaves the page's content
        page.evaluate("document.activeElement.blur()")
        with page.expect_response(lambda response: "/today" in response.url) as unchanged:
            page.clock.run_for(31_000)
        assert unchanged.value.status == 304
        today = max(insights.sums.own.days)
        insights.sums.own.days[today][0] = 4321
        insights.revision += 1
        with page.expect_response(lambda response: "/today" in response.url):
            page.clock.run_for(31_000)

        expect(page.locator("h1")).to_contain_text("4,321 visits")
        expect(page.locator("#day-table")).to_have_attribute("open", "")
    assert console.lines == []


def test_a_foreign_site_cannot_act_for_a_signed_in_owner(
    make_app: Callable[..., Flask], page: Page, tmp_path: Path
) -> None:
    with PageServer(make_app()) as server, PageServer(_foreign_site()) as foreign:
        sign_in(page, server.url)
        page.goto(f"{foreign.url}/?{server.url}/messages-file/save")
        page.locator("button").click()
        page.wait_for_url(lambda address: "messages-file" in address)

        assert "foreign_page" in page.content()
        page.goto(f"{server.url}/settings")
        expect(page.locator("h1")).to_have_text("The service is well.")


def _foreign_site() -> Flask:
    """Return a site whose page has a form that posts to the address in its query."""
    site = Flask("foreign")

    @site.get("/")
    def attack() -> str:
        return """<form method=post><input name=text value=x><button>Win a prize</button></form>
            <script>document.forms[0].action = location.search.slice(1)</script>"""

    return site


def test_a_password_is_chosen_in_the_browser_on_the_first_day(page: Page, console: Console, tmp_path: Path) -> None:
    config = Config(storage_file=tmp_path / "sessions.json", shop_file=tmp_path / "shop.toml")
    with PageServer(create_app(config, env_file=tmp_path / ".env", may_choose_token=True)) as server:
        page.goto(server.url)
        expect(page.locator("h1")).to_have_text("Welcome. Choose your password.")
        look_at(page, console, "choose")
        page.get_by_role("button", name="Use it and go on").click()
        expect(page.locator("h1")).to_have_text("Nothing was heard of your shop yet.")
        look_at(page, console, "set up, empty")
    assert (tmp_path / ".env").read_text().startswith("ADMIN_TOKEN=")
