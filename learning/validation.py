"""Cross-validation over whole visits: what the scorecard is worth on visits that it has not seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from sklearn.model_selection import StratifiedKFold

from learning.fitting import LearningVisit, Moment, fit, rounded
from learning.playing import Setting
from tracker.decisions.rehearsal.judging import Judged
from tracker.decisions.scorecard.proposing import best_of
from tracker.decisions.scorecard.scorecard import Discretion, Scorecard

ANNOYED: Final[dict[Discretion, float]] = {"eager": 0.08, "balanced": 0.04, "discreet": 0.02}
"""The share of the visits to leave alone that each discretion may annoy, by cross-validation."""
SEEDS: Final = (1, 2, 3)
"""The folds by which the thresholds of the shipped file are chosen."""


def folds(visits: Sequence[LearningVisit], seed: int) -> Iterator[tuple[list[LearningVisit], list[LearningVisit]]]:
    """Yield five times (visits to learn from, visits to judge), with the kinds of labels spread evenly."""
    kinds = [str(visit.show) for visit in visits]
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(kinds, kinds):
        yield [visits[place] for place in train], [visits[place] for place in test]


def folds_by_writer(visits: Sequence[LearningVisit]) -> Iterator[tuple[list[LearningVisit], list[LearningVisit]]]:
    """Yield (visits to learn from, visits to judge): those of one writer are judged by what all others teach."""
    writers = [
        visit.example.visit.id[0] if re.fullmatch(r"[a-e]\d\d", visit.example.visit.id) else "" for visit in visits
    ]
    for writer in sorted(set(writers)):
        pairs = list(zip(writers, visits, strict=True))
        yield [visit for one, visit in pairs if one != writer], [visit for one, visit in pairs if one == writer]


def build(visits: Sequence[LearningVisit], seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Return the whole object of weights.json that these visits teach."""
    return {**fit(visits), "thresholds": thresholds(visits, seeds)}


def thresholds(visits: Sequence[LearningVisit], seeds: Sequence[int]) -> dict[Discretion, float]:
    """Return for each discretion the threshold that annoys no more than its share, by cross-validation."""
    peaks: list[float] = []
    for seed in seeds:
        for train, test in folds(visits, seed):
            scorecard = Scorecard.from_record({**fit(train), "thresholds": {}})
            peaks += [
                max((_probability(moment, scorecard) for moment in visit.moments), default=0.0)
                for visit in test
                if visit.show is False
            ]
    return {level: rounded(float(np.quantile(peaks, 1 - share))) for level, share in ANNOYED.items()}


def _probability(moment: Moment, scorecard: Scorecard) -> float:
    """Return the probability that a popup helps at this moment and its message is right."""
    _message, right = best_of(scorecard.about(moment.numbers), moment.messages)
    return scorecard.score(moment.numbers)[0] * right


def cross_validated(
    setting: Setting,
    visits: Sequence[LearningVisit],
    splits: Iterable[tuple[list[LearningVisit], list[LearningVisit]]],
    levels: Sequence[Discretion] = ("balanced",),
    seed: int = 101,
) -> dict[Discretion, list[Judged]]:
    """Return for each discretion what the real engine shows in each visit, with weights that have not seen the visit.

    The thresholds, too, are chosen inside each fold.
    """
    found: dict[Discretion, list[Judged]] = {level: [] for level in levels}
    for train, test in splits:
        scorecard = Scorecard.from_record(build(train, (seed,)))
        for level in levels:
            found[level] += setting.judged([visit.example for visit in test], scorecard, level)
    return found
