"""The scorecard's weights: rebuilt from the labelled visits, and judged on visits that they have not seen."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from learning.fitting import STRENGTH, LearningVisit, card
from learning.learn import WEIGHTS
from learning.playing import Setting, labelled_visits
from learning.report import report
from learning.validation import build, cross_validated, folds, folds_by_writer
from tracker.decisions.rehearsal.judging import score
from tracker.decisions.scorecard.scorecard import Card, shipped
from tracker.decisions.visit.numbers import WORDS

SETTING = Setting()


@pytest.fixture(scope="module")
def visits() -> list[LearningVisit]:
    return SETTING.learnt_from(labelled_visits())


def flat(record: dict[str, Any], above: str = "") -> dict[str, float]:
    """Return {path: number} of a nested object of numbers."""
    found: dict[str, float] = {}
    for key, value in record.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def test_weights_file_is_what_the_labelled_visits_teach(visits: list[LearningVisit]) -> None:
    stored = json.loads(WEIGHTS.read_text("utf-8"))

    # Another processor may add up in another order: the numbers may differ a little, never enough for a decision.
    assert flat(build(visits)) == pytest.approx(flat(stored), rel=0.01, abs=1e-3), "run: python -m learning.learn"


def test_cross_validation_through_the_real_engine_holds_what_is_promised(visits: list[LearningVisit]) -> None:
    found = score(cross_validated(SETTING, visits, folds(visits, seed=11), seed=12)["balanced"])

    assert found.right >= 0.60 * found.wanted
    assert found.wrong <= 0.12 * found.wanted
    assert found.annoyed <= 0.08 * found.unwanted


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(5))
def test_cross_validation_holds_for_other_folds_too(visits: list[LearningVisit], seed: int) -> None:
    for level, judged in cross_validated(
        SETTING, visits, folds(visits, seed), ("eager", "balanced", "discreet")
    ).items():
        found = score(judged)
        assert found.right >= 0.60 * found.wanted, level
        assert found.wrong <= 0.12 * found.wanted, level
        assert found.annoyed <= (0.12 if level == "eager" else 0.08) * found.unwanted, level


@pytest.mark.thorough
def test_cross_validation_holds_for_visits_of_a_writer_of_whom_nothing_was_seen(visits: list[LearningVisit]) -> None:
    found = score(cross_validated(SETTING, visits, folds_by_writer(visits))["balanced"])

    assert found.right >= 0.60 * found.wanted
    assert found.wrong <= 0.12 * found.wanted
    assert found.annoyed <= 0.08 * found.unwanted


@pytest.mark.thorough
def test_report_shows_the_scorecard_beside_what_came_before(visits: list[LearningVisit]) -> None:
    lines = "\n".join(report(SETTING, visits, 1))

    for part in (
        "1.0.0",
        "trial with more moments",
        "this scorecard, balanced",
        "What the missed visits have in common",
    ):
        assert part in lines


def test_help_without_a_way_to_help_costs_a_little_and_no_promise(visits: list[LearningVisit]) -> None:
    messages = tuple(replace(one, opens=None) if one.kind == "help" else one for one in SETTING.shop.messages)
    setting = Setting(replace(SETTING.shop, messages=messages))
    found = score(setting.judged(labelled_visits(), shipped(), "balanced"))

    assert found.right >= 0.60 * found.wanted


def test_dot_product_is_the_probability_that_was_learned() -> None:
    random = np.random.default_rng(5)
    x = np.abs(random.normal(size=(200, len(WORDS)))) * 5
    y = (x[:, 0] + random.normal(size=200) > x[:, 1]).astype(float)
    record = card(x, y, np.ones(200))
    standardised = (x - x.mean(axis=0)) / x.std(axis=0)
    model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-6).fit(standardised, y)

    run_time = Card(record["bias"], record["weights"])
    found = [run_time.probability(dict(zip(WORDS, row, strict=True))) for row in x.tolist()]
    assert np.abs(np.array(found) - model.predict_proba(standardised)[:, 1]).max() < 2e-3


def test_every_proposal_gives_its_reasons_in_words(visits: list[LearningVisit]) -> None:
    moments = [moment for visit in visits for moment in visit.moments]
    likely = max(moments, key=lambda moment: shipped().score(moment.numbers)[0])
    probability, reasons = shipped().score(likely.numbers)

    assert probability > 0.9
    assert len(reasons) == 3
    assert not any("{" in reason.words for reason in reasons)


def test_weights_name_numbers_that_there_are() -> None:
    assert set(shipped().caps) <= set(WORDS)
