"""The bench measures what it says: good bodies, equal stores, a report that tells kept promises from broken ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import bodies, report
from bench.measure import Promise, Rounds, Section, Spread
from bench.pydantic_shapes import SameRules, ShapeOnly
from bench.sqlite_store import SqliteStore
from tracker.ingest.events import EventLimits
from tracker.ingest.schemas import IngestSchema
from tracker.sessions.model import ShopperSession
from tracker.storage.json_file import JsonFileStore

ROOT = Path(__file__).resolve().parents[2]
LIMITS = EventLimits(event_bytes=8192, depth=16, body_events=5000, pages=200)


def test_without_wrk_it_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr == "The bench needs wrk: `apt install wrk`, or `brew install wrk`.\n"


@pytest.mark.parametrize("count", [5, 150])
def test_its_bodies_are_taken_in_whole_by_the_service_and_its_peers(count: int) -> None:
    body = bodies.body("a-session", 10, count)
    taken = IngestSchema(LIMITS).load(body)

    assert taken.rejected.count == 0
    assert sum(map(len, taken.report.events.values())) == count
    for shape in (ShapeOnly, SameRules):
        assert sum(map(len, shape.model_validate(body).events.values())) == count


def test_the_bodies_of_a_visit_bring_new_events_each(tmp_path: Path) -> None:
    bodies.write_visit(tmp_path / "visit", bodies=3, count=5, repeats=2)
    lines = (tmp_path / "visit").read_text("utf-8").splitlines()
    found = [json.loads('{"session":"a-session"' + line) for line in lines]
    numbers = [{event["n"] for events in body["events"].values() for event in events} for body in found]

    assert [len(some) for some in numbers] == [7, 7, 7]
    assert len(numbers[0] | numbers[1] | numbers[2]) == 17


@pytest.mark.parametrize("size", bodies.EVENTS_IN)
def test_its_files_hold_sessions_of_the_size_that_is_said(tmp_path: Path, size: int) -> None:
    path = tmp_path / "sessions.json"
    bodies.write_file(path, 50, size)
    store = JsonFileStore(path)

    assert store.check().sessions == 50
    assert size * 0.85 < path.stat().st_size / 50 < size * 1.15
    store.close()


def test_both_stores_do_the_same(tmp_path: Path) -> None:
    bodies.write_file(tmp_path / "sessions.json", 3)
    file, sqlite = JsonFileStore(tmp_path / "sessions.json"), SqliteStore(tmp_path / "sessions.db")
    sqlite.fill(bodies.stored_sessions(3, 1_000))

    def change(stored: ShopperSession | None) -> ShopperSession:
        assert stored is not None
        return replace(stored, items_in_cart=stored.items_in_cart + 1)

    for store in (file, sqlite):
        store.update("stored-0000001", change)
    assert file.update("stored-0000001", change) == sqlite.update("stored-0000001", change)
    file.close()


def test_figures_are_compared_within_their_round() -> None:
    rounds = Rounds({"a": [{"rate": 10}, {"rate": 30}, {"rate": 90}], "b": [{"rate": 5}, {"rate": 10}, {"rate": 90}]})

    assert rounds.spread("a", "rate") == Spread(30, 10, 90)
    assert rounds.ratio("a", "b", "rate") == Spread(2, 1, 3)


def test_the_report_tells_a_kept_promise_from_a_broken_one() -> None:
    section = Section("Title", "How.", ("", "rate"))
    section.add("a case", "1", rate=Spread(1, 1, 1))
    section.promises += [
        Promise("fast", 0.6, Spread(0.61, 0.5, 0.7), aim=0.75),
        Promise("slow", 150, Spread(151, 10, 200), "ms", at_most=True),
    ]
    text = report.markdown([section], "Here.")

    assert "| fast | at least 0.60 (aim 0.75) | 0.61 (0.50 to 0.70) | yes |" in text
    assert "| slow | at most 150 ms | 151 (10 to 200) | **no** |" in text
    record = json.loads(json.dumps(report.as_json([section], "Here.")))
    assert report.markdown(report.from_json(record), "Here.") == text
    newer = Section("Title", "Anew.", ("", "rate"))
    assert report.merged([section, Section("Other", "", ("",))], [newer])[0] is newer


def test_the_page_shows_the_figures_on_record() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    record = json.loads((ROOT / "docs" / "performance.json").read_text("utf-8"))

    assert report.markdown(report.from_json(record), record["how"]) in page
