"""Judging a rehearsal: what each shopper saw first, beside the visit's label. No label reaches the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from tracker.decisions.rehearsal.example import Example, Label
from tracker.decisions.rehearsal.player import Drawn
from tracker.decisions.rehearsal.stage import Played
from tracker.decisions.shop.shop import Shop

Verdict: TypeAlias = Literal["right", "wrong", "missed", "annoyed", "quiet", "fine"]
"""`annoyed`: a popup where the label wants quiet; `quiet`: none there; `fine`: an `either` without a wrong message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One labelled visit, what its shopper saw first, and what that is worth."""

    example: Example
    verdict: Verdict
    said: str
    """The message that was drawn first; "" for none."""
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The verdicts on many visits, counted. A wrong message in a visit of `either` counts only in `wrong_either`."""

    right: int
    wrong: int
    missed: int
    annoyed: int
    wanted: int
    """Visits whose label wants a popup."""
    unwanted: int
    """Visits whose label wants none."""
    wrong_either: int

    def to_record(self) -> dict[str, int]:
        return asdict(self)


def verdict_of(label: Label, locale: str, drawn: Sequence[Drawn], shop: Shop) -> Verdict:
    """Return what the first popup, or its absence, is worth by the label.

    The message has to be one of the picks, in the language that the shop has for this shopper.
    """
    if label.show is False:
        return "annoyed" if drawn else "quiet"
    if not drawn:
        return "missed" if label.show is True else "fine"
    first = drawn[0]
    if first.message_id in label.picks and first.language == shop.language_for(locale):
        return "right" if label.show is True else "fine"
    return "wrong"


def judge(example: Example, played: Played, shop: Shop) -> Judged:
    """Return the verdict on a labelled visit that was played with this shop's messages."""
    assert example.label is not None
    return Judged(
        example=example,
        verdict=verdict_of(example.label, example.visit.locale, played.drawn, shop),
        said=played.drawn[0].message_id if played.drawn else "",
        asked=played.asked,
    )


def score(judged: Iterable[Judged], keep: Callable[[Example], bool] = lambda _example: True) -> Score:
    """Return the verdicts on the visits to keep, counted."""
    counts: Counter[tuple[object, Verdict]] = Counter()
    for one in judged:
        if one.example.label is not None and keep(one.example):
            counts[one.example.label.show, one.verdict] += 1
    return Score(
        right=counts[True, "right"],
        wrong=counts[True, "wrong"],
        missed=counts[True, "missed"],
        annoyed=counts[False, "annoyed"],
        wanted=sum(count for (show, _verdict), count in counts.items() if show is True),
        unwanted=sum(count for (show, _verdict), count in counts.items() if show is False),
        wrong_either=counts["either", "wrong"],
    )
