"""Where a message can appear, in words of the shop's owner."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from tracker.decisions.shop.messages import BUILT_IN_HELP, Message
from tracker.decisions.shop.reach import never_appears
from tracker.decisions.shop.shop import Shop
from tracker.owner import words

_STAGES: Final = {
    "landed": "on the first page of a visit",
    "browsing": "while a shopper looks around",
    "product": "while a shopper looks at products",
    "cart": "with something in the cart",
    "checkout_seen": "after a look at the checkout",
}


def where(shop: Shop, message: Message, today: date) -> list[str]:
    """Return sentences that say where, when and to whom a message can appear."""
    if reason := never_appears(shop, message):
        return [f"It can never appear: {reason}."]
    return [*_days(message, today), *_visits(message), _why(shop, message)]


def is_stopped(shop: Shop, message: Message, today: date) -> bool:
    """Return whether a message cannot appear today."""
    ended = message.last_day is not None and message.last_day < today
    waits = message.first_day is not None and message.first_day > today
    return ended or waits or never_appears(shop, message) is not None


def _days(message: Message, today: date) -> Iterator[str]:
    first, last = message.first_day, message.last_day
    if first is not None and first > today:
        yield f"It starts on {_date(first)}, in {words.counted((first - today).days, 'day')}."
    elif last is not None and last < today:
        yield f"It ended on {_date(last)}, {words.counted((today - last).days, 'day')} ago."
    elif last is not None:
        left = (last - today).days
        yield "It ends today." if left == 0 else f"It ends on {_date(last)}, in {words.counted(left, 'day')}."


def _date(when: date) -> str:
    return f"{words.day(when)} {when.year}"


def _visits(message: Message) -> Iterator[str]:
    """Yield one sentence about the visits that it is for."""
    parts = [_STAGES.get(stage, stage) for stage in _STAGES if stage in message.stages]
    told = [" or ".join(parts)] if parts else []
    if message.pages:
        told.append(f"on {' and '.join(message.pages)}")
    if message.min_items and message.max_items is not None:
        told.append(f"with {message.min_items} to {words.counted(message.max_items, 'item')} in the cart")
    elif message.min_items:
        told.append(f"with {words.counted(message.min_items, 'item')} or more in the cart")
    elif message.max_items is not None:
        told.append(f"with {words.counted(message.max_items, 'item')} in the cart at most")
    if message.min_total is not None:
        told.append(f"from a cart of {words.money(message.min_total.hundredths, message.min_total.currency)}")
    if message.first_order:
        told.append("before the first order")
    elif message.first_visit:
        told.append("on a browser's first visit")
    if message.once_in_days:
        told.append(f"once in {words.counted(message.once_in_days, 'day')}")
    if told:
        yield f"Only {', '.join(told)}."


def _why(shop: Shop, message: Message) -> str:
    """Return what makes the service choose it."""
    rules = [rule for rule in shop.rules if message.id in rule.say]
    parts = []
    if message is BUILT_IN_HELP:
        parts.append("when something holds a shopper up at the cart")
    elif message.about:
        parts.append(f"when a shopper seems to wonder about {_listed(sorted(message.about))}")
    if rules:
        lines = [str(rule.line) for rule in rules]
        parts.append(f"when your rule in line {_listed(lines)} holds")
    return f"It is chosen {' or '.join(parts)}." if parts else "Only the model can choose it: no rule says it."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"
