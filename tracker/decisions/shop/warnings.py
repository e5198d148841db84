"""What in a sound file is probably not meant: messages that can never appear, ended offers, numbers that differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from tracker.decisions.shop.faults import FileFault, line_of
from tracker.decisions.shop.messages import BUILT_IN_HELP, Kind, Message
from tracker.decisions.shop.reach import never_appears
from tracker.decisions.shop.shop import Shop

_TABLES: Final[Mapping[Kind, str]] = {"fact": "facts", "offer": "offers", "help": "help"}

# A number that follows a letter is part of a name: WELCOME10. Spaces that part thousands are no plain ones.
_NUMBER: Final = re.compile(r"(?<![A-Za-z\d])\d+(?:[.,'’\u00a0\u202f]\d+)*")


def warnings_of(shop: Shop, text: str, today: date) -> list[FileFault]:
    """Return the warnings about a shop that was read from a text, in the order of its lines."""
    found: list[FileFault] = []
    counts: dict[Kind, int] = {}
    for message in shop.messages:
        if message is BUILT_IN_HELP:
            continue
        number = counts.get(message.kind, 0)
        counts[message.kind] = number + 1
        for key, warning in _of_message(shop, message, today):
            line = line_of(text, (_TABLES[message.kind], number, key))
            found.append(FileFault(line, f"{message.id}: {warning}"))
    return sorted(found, key=lambda one: one.line)


def _of_message(shop: Shop, message: Message, today: date) -> Iterator[tuple[str, str]]:
    """Yield (key, warning) of each warning."""
    if why := never_appears(shop, message):
        yield "id", f"can never appear: {why}"
    elif message.kind == "fact" and not message.about and not any(message.id in rule.say for rule in shop.rules):
        yield "id", 'is about nothing and no rule says it, so only a model can: write about = ["shipping"] or the like'
    if message.last_day is not None and message.last_day < today:
        yield "until", f"ended {_days(today - message.last_day)} ago"
    elif message.first_day is not None and message.first_day > today:
        yield "from", f"starts in {_days(message.first_day - today)}"
    if message.kind == "help" and message.opens is None:
        yield "id", 'offers help but leads nowhere, so it is not shown on the cart page: write opens = "/pages/contact"'
    if message.min_total is not None and not message.min_total.currency:
        amount = f"{message.min_total.hundredths / 100:g}"
        yield "min_total", f'{amount} of any currency: write "{amount} EUR", so that other currencies are told apart'
    if differ := _numbers_that_differ(message):
        yield "text", differ


def _days(span: timedelta) -> str:
    days = span.days
    return "1 day" if days == 1 else f"{days} days"


def _numbers_that_differ(message: Message) -> str | None:
    numbers = {language: _numbers(text, message.code) for language, text in message.texts.items()}
    first, *others = numbers
    for language in others:
        here, there = numbers[first].copy(), numbers[language].copy()
        for one in numbers[first]:
            if one in there:
                here.remove(one)
                there.remove(one)
        if here or there:
            return f"the numbers differ: {_listed(here)} in {first}, {_listed(there)} in {language}"
    return None


def _listed(numbers: list[str]) -> str:
    return " and ".join(numbers) or "none"


def _numbers(text: str, code: str | None) -> list[str]:
    """Return the numbers of a text in one spelling: 1.000 and 1,000 are 1000, and 59,90 is 59.9."""
    plain = text.replace(code, "") if code else text
    return [_plain(found[0]) for found in _NUMBER.finditer(plain)]


def _plain(number: str) -> str:
    parts = re.split(r"\D", number)
    if len(parts) == 1 or all(len(part) == 3 for part in parts[1:]):
        return str(int("".join(parts)))
    return f"{float(''.join(parts[:-1]) + '.' + parts[-1]):g}"
