"""The visit as a model is told it: its pages in order with what was done there, and the signs in words.

Every word is one of ours, but for the handles of products and collections that can only be a shop's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from tracker.decisions.scorecard.scorecard import say
from tracker.decisions.visit.event_types import MAX_COUNT
from tracker.decisions.visit.look import Look
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.reading import Reading
from tracker.decisions.visit.signals import Signals

MOST_STEPS: Final = 40
MOST_ACTS: Final = 8
"""On one page: the last ones are told."""
MOST_SIGNS: Final = 8

_SIGNS: Final = (
    *("checkout_left", "in_vain", "cart_again", "slow_removals", "refills", "cart_turns", "away_from_cart", "exits"),
    *("shipping", "returns", "size_guide", "faq", "contact", "tracking", "payment", "wholesale", "newsletter"),
    *("size_slow", "size_after_add", "quantity_clicks", "discount_clicks", "searches_vain", "product_again"),
    *("emptied", "old_cart", "sold_out", "lookup_clicks", "later_visit"),
)
"""The numbers that a model is told in words, the most telling ones first."""


def signs_in_words(signals: Signals) -> list[str]:
    """Return the most telling signs of a visit: "came back to the cart page twice"."""
    numbers = signals.numbers
    return [say(name, min(numbers[name], MAX_COUNT)) for name in _SIGNS if numbers.get(name)][:MOST_SIGNS]


def steps_of(reading: Reading, most_bytes: int) -> list[str]:
    """Return the steps of a visit, the last MOST_STEPS at most and as many of them as fit into `most_bytes` of JSON.

    "product linen-shirt 34s: size 2x, cart 1" is a look at a page for 34 s, where a size was chosen twice and something
    put into the cart, which then held one item. The first step sums up what came before the others.
    """
    looks = reading.looks
    steps: list[str] = []
    room = most_bytes - len(_summed_up(looks)) - 3
    for look in reversed(looks[-MOST_STEPS:]):
        step = _step(look)
        room -= len(step) + 3
        if room < 0:
            break
        steps.append(step)
    before = looks[: len(looks) - len(steps)]
    if before:
        steps.append(_summed_up(before))
    return steps[::-1]


def _summed_up(looks: list[Look]) -> str:
    seconds = min(round(sum(look.seconds for look in looks)), MAX_COUNT)
    return f"before: {len(looks)} pages in {seconds}s"


def _step(look: Look) -> str:
    seconds = min(round(look.seconds), MAX_COUNT)
    acts = _in_runs(look.done)
    told = f"{page_in_words(look.page)} {seconds}s"
    return f"{told}: {', '.join(acts[-MOST_ACTS:])}" if acts else told


def _in_runs(acts: Iterable[str]) -> list[str]:
    runs = [(act, len(list(same))) for act, same in groupby(acts)]
    return [act if count == 1 else f"{act} {count}x" for act, count in runs]


def page_in_words(page: PageName) -> str:
    """Return what a page is: `product linen-shirt`, `shipping policy`, `faq page`, `cart`."""
    if page.is_text:
        kind = "policy" if page.kind == "policy" else "page"
        return f"{page.subject} {kind}" if page.subject else kind
    return page.interest() or page.kind
