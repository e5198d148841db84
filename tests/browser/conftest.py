"""A real Chromium, a real service, and what a test asks of the two: pages, and the record of what was done on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop
from testing.weak_link import WeakLink

AXE = Path(__file__).parents[2] / "testing" / "axe" / "axe.min.js"
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """The service with the demo shop, shared by all browser tests: sessions do not meet."""
    folder = tmp_path_factory.mktemp("browser")
    with GunicornServer(folder, workers=1, env={"DEMO_SHOP": "on"}) as started:
        yield started


@pytest.fixture
def link(service: GunicornServer) -> Iterator[WeakLink]:
    with WeakLink(service.port) as made:
        yield made


@pytest.fixture
def shop(link: WeakLink) -> Iterator[PlainShop]:
    """A shop on an origin of its own, whose pages load the script over the link."""
    with PlainShop(link.url) as made:
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 800})
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


class Told:
    """What the pages of a context said that no shop should hear: console lines and uncaught errors."""

    def __init__(self, context: BrowserContext) -> None:
        self.lines: list[str] = []
        context.on("console", lambda message: self.lines.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: self.lines.append(f"uncaught: {error.error}"))


@pytest.fixture
def told(context: BrowserContext) -> Told:
    return Told(context)


def session_of(page: Page) -> str:
    """Wait for the session id that the script keeps in this page's storage."""
    page.wait_for_function("localStorage.shopSignals")
    found: str = page.evaluate("JSON.parse(localStorage.shopSignals).id")
    return found


def done(record: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """Give (page, type, target) of every event of a record in order of time; views say how they came about."""
    events = [(page, event) for page, events in (record or {"events": {}})["events"].items() for event in events]
    events.sort(key=lambda pair: (pair[1]["ts"], pair[1].get("n", 0)))
    return [(page, event["type"], event.get("target") or event.get("nav") or "") for page, event in events]


def axe_violations(page: Page, within: str | None = None) -> list[str]:
    """Give what axe-core finds wrong with the page, or with the element of this selector, as `rule: where`."""
    # Evaluated by the browser's own tools, which the page's content security policy does not hold back.
    page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = page.evaluate(
        """async (within) => {
          const result = await axe.run(within || document, { resultTypes: ["violations"] });
          return result.violations.flatMap((rule) => rule.nodes.map((node) => rule.id + ": " + node.target.join(" ")));
        }""",
        within,
    )
    return found


WaitForRecord = Callable[..., dict[str, Any]]


@pytest.fixture
def stored(service: GunicornServer) -> WaitForRecord:
    """Wait until the stored events of a session are those given, in this order, and give the record."""

    def wait(session: str, *expected: tuple[str, str, str], patience_s: float = 20) -> dict[str, Any]:
        def now() -> dict[str, Any]:
            if not service.storage.exists():
                return {}
            found: dict[str, Any] = service.stored().get(session) or {"events": {}}
            return found

        try:
            wait_until(lambda: done(now()) == list(expected), "the record is what was done", patience_s)
        except AssertionError:
            assert done(now()) == list(expected)  # shows the difference
        return now()

    return wait
