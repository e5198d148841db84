"""Counting: what a process counts, what it counts of decisions, and the sum over workers, dead ones too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tracker.askai.counting import count_decision
from tracker.decisions.decision import ByEligibility, ByModel, ByRules, Silence
from tracker.decisions.proposal import ModelFailure, ModelProposal, Proposal
from tracker.llm.faults import Fault
from tracker.llm.port import ModelAnswer
from tracker.metrics.counts import Counter, Histogram, counted, instruments
from tracker.metrics.exposition import exposition
from tracker.metrics.workers import WorkerCounts


@pytest.fixture
def apples() -> Iterator[Counter]:
    yield Counter("apples", "Apples.", "colour")
    del instruments["apples"]


def values(name: str, text: bytes) -> dict[tuple[str, ...], float]:
    """Return the samples of a name, by the values of their labels."""
    families = text_string_to_metric_families(text.decode())
    return {tuple(one.labels.values()): one.value for found in families for one in found.samples if one.name == name}


def test_a_counter_counts_by_its_labels(apples: Counter) -> None:
    apples.add("red")
    apples.add("red", amount=2)
    apples.add('gr"een\n')

    text = exposition(counted(), {"pears": ("Pears.", 7.0)})

    assert values("apples_total", text) == {("red",): 3.0, ('gr"een\n',): 1.0}
    assert values("pears", text) == {(): 7.0}


def test_a_histogram_has_bounds_that_hold_all_below_them_and_a_sum() -> None:
    walks = Histogram("walks", "Walks.", bounds=(1.0, 2.0))
    try:
        for seconds in (0.5, 1.0, 1.5, 9.0):
            walks.observe(seconds)
        text = exposition(counted(), {})
    finally:
        del instruments["walks"]

    assert values("walks_bucket", text) == {("1.0",): 2.0, ("2.0",): 3.0, ("+Inf",): 4.0}
    assert values("walks_count", text) == {(): 4.0}
    assert values("walks_sum", text) == {(): 12.0}


def test_what_several_workers_counted_is_added_and_stays_when_one_is_gone(tmp_path: Path, apples: Counter) -> None:
    def number() -> Any:
        return this.add_up()["apples"]["red",][0]

    # Each has a file of its own, as if it were a process of its own.
    this, *others = [WorkerCounts(tmp_path) for _ in range(3)]
    apples.add("red")
    for one in others:
        one.publish()
    assert number() == 3

    others[0].bury(os.getpid())
    assert [file.name for file in tmp_path.iterdir()] == ["gone.json"], "a dead worker's file would stay for ever"
    this, last = WorkerCounts(tmp_path), WorkerCounts(tmp_path)
    last.publish()
    assert number() == 3 + 2

    last.bury(1)
    assert number() == 3 + 2, "another process is gone, which counted nothing"
    this.remove()
    assert not tmp_path.exists()


def test_a_worker_that_is_buried_in_the_middle_is_counted_once(tmp_path: Path, apples: Counter) -> None:
    apples.add("red")
    dead = WorkerCounts(tmp_path)
    dead.publish()
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    dead.bury(os.getpid())
    file.write_bytes(content)  # as a reader has it who looked before

    assert WorkerCounts(tmp_path).add_up()["apples"]["red",] == [2.0]


def test_counting_goes_on_where_nothing_can_be_written(tmp_path: Path, apples: Counter) -> None:
    shared = WorkerCounts(tmp_path / "gone")
    apples.add("red")
    shared.publish()
    shared.bury(os.getpid())
    assert shared.add_up() == {}


def decided(origin: Any) -> dict[str, float]:
    """Count a decision of this origin; return what that added, by name and labels."""
    before = counted()
    count_decision(Silence(reason="", trigger="", origin=origin))
    return {
        " ".join((name, *labels)): row[0] - before[name].get(labels, [0.0])[0]
        for name, rows in counted().items()
        for labels, row in rows.items()
        if row != before[name].get(labels)
    }


def test_decisions_are_counted_by_their_source_with_what_the_model_cost() -> None:
    answer = ModelAnswer(text="", model="m", latency_ms=1, prompt_tokens=300, completion_tokens=20)
    silence = Proposal(message_id=None, reason="")

    assert decided(ByEligibility()) == {"tracker_decisions gate ": 1}
    assert decided(ByRules(ModelFailure(fault=Fault.BUDGET))) == {
        "tracker_decisions rules ": 1,
        "tracker_model_faults budget": 1,
    }
    assert decided(ByRules(ModelFailure(fault=Fault.INVALID, was_asked=True, answer=answer))) == {
        "tracker_decisions rules ": 1,
        "tracker_model_faults invalid": 1,
        "tracker_model_calls failed": 1,
        "tracker_model_tokens prompt": 300,
        "tracker_model_tokens completion": 20,
    }
    assert decided(ByModel(ModelProposal(silence, answer))) == {
        "tracker_decisions groq ": 1,
        "tracker_model_calls answered": 1,
        "tracker_model_tokens prompt": 300,
        "tracker_model_tokens completion": 20,
    }
