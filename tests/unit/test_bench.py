"""The bench: its bodies are valid, its stores do the same, its report shows which promises are kept."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import bodies, report
from bench.measure import Promise, Rounds, Section, Spread
from bench.peers.apps import service
from bench.peers.pydantic_shapes import SameRules, ShapeOnly
from bench.peers.sqlite_store import SqliteStore
from tracker.ingest.events import EventLimits
from tracker.ingest.schemas import IngestSchema
from tracker.sessions.model import ShopperSession
from tracker.storage.json_file import JsonFileStore

ROOT = Path(__file__).resolve().parents[2]
LIMITS = EventLimits(event_bytes=8192, depth=16, body_events=5000, pages=200)


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


def test_bench_and_tests_share_testing_and_import_nothing_of_each_other() -> None:
    forbidden = {"bench": {"tests"}, "testing": {"tests", "bench"}, "tests": {"bench"}}
    for folder, packages in forbidden.items():
        files = [path for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
        assert files
        assert [str(path) for path in files if imported_packages(path) & packages] == []


@pytest.mark.parametrize("count", [5, 150])
def test_service_and_pydantic_models_take_every_event_of_a_body(count: int) -> None:
    body = bodies.body("a-session", 10, count)
    taken = IngestSchema(LIMITS).load(body)

    assert taken.rejected.count == 0
    assert sum(map(len, taken.report.events.values())) == count
    for shape in (ShapeOnly, SameRules):
        assert sum(map(len, shape.model_validate(body).events.values())) == count


def test_each_body_of_a_visit_brings_new_events(tmp_path: Path) -> None:
    bodies.write_visit(tmp_path / "visit", bodies=3, count=5, repeats=2)
    lines = (tmp_path / "visit").read_text("utf-8").splitlines()
    found = [json.loads('{"session":"a-session"' + line) for line in lines]
    numbers = [{event["n"] for events in body["events"].values() for event in events} for body in found]

    assert [len(some) for some in numbers] == [7, 7, 7]
    assert len(numbers[0] | numbers[1] | numbers[2]) == 17


@pytest.mark.parametrize("size", bodies.EVENTS_IN)
def test_a_written_file_holds_sessions_of_the_given_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "sessions.json"
    bodies.write_file(path, 50, size)
    store = JsonFileStore(path)

    assert store.check().sessions == 50
    assert size * 0.85 < path.stat().st_size / 50 < size * 1.15
    store.close()


def test_both_stores_return_the_same_after_the_same_updates(tmp_path: Path) -> None:
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
    sqlite.close()


def test_the_views_that_a_post_is_compared_with_answer_as_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_STORAGE_FILE", str(tmp_path / "sessions.json"))
    client = service().test_client()

    saved = client.post("/ingest", json=bodies.body("a-session-0001", 0, 5))
    assert client.post("/empty", json=bodies.body("a-session-0001", 0, 5)).get_json() == saved.get_json()
    with client.get("/static/storefront.min.js") as script:
        assert script.data == client.get("/storefront.js").data


def test_ratios_are_taken_within_a_round() -> None:
    rounds = Rounds({"a": [{"rate": 10}, {"rate": 30}, {"rate": 90}], "b": [{"rate": 5}, {"rate": 10}, {"rate": 90}]})

    assert rounds.spread("a", "rate") == Spread(30, 10, 90)
    assert rounds.ratio("a", "b", "rate") == Spread(2, 1, 3)


def test_the_report_shows_which_promises_are_kept() -> None:
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


def test_the_page_of_figures_shows_what_is_on_record() -> None:
    page = (ROOT / "docs" / "figures.md").read_text("utf-8")
    record = json.loads((ROOT / "docs" / "performance.json").read_text("utf-8"))

    assert report.markdown(report.from_json(record), record["how"]) in page
