"""`python3 run.py bench`: measures the service side by side with what it is compared with, and writes the report."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import beside, database, figures, parts, report, serving, store_care, storing
from bench.load import Load, require_wrk
from bench.measure import Section, say
from bench.serving import Plan

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "figures.md"
RECORD = ROOT / "docs" / "performance.json"
_BETWEEN = re.compile(r"(?<=<!-- bench -->\n).*(?=<!-- /bench -->)", re.DOTALL)


def _sections(plan: Plan, quick: bool, large: bool) -> dict[str, Callable[[], Section]]:
    sessions = 10_000 if quick else 100_000
    every: dict[str, Callable[[], Section]] = {
        "ingest": lambda: serving.ingest(plan),
        "one-worker": lambda: serving.one_worker(plan),
        "size": lambda: serving.size_of_file(plan, large),
        "naive": lambda: serving.naive(plan),
        "ask": lambda: serving.ask(plan),
        "script": lambda: serving.script(plan),
        "sqlite": lambda: storing.beside_sqlite(plan, sessions, (1_000,) if quick else storing.SQLITE_SIZES),
        "postgres": lambda: database.beside_postgres(plan, sessions // 10),
        "postgres-owner": lambda: database.owner_beside_postgres(plan, sessions),
        "postgres-killed": lambda: database.killed_postgres(plan),
        "start": lambda: storing.start(plan, sessions),
        "compaction": lambda: storing.compaction(plan, sessions),
        "growing": lambda: storing.growing(plan),
        "owner": lambda: store_care.owner(plan, sessions),
        "system": lambda: store_care.system(plan, sessions),
        "figures": lambda: figures.figures(plan, sessions),
        "takeover": lambda: store_care.takeover(plan, sessions // 20),
        "owner-http": lambda: beside.owner(plan, sessions),
        "posts": lambda: beside.posts(plan, sessions // 100),
        "moving": lambda: beside.moving(plan),
        "validation": lambda: parts.validation(plan),
        "parts": lambda: parts.parts(plan),
    }
    if quick:
        for slow in (
            "one-worker",
            "size",
            "naive",
            "ask",
            "script",
            "postgres",
            "postgres-owner",
            "postgres-killed",
            "start",
            "compaction",
            "growing",
            "owner",
            "system",
            "takeover",
            "owner-http",
            "posts",
            "moving",
        ):
            del every[slow]
    return every


def main() -> int:
    """Run the parts that were asked for, and write the report."""
    parser = argparse.ArgumentParser(prog="python3 run.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the most telling comparisons, small, in under 2 minutes")
    parser.add_argument("--large", action="store_true", help="also with a million stored sessions (a GB of disk)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds of every comparison (default: 5)")
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts alone")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write FILE.md and FILE.json")
    parser.add_argument(
        "--record",
        action="store_true",
        help="put the tables into docs/figures.md, and what they are made of into docs/performance.json",
    )
    parser.add_argument(
        "--beside", type=Path, metavar="FOLDER", help="an earlier version with its .venv, for the parts that compare it"
    )
    parser.add_argument("--folder", type=Path, help="where the files that are measured are made (default: here)")
    given = parser.parse_args()
    require_wrk()
    # A file in memory would make every flush free.
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=given.folder or ROOT) as folder:
        load = Load(seconds=1 if given.quick else 2)
        sizes = () if given.quick else (10_000, 100_000)
        plan = Plan(Path(folder), rounds=given.rounds, load=load, sizes=sizes, beside=given.beside)
        known = _sections(plan, given.quick, given.large)
        unknown = set(given.only or ()) - known.keys()
        if unknown:
            parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        sections, failed = [], False
        for name in given.only or known:
            try:
                sections.append(replace(known[name](), measured=f"{datetime.now(UTC):%Y-%m-%d}"))
            except RuntimeError as error:
                # The parts that took minutes to measure are kept.
                failed = True
                print(f"{name} failed: {error}", file=sys.stderr)
    say("")
    how = f"{report.machine()} At least {plan.rounds} rounds; medians, with the lowest and highest of them."
    tables = report.markdown(sections, how)
    print(tables)
    found = json.dumps(report.as_json(sections, how), indent=1) + "\n"
    if given.out:
        given.out.with_suffix(".md").write_text(tables, "utf-8")
        given.out.with_suffix(".json").write_text(found, "utf-8")
    if given.record:
        if given.only and RECORD.exists():
            # Parts that were measured alone replace the older ones of the same title.
            sections = report.merged(report.from_json(json.loads(RECORD.read_text("utf-8"))), sections)
            tables = report.markdown(sections, how)
            found = json.dumps(report.as_json(sections, how), indent=1) + "\n"
        PAGE.write_text(_BETWEEN.sub(lambda _: tables, PAGE.read_text("utf-8")), "utf-8")
        RECORD.write_text(found, "utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
