"""What the owner's report costs, by how many visits are stored."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from functools import partial
from pathlib import Path

from bench.measure import Promise, Sample, Section, Spread, interleave
from bench.serving import Plan
from testing.advice import example_shop
from testing.visits import DAY, MORNING, some_visit
from tracker.decisions.holdout.epochs import Epochs
from tracker.durable.cell import FileCell
from tracker.insights.counting.counting import VisitCounting
from tracker.insights.counting.live import LiveInsights
from tracker.insights.report import report
from tracker.insights.tally import local_day, tally
from tracker.insights.waiting import WaitingOrders
from tracker.sessions.model import ShopperSession
from tracker.storage.json_file import JsonFileStore
from tracker.storage.json_file.text import FOOTER, HEADER, line, separator

_TIMES = 20
_KINDS = 2000


def _write(path: Path, sessions: int) -> None:
    """Write a session file of so many visits, made of some thousands by chance."""
    chance = random.Random(1)
    kinds = [some_visit(chance, "a-visit", MORNING - chance.randrange(30) * DAY) for _ in range(_KINDS)]
    kinds = [replace(kind, tally=list(tally(kind, UTC))) for kind in kinds]
    with path.open("wb") as file:
        file.write(HEADER)
        for number in range(sessions):
            session = replace(kinds[number % _KINDS], session=f"stored-{number:07}")
            file.write(separator(first=not number) + line(session.session, session.to_record()))
        file.write(FOOTER)


def _touched(stored: ShopperSession | None) -> ShopperSession:
    assert stored is not None
    return replace(stored, updated_at=stored.updated_at + 1)


def _median_ms(work: Callable[[int], object], before: Callable[[int], object]) -> float:
    took = []
    for number in range(_TIMES):
        before(number)
        began = time.perf_counter()
        work(number)
        took.append((time.perf_counter() - began) * 1000)
    return Spread.of(took).median


def _report(plan: Plan, sessions: int) -> Sample:
    folder = plan.new_folder("figures")
    path = folder / "tracker_storage.json"
    _write(path, sessions)
    store = JsonFileStore(path, counting=VisitCounting(UTC, lambda: MORNING))
    assert store.sums is not None
    epochs = Epochs(FileCell(folder / "epochs"), 20.0, lambda: MORNING)
    insights = LiveInsights(store.sums, UTC, epochs, WaitingOrders(FileCell(folder / "orders")))
    shop, today = example_shop(), local_day(MORNING, UTC)
    store.get("nobody-here")
    began = time.perf_counter()
    insights.counted()
    first_ms = (time.perf_counter() - began) * 1000
    sample = {
        "first_ms": first_ms,
        "report_ms": _median_ms(
            lambda _: report(insights, shop, today, 30),
            lambda number: store.update(f"stored-{number:07}", _touched),
        ),
    }
    store.close()
    shutil.rmtree(folder)
    return sample


def figures(plan: Plan, sessions: int) -> Section:
    """Compare the report of many visits with that of a hundred, each after a visit has changed."""
    section = Section(
        "The owner's report",
        f"Medians of {_TIMES} reports of 30 days, each after a visit has changed; and the first question, which counts "
        "the whole file.",
        ("visits", "first question, ms", "a report, ms"),
    )
    few, many = "100", f"{sessions:,}"
    cases = {few: partial(_report, plan, 100), many: partial(_report, plan, sessions)}
    rounds = interleave(cases, plan.rounds, "the report")
    for case in cases:
        first, made = rounds.spread(case, "first_ms"), rounds.spread(case, "report_ms")
        section.add(case, first.show(), made.show(1), first_ms=first, report_ms=made)
    ratio = rounds.ratio(many, few, "report_ms")
    section.promises.append(Promise(f"a report of {many} visits / one of 100", 3.0, ratio, at_most=True))
    return section
