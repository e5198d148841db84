"""The facts of a visit, by the words that the owner's rules are written with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from tracker.decisions.visit.event_types import whole
from tracker.decisions.visit.owner_words import ConditionValue
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.reading import Reading
from tracker.decisions.visit.signals import Signals

READ_S: Final = 5
"""A policy or content page that was on the screen for so long counts as read."""
AWAY_S: Final = 10
"""Who was away from the tab for less has not come back."""


def owner_facts(signals: Signals, reading: Reading) -> Mapping[str, ConditionValue]:
    """Return {word: value} for every word of OWNER_WORDS whose value is known in this visit."""
    counts, looks, now_ms = reading.counts, reading.looks, reading.now_ms
    products = Counter(look.page.path for look in looks if look.page.kind == "product")
    numbers = signals.numbers
    facts: dict[str, ConditionValue] = {
        "read": _paths(look.page for look in looks if look.page.is_text and look.seconds >= READ_S),
        "page": _paths([signals.page]),
        "opened": _paths(look.page for look in looks),
        "items": signals.items_in_cart,
        "visit": signals.visit,
        "first_visit": not signals.returning,
        "seconds": (now_ms - reading.begin_ms) // 1000 if reading.begin_ms else 0,
        "still": signals.idle_s,
        "cart_looks": signals.cart_looks,
        "removals": counts["removals"],
        "refills": counts["refills"],
        "quantity_changes": max(reading.acts["quantity"], counts["quantity_change"]),
        "option_flips": max(reading.acts["size"] + reading.acts["colour"], counts["option_flip"]),
        "same_product": max(products.values(), default=0),
        "products": len(products),
        "searches": int(numbers.get("search", 0)),
        "same_click": reading.same_clicks,
        "exits": counts["exit_intent"],
        "returned": any(seconds >= AWAY_S for seconds in reading.away_s),
        "checkout_left": reading.back_ms > 0,
        "stage": signals.stage,
        "sold_out": counts["sold_out"] + reading.acts["sold_out"] > 0,
        "discount_refused": counts["discount_refused"] > 0,
        "duplicate": whole(reading.cart.get("duplicates")) > 0,
    }
    texts = {
        "currency": signals.currency,
        "device": signals.device,
        "why": signals.why,
        "language": signals.locale,
        "campaign": signals.campaign,
    }
    facts |= {word: text for word, text in texts.items() if text}
    if signals.total is not None:
        facts["total"] = signals.total / 100
    if reading.changed_ms:
        facts["cart_changed"] = (now_ms - reading.changed_ms) // 1000
    return facts


def _paths(pages: Iterable[PageName]) -> tuple[str, ...]:
    """Return the paths, as they are and in the shop's first language."""
    return tuple(dict.fromkeys(path for page in pages for path in (page.path, page.plain_path) if path))
