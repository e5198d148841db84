"""What in a shop's file can never happen: rules that are never reached, and messages that can never appear.

Only what is certain counts: a condition that is too involved to judge is taken for one that may hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from tracker.decisions.shop.conditions import AllOf, AnyOf, Condition, FlagTest, NumberTest, PathTest, TextTest
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.patterns import any_matches, covers
from tracker.decisions.shop.shop import Rule, Shop
from tracker.decisions.visit.pages import PageName

_AMOUNTS: Final = frozenset({"total"})
"""Words of numbers that are not whole ones."""


def unreachable(shop: Shop) -> list[tuple[int, str]]:
    """Return (line, why) of each rule that never decides anything."""
    found: list[tuple[int, str]] = []
    for number, rule in enumerate(shop.rules):
        above = next((one for one in shop.rules[:number] if one.when in (AllOf(), rule.when)), None)
        if above is not None:
            why = "always holds" if above.when == AllOf() else "has the same condition"
            found.append((rule.line, f"this rule is never reached: the one in line {above.line} {why}"))
        elif word := _impossible(rule.when):
            found.append((rule.line, f"this rule never holds: {word} cannot be all that at once"))
        else:
            reasons = [(said, _conflict(shop, rule.when, message)) for said, message in _said(shop, rule)]
            if reasons and all(reason for _, reason in reasons):
                told = ", ".join(f'"{said}" {reason}' for said, reason in reasons)
                found.append((rule.line, f"none of its messages can appear when this rule holds: {told}"))
    return found


def never_appears(shop: Shop, message: Message) -> str | None:
    """Return why a message can never appear; None if it may."""
    if shop.caps.popups_per_session == 0:
        return "popups_per_session is 0"
    if _forbidden(shop.caps.never_on, message.pages or ("/*",)):
        return "never_on forbids every page that it is for"
    if message.pages and all("*" not in page and _unfit(shop, message, page) for page in message.pages):
        return f"it {_unfit(shop, message, message.pages[0])}"
    if message.min_items > 0 and message.stages and "cart" not in message.stages:
        return "with something in the cart the stage is cart, which is not among its stages"
    if message.max_items == 0 and message.stages == {"cart"}:
        return "with an empty cart the stage is not cart, which is its only one"
    speaks = [rule for rule in shop.rules if message.id in rule.say]
    if not speaks and (always := next((rule for rule in shop.rules if rule.when == AllOf()), None)):
        return f"no rule says it, and the rule in line {always.line} always holds"
    if speaks and not message.about and all(_conflict(shop, rule.when, message) for rule in speaks):
        return f"when the rule in line {speaks[0].line} holds, it {_conflict(shop, speaks[0].when, message)}"
    return None


def _said(shop: Shop, rule: Rule) -> Iterator[tuple[str, Message]]:
    for said in rule.say:
        message = shop.find(said)
        if message is not None:
            yield said, message


def _forbidden(never_on: Sequence[str], pages: Sequence[str]) -> bool:
    return all(any(covers(pattern, page) for pattern in never_on) for page in pages)


def _unfit(shop: Shop, message: Message, path: str) -> str | None:
    """Return why a message cannot appear on a page; None if it may."""
    page = PageName.parse(path)
    if shop.caps.forbid(page):
        return f"is not shown on {path}, which never_on forbids"
    if message.pages and not any_matches(message.pages, path):
        return f"is not for {path}"
    if message.leads_to(path):
        return f"is not shown on {path}, where its button leads"
    if message.kind == "help" and message.opens is None and page.kind == "cart":
        return "is not shown on the cart page without opens"
    return None


def _conflict(shop: Shop, when: Condition, message: Message) -> str | None:
    """Return why a message never applies when a condition holds; None if it may."""
    least, most = _bounds(when, "items")
    if most < message.min_items:
        return f"needs {message.min_items} items or more"
    if message.max_items is not None and least > message.max_items:
        return f"is for {message.max_items} items at most"
    if message.min_total is not None and _bounds(when, "total")[1] * 100 < message.min_total.hundredths:
        return f"needs a cart of {message.min_total.hundredths / 100:.2f} or more"
    if message.first_visit and (_flag(when, "first_visit") is False or _bounds(when, "visit")[0] > 1):
        return "is for first visits"
    stages = _texts(when, "stage")
    if message.stages:
        if stages is not None and not stages & message.stages:
            return f"is for the stages {', '.join(sorted(message.stages))}"
        if least >= 1 and "cart" not in message.stages:
            return f"is for the stages {', '.join(sorted(message.stages))}, and with items the stage is cart"
        if most < 1 and message.stages == {"cart"}:
            return "is for the stage cart, which needs an item"
    pages = _pages(when)
    if pages and all("*" not in page for page in pages):
        reasons = [_unfit(shop, message, page) for page in pages]
        if all(reasons):
            return reasons[0]
    return None


def _parts(when: Condition) -> tuple[Condition, ...]:
    return tuple(inner for part in when.parts for inner in _parts(part)) if isinstance(when, AllOf) else (when,)


def _impossible(when: Condition) -> str | None:
    """Return the word of which a condition asks what excludes itself."""
    words = dict.fromkeys(part.word for part in _parts(when) if isinstance(part, NumberTest))
    return next((word for word in words if _bounds(when, word)[0] > _bounds(when, word)[1]), None)


def _bounds(when: Condition, word: str) -> tuple[float, float]:
    """Return the smallest and the largest number that a word may have where the condition holds."""
    if isinstance(when, NumberTest) and when.word == word:
        least, most = when.least, when.most
        if word in _AMOUNTS:
            return least, most
        # Of whole numbers, more than 2 means 3 or more.
        return (math.floor(least) + 1 if when.without_bounds and math.isfinite(least) else least), (
            math.ceil(most) - 1 if when.without_bounds and math.isfinite(most) else most
        )
    if isinstance(when, AllOf):
        inner = [_bounds(part, word) for part in when.parts]
        return max((least for least, _ in inner), default=-math.inf), min((most for _, most in inner), default=math.inf)
    if isinstance(when, AnyOf):
        inner = [_bounds(part, word) for part in when.parts]
        return min(least for least, _ in inner), max(most for _, most in inner)
    return -math.inf, math.inf


def _flag(when: Condition, word: str) -> bool | None:
    return next((part.wanted for part in _parts(when) if isinstance(part, FlagTest) and part.word == word), None)


def _texts(when: Condition, word: str) -> set[str] | None:
    """Return all that a text may be where the condition holds; None if it may be anything."""
    for part in _parts(when):
        tests = part.parts if isinstance(part, AnyOf) else (part,)
        texts = {one.text for one in tests if isinstance(one, TextTest) and one.word == word}
        if texts and len(texts) == len(tests):
            return texts
    return None


def _pages(when: Condition) -> list[str]:
    for part in _parts(when):
        tests = part.parts if isinstance(part, AnyOf) else (part,)
        pages = [one.pattern for one in tests if isinstance(one, PathTest) and one.word == "page"]
        if pages and len(pages) == len(tests):
            return pages
    return []
