"""How much the tests do (TRACKER_TESTS), the browser they share, and what is said about the tests that were skipped.

TRACKER_TESTS=fast        few examples a property, always the same ones: for the inner loop
TRACKER_TESTS=gate        more examples, always the same ones: what every change has to pass; the default
TRACKER_TESTS=thorough    many examples, other ones each time, and the tests marked `thorough`, which take minutes

Where CI=true a skipped test fails, because there everything that a test needs can be installed; and a failed test of
real processes or a real browser gets a second try, because other work on that machine can stop a process for seconds.
The summary names each test that needed one: a fault of ours fails twice.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

if TYPE_CHECKING:
    from testing.postgres_server import PostgresAddress

PROFILE = os.environ.get("TRACKER_TESTS") or "gate"

# No timing is asserted: a busy machine must not fail a property.
_ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", _ANY_SPEED, max_examples=10, derandomize=True, database=None)
settings.register_profile("gate", _ANY_SPEED, max_examples=60, derandomize=True, database=None)
settings.register_profile("thorough", _ANY_SPEED, max_examples=1000, print_blob=True)

_THOROUGH_ONLY = "takes minutes: run `python3 run.py test --thorough`"

_REAL_PROCESSES = {"browser", "contract", "integration"}
"""The folders of tests that wait for other processes."""

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


def gate_takes(most: int, cases: Iterable[Any], *, several: bool = False) -> list[ParameterSet]:
    """Return cases as parameters: the gate tries the first ones of a kind, and `--thorough` tries all of them.

    `several`: each case is a tuple with a value for each of several parameters.
    """
    return [
        pytest.param(*(case if several else (case,)), marks=[] if place < most else [pytest.mark.thorough])
        for place, case in enumerate(cases)
    ]


def pytest_configure() -> None:
    if PROFILE not in ("fast", "gate", "thorough"):
        raise pytest.UsageError(f"TRACKER_TESTS is {PROFILE!r}; it can be fast, gate or thorough")
    settings.load_profile(PROFILE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium for the tests of one module.

    Not for the whole run: Playwright's event loop would stay, and no other test could then start a loop of its own.
    """
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None:
        pytest.skip("no Chromium: install one (apt install chromium), or name its path in CHROMIUM")
    with sync_playwright() as playwright:
        # Playwright switches the back/forward cache off; the browsers of shoppers have it.
        started = playwright.chromium.launch(
            executable_path=path, args=_CHROMIUM_ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresAddress]:
    """A real PostgreSQL server, one for the whole run: each test works in a schema or a database of its own."""
    from testing.postgres_server import SharedServer

    with SharedServer(os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())) as server:
        yield server


@pytest.fixture
def database_url(postgres: PostgresAddress) -> str:
    """The address of an empty database for one test, with the service's tables."""
    return postgres.new_schema(f"test_{uuid4().hex}")


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a program is called; no setting of the developer is there."""
    for name in list(os.environ):
        if name not in {"PATH", "HOME"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- Skips ------------------------------------------------------------------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if PROFILE != "thorough" and item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.skip(reason=_THOROUGH_ONLY))
        if os.environ.get("CI") == "true" and _REAL_PROCESSES & {parent.name for parent in item.path.parents}:
            item.add_marker(pytest.mark.flaky(reruns=1))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test or a module was skipped."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return str(text).removeprefix("Skipped: ")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"A skip counts as a failure where CI=true. {_reason(report)}"
        report.outcome = "failed"


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


def _summed_up(reasons: Iterable[str]) -> str:
    """Return one line for all skips: how many there were, and what to install or run for which number of them."""
    counts = Counter(reasons)
    parts = [f"{reason} ({count})" for reason, count in counts.most_common()]
    return f"{counts.total()} skipped: {'; '.join(parts)}"


# pytest-xdist has no terminal in its workers: this is called once a run, with the reports of all of them.
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [_reason(report) for report in terminalreporter.stats.get("skipped", [])]
    if reasons:
        terminalreporter.section("skips")
        terminalreporter.line(_summed_up(reasons))
    if path := os.environ.get("TRACKER_TEST_SUMMARY"):
        passed = len(terminalreporter.stats.get("passed", []))
        again = sorted({report.nodeid for report in terminalreporter.stats.get("rerun", [])})
        summary = {"passed": passed, "skipped": len(reasons), "why": sorted(set(reasons)), "again": again}
        Path(path).write_text(json.dumps(summary), "utf-8")
