"""An acknowledged write survives kill -9 of any or all writing processes, and is counted once (D1)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from testing.faults.killed_writers import Tally

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=pytest.mark.thorough)])
def test_what_was_acknowledged_survives_killed_writers_and_counts_once(tmp_path: Path, rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "testing.faults.killed_writers", "--rounds", str(rounds), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tally = Tally(**json.loads(done.stdout))
    print(
        f"{tally.rounds} rounds, {tally.kills} kills, {tally.acknowledged} acknowledged, {tally.torn_tails} torn tails"
    )
    assert tally.lost == []
    assert tally.doubled == []
    assert tally.unreadable == []
    assert tally.unwilling == []
    assert tally.left_over == []
    # The rounds were what they claim to be: full of writes, of kills, and of rewrites that were hit by them.
    assert tally.rounds == rounds
    assert tally.kills == 4 * rounds
    assert tally.acknowledged > 20 * rounds
    assert tally.compactions > rounds / 10
    assert done.stderr == ""
