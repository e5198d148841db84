"""The browser of the tests, and when a test may be skipped: a thorough one unless asked for, none where CI=true."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

# No timing is asserted here: a busy machine must not fail a property.
settings.register_profile("service", deadline=None)
settings.load_profile("service")

_CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # The storefront script takes a browser that says it is automated for a robot; this one stands for shoppers.
    "--disable-blink-features=AutomationControlled",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium, shared by all tests: Playwright runs but once at a time, and beside no other event loop."""
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None:
        pytest.skip("no Chromium: install one (apt install chromium), or name its path in CHROMIUM")
    with sync_playwright() as playwright:
        # Playwright switches the back/forward cache off; shoppers have it.
        started = playwright.chromium.launch(
            executable_path=path, args=_CHROMIUM_ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield started
        started.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("TRACKER_THOROUGH") == "1":
        return
    for item in items:
        if item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run `python3 run.py test --thorough`"))


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"A skip counts as a failure where CI=true. {why}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not item.get_closest_marker("thorough"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report
