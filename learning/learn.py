"""The program that learns the scorecard's weights from labelled visits, and judges them by cross-validation.

python -m learning.learn                       write tracker/decisions/scorecard/weights.json, always the same
python -m learning.learn --judge               the table: 1.0.0, the trials, and this scorecard on unseen visits
python -m learning.learn --judge --rounds 5    the same with more rounds of folds; 0: the visits of each writer in turn
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from learning.playing import Setting, labelled_visits
from learning.report import report
from learning.validation import build

WEIGHTS: Final = Path(__file__).parents[1] / "tracker" / "decisions" / "scorecard" / "weights.json"


def main() -> None:
    """Learn, or judge, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m learning.learn", description="Learn the scorecard's weights.")
    parser.add_argument("--judge", action="store_true", help="print the cross-validation instead of writing weights")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of folds; 0: the visits of each writer in turn")
    arguments = parser.parse_args()
    setting = Setting()
    visits = setting.learnt_from(labelled_visits())
    if arguments.judge:
        for line in report(setting, visits, arguments.rounds):
            print(line)
    else:
        WEIGHTS.write_text(text_of(build(visits)), encoding="utf-8")


def text_of(record: object) -> str:
    """Return the text of the weights file."""
    return json.dumps(record, indent=1) + "\n"


if __name__ == "__main__":
    main()
