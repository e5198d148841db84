"""The report of a cross-validation: the scorecard beside what came before it, and where it goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from statistics import mean
from typing import Final

from learning.fitting import LearningVisit
from learning.playing import Setting
from learning.validation import ANNOYED, cross_validated, folds, folds_by_writer
from tracker.decisions.rehearsal.judging import Judged, Score, score
from tracker.decisions.scorecard.scorecard import Discretion

FIRST_SET: Final = 42
"""So many of the visits are of the first set, cases.json."""

BEFORE: Final = (
    ("1.0.0", 25, 56, 65, 40),
    ("first trial, 0.7", 75, 16, 55, 23),
    ("first trial, 0.8", 67, 13, 66, 14),
    ("trial with more moments, 0.7", 85, 23, 38, 28),
    ("trial with more moments, 0.8", 73, 18, 55, 16),
    ("boosted trees, 0.7", 72, 26, 48, 9),
)
"""(name, right, wrong, missed, annoyed) over the same visits, of 146 that want a popup and 149 that want none."""


def report(setting: Setting, visits: Sequence[LearningVisit], rounds: int) -> Iterator[str]:
    """Yield the lines of the report over so many rounds of folds; 0: the visits of each writer in turn."""
    levels = tuple(ANNOYED)
    played: dict[Discretion, list[list[Judged]]] = {level: [] for level in levels}
    for seed in range(max(1, rounds)):
        splits = folds(visits, seed) if rounds else folds_by_writer(visits)
        for level, found in cross_validated(setting, visits, splits, levels, seed=seed + 100).items():
            played[level].append(found)

    yield f"{'':<30} {'right':>12} {'wrong':>12} {'missed':>8} {'annoyed':>12}"
    for name, right, wrong, missed, annoyed in BEFORE:
        yield _row(name, right, wrong, missed, annoyed, wanted=146, unwanted=149)
    for level, rounds_of in played.items():
        yield _mean_row(f"this scorecard, {level}", [score(one) for one in rounds_of])
    first = {visit.example.visit.id for visit in visits[:FIRST_SET]}
    for name, is_first in (("the first set (42)", True), ("the second set (280)", False)):
        scores = [
            score(one, lambda example, is_first=is_first: (example.visit.id in first) == is_first)  # type: ignore[misc]
            for one in played["balanced"]
        ]
        yield _mean_row(f"  balanced, {name}", scores)

    balanced = list(chain.from_iterable(played["balanced"]))
    asked = [one.asked for one in balanced]
    yield ""
    yield f"Questions a visit, balanced: {mean(asked):.1f} in the mean, at most {max(asked)}."
    yield ""
    yield "What was said first, by what was wanted (balanced; all rounds together):"
    for wanted, said in sorted(confusion(balanced).items()):
        yield f"  {wanted:<36} {', '.join(f'{what} {count}' for what, count in said.most_common())}"
    yield ""
    yield "What the missed visits have in common:"
    yield from missed_traits(balanced)


def _row(name: str, right: float, wrong: float, missed: float, annoyed: float, *, wanted: int, unwanted: int) -> str:
    return (
        f"{name:<30} {right:>6.0f} ({right / wanted:>3.0%}) {wrong:>6.0f} ({wrong / wanted:>3.0%}) {missed:>8.0f} "
        f"{annoyed:>6.0f} ({annoyed / unwanted:>3.0%})"
    )


def _mean_row(name: str, scores: Sequence[Score]) -> str:
    return _row(
        name,
        mean(one.right for one in scores),
        mean(one.wrong for one in scores),
        mean(one.missed for one in scores),
        mean(one.annoyed for one in scores),
        wanted=scores[0].wanted,
        unwanted=scores[0].unwanted,
    )


def confusion(judged: Iterable[Judged]) -> dict[str, Counter[str]]:
    """Return for each set of picks what was said first: {"chat|shipping": {"right": 5, "welcome-10": 1}}."""
    table: dict[str, Counter[str]] = {}
    for one in judged:
        label = one.example.label
        if label is None or label.show is not True:
            continue
        said = "right" if one.verdict == "right" else one.said or "nothing"
        table.setdefault("|".join(sorted(label.picks)), Counter())[said] += 1
    return table


def missed_traits(judged: Iterable[Judged]) -> Iterator[str]:
    """Yield how much more often a trait is found in missed visits than in those with the right popup."""
    found = list(judged)
    groups = {verdict: [one for one in found if one.verdict == verdict] for verdict in ("missed", "right")}
    if not all(groups.values()):
        return
    traits: dict[str, Callable[[Judged], bool]] = {
        "nothing was ever in the cart": lambda one: not _has_step(one, "add", "setcart"),
        "the script never asked": lambda one: one.asked == 0,
        "at most two questions": lambda one: one.asked <= 2,
        "the label's writer was not sure (3 or less of 5)": lambda one: one.example.sure <= 3,
        "the checkout was begun": lambda one: _has_step(one, "pixel"),
        "less than two minutes": lambda one: _seconds(one) < 120,
        "six pages or more": lambda one: _count(one, "view") >= 6,
        "a first visit": lambda one: one.example.visit.visit == 1,
    }
    for name, holds in traits.items():
        shares = [mean(holds(one) for one in group) for group in groups.values()]
        yield f"  {name:<50} {shares[0]:>4.0%} of the missed, {shares[1]:>4.0%} of the right"


def _has_step(one: Judged, *names: str) -> bool:
    return any(step[0] in names for step in one.example.visit.timeline)


def _count(one: Judged, name: str) -> int:
    return sum(step[0] == name for step in one.example.visit.timeline)


def _seconds(one: Judged) -> float:
    return sum(float(step[1]) for step in one.example.visit.timeline if step[0] in {"stay", "wait", "hide"})
