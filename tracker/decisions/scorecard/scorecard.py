"""The scorecard: would a popup help now, and what should it be about? A dot product over a small file of weights.

The program in learning/ writes the file. The standardising of the numbers is folded into the weights, so a score is

    bias + sum of weight * min(number, cap)      and its probability 1 / (1 + e^-score)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from tracker.decisions.visit.acts import TOPICS
from tracker.decisions.visit.numbers import WORDS

Discretion: TypeAlias = Literal["eager", "balanced", "discreet"]
Numbers: TypeAlias = Mapping[str, float]
"""The numbers of a visit, see `visit.numbers`."""

REASONS: Final = 3
"""How many reasons a decision gives."""

LEARNED: Final = ("shipping", "returns", "size", "price", "quantity", "contact", "quote")
"""What weights are learned for. Too few labelled visits ask about payment: see `Scorecard.about`."""


@dataclass(frozen=True, slots=True)
class Card:
    """One set of weights."""

    bias: float
    weights: Mapping[str, float]

    def probability(self, numbers: Numbers) -> float:
        """Return the probability that these numbers, already capped, stand for."""
        score = self.bias + sum(weight * numbers[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


class Reason(NamedTuple):
    """A number that speaks for a popup, and the words that say it."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The weights as they were learned."""

    caps: Mapping[str, float]
    typical: Mapping[str, float]
    """The mean of each number where it was learned: a reason is what differs from it."""
    help: Card
    answers: Mapping[str, Card]
    thresholds: Mapping[Discretion, float]
    """From which probability on that the right thing is said a popup is drawn."""

    def capped(self, numbers: Numbers) -> dict[str, float]:
        """Return the numbers that have weights, each up to its cap."""
        return {name: min(numbers[name], cap) for name, cap in self.caps.items()}

    def score(self, numbers: Numbers) -> tuple[float, list[Reason]]:
        """Return the probability that a popup would help now, and the strongest reasons for it."""
        capped = self.capped(numbers)
        parts = {
            name: weight * (capped[name] - self.typical[name])
            for name, weight in self.help.weights.items()
            if numbers[name] and name in WORDS
        }
        strongest = sorted((name for name in parts if parts[name] > 0), key=lambda name: -parts[name])
        return self.help.probability(capped), [Reason(name, say(name, numbers[name])) for name in strongest[:REASONS]]

    def about(self, numbers: Numbers) -> dict[str, float]:
        """Return for each topic, and for "quote", the probability that a message about it would be right."""
        capped = self.capped(numbers)
        found = {answer: card.probability(capped) for answer, card in self.answers.items()}
        # A question of payment goes to a person, as the labels see it; so much of that probability is payment's as
        # payment has in what the shopper looked at.
        found["payment"] = found["contact"] * numbers["share_payment"] / 100
        return {answer: found[answer] for answer in (*TOPICS, "quote")}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Scorecard:
        """Return the scorecard of the weights file's object. Raises KeyError for one of another form."""
        signals = record["signals"]
        return cls(
            caps={name: entry["cap"] for name, entry in signals.items()},
            typical={name: entry["typical"] for name, entry in signals.items()},
            help=Card(record["help"]["bias"], record["help"]["weights"]),
            answers={answer: Card(card["bias"], card["weights"]) for answer, card in record["about"].items()},
            thresholds=record["thresholds"],
        )


def say(name: str, value: float) -> str:
    """Return a number in words: "came back to the cart page 2 times"."""
    return WORDS[name].format(n=round(value)).replace(" 1 times", " once").replace(" 2 times", " twice")


@lru_cache(maxsize=1)
def shipped() -> Scorecard:
    """Return the scorecard of the weights that come with the package."""
    return Scorecard.from_record(orjson.loads(files(__package__).joinpath("weights.json").read_bytes()))
