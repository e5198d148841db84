"""A real Chromium and a real service: pages, their clock, their console, and the record that the service stores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page

from testing.faults.weak_link import WeakLink
from testing.gunicorn_server import GunicornServer, wait_until
from testing.plain_shop import PlainShop

AXE = Path(__file__).parents[2] / "testing" / "axe" / "axe.min.js"
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """The service with the demo shop, shared by all browser tests: each of them has sessions of its own."""
    folder = tmp_path_factory.mktemp("browser")
    with GunicornServer(folder, workers=1, env={"DEMO_SHOP": "on"}) as started:
        yield started


@pytest.fixture(autouse=True)
def _log_of_the_service(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print what the service logged in the time of a test: pytest shows it where the test failed."""
    if "service" not in request.fixturenames:
        yield
        return
    service: GunicornServer = request.getfixturevalue("service")
    before = len(service.log())
    yield
    print(service.log()[before:])


@pytest.fixture
def link(service: GunicornServer) -> Iterator[WeakLink]:
    with WeakLink(service.port) as made:
        yield made


@pytest.fixture
def shop(link: WeakLink) -> Iterator[PlainShop]:
    """A shop on an origin of its own, whose pages load the script through the link."""
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


class Clock:
    """The clock of all pages of a context: it runs as any clock does, and a test can move it on at once."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        context.clock.install()

    def run(self, ms: int) -> None:
        """Let this time pass at once, with every timer that falls into it."""
        self._context.clock.run_for(ms)

    def run_until(self, is_true: Callable[[], object], what: str, *, step_ms: int = 1000, within_ms: int) -> None:
        """Let time pass, step by step, until the condition holds. Raises AssertionError after `within_ms`."""
        for _ in range(0, within_ms, step_ms):
            if is_true():
                return
            self.run(step_ms)
            # Requests need real time, and Playwright takes a page's requests only while it waits itself.
            self._context.pages[0].wait_for_timeout(50)
        assert is_true(), f"{what}: not within {within_ms} ms of the page's clock"


@pytest.fixture
def clock(context: BrowserContext) -> Clock:
    return Clock(context)


class Console:
    """What the pages of a context write to the console, and their uncaught errors: a good guest causes neither."""

    def __init__(self, context: BrowserContext) -> None:
        self.lines: list[str] = []
        context.on("console", lambda message: self.lines.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: self.lines.append(f"uncaught: {error.error}"))


@pytest.fixture
def console(context: BrowserContext) -> Console:
    return Console(context)


def session_of(page: Page) -> str:
    """Return the session id that the script keeps in the storage of this page, once it is there."""
    page.wait_for_function("localStorage.shopSignals")
    found: str = page.evaluate("JSON.parse(localStorage.shopSignals).id")
    return found


def eventually(page: Page, is_true: Callable[[], object], what: str, patience_s: float = 30) -> None:
    """Wait until the condition holds, while the page goes on: only a wait of Playwright's own lets it."""
    for _ in range(round(patience_s / 0.05)):
        if is_true():
            return
        page.wait_for_timeout(50)
    assert is_true(), f"waited {patience_s} s in vain until {what}"


def wait_for_cart(page: Page, items: int) -> None:
    """Wait until the script has read so many items in the cart."""
    page.wait_for_function("(items) => JSON.parse(localStorage.shopSignals || 'null')?.items === items", arg=items)


def wait_for_requests(page: Page, link: WeakLink) -> None:
    """Wait until a request that begins now has arrived: what the script sent before has arrived too."""
    page.evaluate("(url) => fetch(url, { mode: 'no-cors' }).catch(() => {})", f"{link.url}/healthz")


def pass_time(page: Page, key: str, ms: int) -> None:
    """Move a moment that the session in this page's storage remembers this far into the past."""
    page.evaluate(
        """([key, ms]) => {
          const found = JSON.parse(localStorage.shopSignals);
          localStorage.shopSignals = JSON.stringify({ ...found, [key]: found[key] - ms });
        }""",
        [key, ms],
    )


def done(record: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """Return (page, type, target) of every event of a record, in order of time; a view has its `nav` as the target."""
    events = [(page, event) for page, events in (record or {"events": {}})["events"].items() for event in events]
    events.sort(key=lambda pair: (pair[1]["ts"], pair[1].get("n", 0)))
    return [(page, event["type"], event.get("target") or event.get("nav") or "") for page, event in events]


def axe_violations(page: Page, within: str | None = None) -> list[str]:
    """Return the violations that axe-core finds in the page, or in the element of this selector, as `rule: where`."""
    # A page's content security policy does not apply to what Playwright evaluates.
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
def stored(service: GunicornServer, request: pytest.FixtureRequest) -> WaitForRecord:
    """Wait until the stored events of a session are exactly these, in this order, and return the record.

    The second that the script waits before it sends passes at once: in a test with a `clock` by that, in others because
    the browser says that it is online again.
    """
    clock: Clock | None = request.getfixturevalue("clock") if "clock" in request.fixturenames else None
    context: BrowserContext | None = request.getfixturevalue("context") if "context" in request.fixturenames else None

    def wait(session: str, *expected: tuple[str, str, str], patience_s: float = 60) -> dict[str, Any]:
        def now() -> dict[str, Any]:
            return (service.stored().get(session) if service.storage.exists() else None) or {"events": {}}

        with contextlib.suppress(Error):  # a page that is just being left has neither a clock nor a window
            if clock:
                clock.run(1000)
            elif context:
                for page in context.pages:
                    page.evaluate("dispatchEvent(new Event('online'))")
        try:
            wait_until(lambda: done(now()) == list(expected), "the record is what was done", patience_s)
        except AssertionError:
            assert done(now()) == list(expected)  # pytest shows the difference
        return now()

    return wait
