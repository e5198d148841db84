"""Epochs: the exact share of lots, what begins a new one, and the cell that all workers share."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

import pytest

from testing.visits import MORNING, visit
from tracker.decisions.holdout.epoch import EXAMPLE, Epoch, lot_of
from tracker.decisions.holdout.epochs import Epochs
from tracker.decisions.holdout.offer import Offer
from tracker.durable.cell import FileCell

FILE = "sessions.json.epochs"


def epochs(folder: Path, percent: float, at: int = MORNING) -> Epochs:
    return Epochs(FileCell(folder / FILE), percent, lambda: at)


# --- Lots -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [0.0, 0.1, 1.0, 10.0, 20.0, 50.0, 99.9, 100.0])
def test_the_share_of_held_lots_is_exact(percent: float) -> None:
    for epoch_id in ("3f2a9c01", "another", "example"):
        epoch = Epoch(id=epoch_id, percent=percent, begun_ms=0)
        assert sum(map(epoch.holds, range(1000))) == round(percent * 10)


def test_each_epoch_holds_other_lots() -> None:
    chance = random.Random(1)
    first, *others = (Epoch(id=f"{chance.getrandbits(32):08x}", percent=20.0, begun_ms=0).held_lots for _ in range(50))

    assert all(other != first for other in others)
    assert mean(len(first & other) for other in others) == pytest.approx(40, abs=3)


def test_a_session_without_a_lot_has_one_that_follows_from_its_id() -> None:
    sessions = [visit(f"visit-{number:05}") for number in range(20_000)]
    lots = [lot_of(one) for one in sessions]

    assert lots == [lot_of(one) for one in sessions]
    assert set(lots) == set(range(1000))
    assert lot_of(visit(lot=7)) == 7


# --- The cell ---------------------------------------------------------------------------------------------------------


def test_an_epoch_lasts_as_long_as_its_share(tmp_path: Path) -> None:
    first = epochs(tmp_path, 20.0).current()
    same = epochs(tmp_path, 20.0, MORNING + 5).current()
    other = epochs(tmp_path, 50.0, MORNING + 9).current()

    assert first is not None
    assert same == first
    assert other is not None
    assert (first.percent, first.begun_ms, other.percent, other.begun_ms) == (20.0, MORNING, 50.0, MORNING + 9)
    assert first.id != other.id
    back = epochs(tmp_path, 20.0, MORNING + 9).current()
    assert back is not None
    assert back.id not in {first.id, other.id}, "an epoch that has ended does not go on"


def test_without_a_holdout_nothing_is_written_and_a_holdout_after_it_is_new(tmp_path: Path) -> None:
    assert epochs(tmp_path, 0.0).current() is None
    assert list(tmp_path.iterdir()) == []
    first = epochs(tmp_path, 20.0).current()
    assert epochs(tmp_path, 0.0).current() is None
    assert epochs(tmp_path, 0.0).known() is None
    assert epochs(tmp_path, 20.0).current() != first


def test_all_workers_begin_the_same_epoch(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: epochs(tmp_path, 20.0).current(), range(32)))

    assert len(found) == 1


def test_a_command_with_another_share_does_not_end_the_epoch_of_the_service(tmp_path: Path) -> None:
    begun = epochs(tmp_path, 20.0).current()

    assert epochs(tmp_path, 50.0).known() == begun
    assert epochs(tmp_path, 20.0).current() == begun


def test_before_the_first_decision_the_epoch_that_will_begin_is_known(tmp_path: Path) -> None:
    known = epochs(tmp_path, 20.0).known()

    assert known is not None
    assert (known.percent, known.begun_ms) == (20.0, MORNING)
    assert epochs(tmp_path, 0.0).known() is None


@pytest.mark.parametrize("content", [b"", b"[]", b"nothing", b'{"epochs": [{"id": 5}]}', b'{"epochs": 7}'])
def test_a_file_that_holds_something_else_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    begun = epochs(tmp_path, 20.0).current()

    assert begun is not None
    assert epochs(tmp_path, 20.0).current() == begun


def test_where_the_epoch_cannot_be_kept_nobody_is_held_out(tmp_path: Path) -> None:
    source = Epochs(FileCell(tmp_path / "no-folder" / FILE), 20.0, lambda: MORNING)
    assert source.current() is None
    (tmp_path / "no-folder").mkdir()
    assert source.current() is not None


# --- Offers -----------------------------------------------------------------------------------------------------------


def test_an_offer_reads_back_from_its_record_as_itself() -> None:
    offer = Offer(at_ms=MORNING, arm="held", message_id="size", percent=20.0, epoch=EXAMPLE.id, first=True, lot=417)

    assert Offer.of({"offer": offer.to_record(), "entries": []}) == offer
    assert offer.to_record() == {
        "at": MORNING,
        "arm": "held",
        "message_id": "size",
        "share": 20.0,
        "epoch": "example",
        "first": True,
        "lot": 417,
    }


@pytest.mark.parametrize("record", [{}, {"offer": None}, {"offer": {"arm": "held"}}, {"offer": []}])
def test_a_log_without_an_offer_has_none(record: dict[str, object]) -> None:
    assert Offer.of(record) is None
