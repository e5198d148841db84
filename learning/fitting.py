"""Fitting the weights: logistic regressions on the numbers of moments, folded into the form of weights.json.

Positive moments are the last two of a visit that wants help, negative ones all of a visit that wants quiet; a visit's
weight is spread over its moments. Everything is fixed: seeds, order, rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tracker.decisions.rehearsal.example import Example
from tracker.decisions.scorecard.proposing import answers_of
from tracker.decisions.scorecard.scorecard import LEARNED
from tracker.decisions.shop.messages import Message
from tracker.decisions.visit.numbers import WORDS

Table: TypeAlias = NDArray[np.float64]

LAST: Final = 2
"""So many of the last moments of a visit to help are examples of a moment for a popup."""
STRENGTH: Final = 0.03
"""scikit-learn's C: the smaller, the closer all weights stay to 0."""
CAP_QUANTILE: Final = 0.985
LEAST_CAP: Final = 3.0
"""Rare counts, such as clicks in vain, mean more the higher they are; long ones say no more beyond the cap."""
SURE: Final = {2: 0.6, 3: 0.8, 4: 1.0, 5: 1.1}
"""How much a visit counts by how sure the writer of its label is."""
DIGITS: Final = 4
NAMES: Final = tuple(WORDS)


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of asking that eligibility and the rules of silence leave to the scorecard."""

    numbers: dict[str, float]
    messages: tuple[Message, ...]
    """The messages that apply to the shopper at this moment."""


@dataclass(frozen=True, slots=True)
class LearningVisit:
    """One labelled visit and its moments, played to its end without a popup."""

    example: Example
    moments: tuple[Moment, ...]

    @property
    def show(self) -> object:
        """What the label wants: True, False or `either`."""
        assert self.example.label is not None
        return self.example.label.show

    @property
    def picks(self) -> tuple[str, ...]:
        """The messages that would be right."""
        assert self.example.label is not None
        return self.example.label.picks


def fit(visits: Sequence[LearningVisit]) -> dict[str, Any]:
    """Return the object of weights.json that these visits teach, without its thresholds."""
    everything = _table([moment for visit in visits for moment in visit.moments])
    caps = np.maximum(LEAST_CAP, np.quantile(everything, CAP_QUANTILE, axis=0))
    helps, wanted, weights = _rows_of_help(visits)
    x = np.minimum(_table(helps), caps)
    record: dict[str, Any] = {
        "signals": {
            name: {"cap": rounded(cap), "typical": rounded(typical)}
            for name, cap, typical in zip(NAMES, caps, x.mean(axis=0), strict=True)
        },
        "help": card(x, wanted, weights),
    }
    asked = [visit for visit in visits if visit.picks]
    record["about"] = {answer: _card_of_answer(asked, answer, caps) for answer in LEARNED}
    return record


def _rows_of_help(visits: Sequence[LearningVisit]) -> tuple[list[Moment], Table, Table]:
    """Return (moments, whether a popup is wanted, weights); both sides weigh the same in all."""
    rows: list[tuple[Moment, bool, float]] = []
    for visit in visits:
        if visit.show == "either" or not visit.moments:
            continue
        chosen = visit.moments[-LAST:] if visit.show else visit.moments
        weight = SURE.get(visit.example.sure, 1.0) / len(chosen) ** 0.5
        rows += [(moment, bool(visit.show), weight) for moment in chosen]
    wanted = np.array([row[1] for row in rows], dtype=float)
    weights = np.array([row[2] for row in rows])
    for side in (0.0, 1.0):
        weights[wanted == side] *= len(rows) / 2 / weights[wanted == side].sum()
    return [row[0] for row in rows], wanted, weights


def _card_of_answer(visits: Sequence[LearningVisit], answer: str, caps: Table) -> dict[str, Any]:
    rows: list[Moment] = []
    right: list[float] = []
    for visit in visits:
        for moment in visit.moments:
            giving = [message.id for message in moment.messages if answer in answers_of(message)]
            if giving:
                rows.append(moment)
                right.append(float(any(message_id in visit.picks for message_id in giving)))
    return card(np.minimum(_table(rows), caps), np.array(right), np.ones(len(right)))


def card(x: Table, y: Table, weights: Table) -> dict[str, Any]:
    """Return {bias, weights} of a logistic regression on standardised numbers, with the standardising folded in."""
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-6)
    # One thread: ten times as fast for tables of this size, and the numbers are always added up in the same order.
    with threadpool_limits(1):
        model.fit((x - centre) / spread, y, sample_weight=weights)
    folded = model.coef_[0] / spread
    found = {name: rounded(weight) for name, weight in zip(NAMES, folded, strict=True)}
    return {
        "bias": rounded(float(model.intercept_[0] - folded @ centre)),
        "weights": {name: weight for name, weight in found.items() if weight},
    }


def _table(moments: Sequence[Moment]) -> Table:
    return np.array([[moment.numbers[name] for name in NAMES] for moment in moments])


def rounded(number: float) -> float:
    """Return a number as the file holds it."""
    return float(f"{number:.{DIGITS}g}") if abs(number) > 1e-7 else 0.0
