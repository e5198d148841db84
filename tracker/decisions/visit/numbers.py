"""The numbers: what a visit comes down to for the scorecard, each with the words that say it.

Counted from kinds and subjects of pages, names of clicked things and moments. Nothing that a shopper typed, and nothing
that names one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from tracker.decisions.visit.acts import TOPICS
from tracker.decisions.visit.look import Look
from tracker.decisions.visit.reading import Reading

GLANCE_S: Final = 12
"""A page of text that is left sooner, and not scrolled to its end, was not read."""
READ_S: Final = 20
"""A page of text that was seen so long, or scrolled to its end, was read."""
END_DEPTH: Final = 75
_HOWS: Final = ("read", "glance")

WORDS: Final[dict[str, str]] = {
    "visit_s": "{n} s since the visit began",
    "later_visit": "has been here {n} times before",
    "first_visit": "is here for the first time",
    "campaign": "came from a campaign",
    "items": "{n} in the cart",
    "three_items": "has three or more in the cart",
    "many_items": "has eight or more in the cart",
    "emptied": "has emptied the cart",
    "old_cart": "the cart is from an earlier visit",
    "largest_add": "added {n} at once",
    "adds": "added to the cart {n} times",
    "slow_removals": "took something out of the cart after a while {n} times",
    "refills": "added again after a removal {n} times",
    "cart_turns": "changed between adding and removing {n} times",
    "weighing_three": "weighs the number of pieces {n} times, with three or more in the cart",
    "since_change_s": "the cart changed {n} s ago",
    "pages_since_add": "{n} pages since something was added",
    "cart_again": "came back to the cart page {n} times",
    "cart_s": "{n} s on the cart page",
    "long_cart": "looked at the cart for 15 s or more {n} times",
    "quick_cart": "passed through the cart {n} times",
    "on_cart": "is on the cart page",
    "on_product": "is on a product page",
    "on_text": "is on a policy or content page",
    "on_search": "is on the search page",
    "on_journal": "is reading the journal",
    "on_browse": "is on the home page or a collection",
    "page_s": "{n} s on this page",
    "page_acts": "{n} acts on this page",
    "still_s": "nothing touched for {n} s",
    "long_still": "nothing touched for 45 s or more",
    "why_exit": "the mouse leaves the window",
    "why_turn_away": "has just turned away from a page",
    "why_again": "clicks on the same thing again and again",
    "why_back": "has just come back to the tab",
    "exits": "moved to leave {n} times",
    "short_away": "was away for some minutes at most {n} times",
    "long_away": "was away for long {n} times",
    "away_from_cart": "was away {n} times with a cart waiting",
    "distinct_share": "{n} % of the pages are different ones",
    "seen_before": "has seen this page {n} times before",
    "distinct_products": "looked at {n} different products",
    "product_again": "went back to a product {n} times",
    "returned_product": "is on a product seen before",
    "shipping": "looked for delivery {n} times",
    "returns": "looked for returns {n} times",
    "shipping_glance": "glanced at the shipping page {n} times",
    "returns_glance": "glanced at the returns page {n} times",
    "faq_glance": "glanced at the FAQ {n} times",
    "size_glance": "glanced at the size guide {n} times",
    "shipping_read": "read the shipping page {n} times",
    "returns_read": "read the returns page {n} times",
    "faq_read": "read the FAQ {n} times",
    "size_read": "read the size guide {n} times",
    "faq": "opened the FAQ {n} times",
    "contact": "opened the contact page {n} times",
    "tracking": "opened the tracking page {n} times",
    "wholesale": "opened the wholesale page {n} times",
    "size_guide": "opened the size guide {n} times",
    "payment": "opened a page about payment {n} times",
    "newsletter": "opened the newsletter page {n} times",
    "about": "opened the page about the shop {n} times",
    "account": "opened the account {n} times",
    "journal": "opened the journal {n} times",
    "sale": "opened the sale {n} times",
    "search": "searched {n} times",
    "searches_vain": "searched {n} times without opening a product",
    "recent_text": "has just read a policy or content page",
    "recent_returns": "has just looked at the returns page",
    "text_then_product": "went from a page of text back to a product",
    "size_clicks": "chose a size {n} times",
    "size_after_add": "chose a size {n} times since the last addition",
    "size_slow": "thought over a size {n} times",
    "size_before_guide": "chose a size {n} times without opening the guide",
    "colour_clicks": "chose a colour {n} times",
    "quantity_clicks": "changed the quantity {n} times",
    "discount_clicks": "used the discount field {n} times",
    "panel_clicks": "opened panels {n} times",
    "faq_clicks": "opened questions of the FAQ {n} times",
    "picture_clicks": "looked at pictures {n} times",
    "filter_clicks": "filtered or sorted {n} times",
    "lookup_clicks": "looked up an order {n} times",
    "signup_clicks": "touched the newsletter form {n} times",
    "form_clicks": "touched a form or the cart's note {n} times",
    "sold_out": "asked to be told when a product is back",
    "country": "opened the country selector {n} times",
    "repeated": "clicked the same thing {n} times in a row",
    "in_vain": "clicked in vain {n} times",
    "checkout_clicks": "clicked on checkout {n} times",
    "checkouts": "began the checkout {n} times",
    "checkout_left": "came back from the checkout",
    "since_checkout_min": "came back from the checkout {n} min ago",
    "left_and_changed": "changed the cart after the checkout",
    "pace_s": "{n} s a page",
    "quick_pages": "left {n} pages within 4 s",
    "topics": "looked for answers on {n} topics",
    **{f"share_{topic}": f"{{n}} % of the signs are about {topic}" for topic in TOPICS},
}
"""What each number says, with its number where it has one: for the reasons of a decision and for a model's prompt."""


def numbers_of(reading: Reading, why: str) -> dict[str, float]:
    """Return the numbers of a visit at the moment of its reading, in the order of WORDS; {} before the first page.

    `why` is what the script says of why it asks.
    """
    if not reading.looks:
        return {}
    found = {
        **_moment(reading, why),
        **_cart(reading),
        **_pages(reading),
        **_clicks(reading),
    }
    return {name: float(found[name]) for name in WORDS}


def _moment(reading: Reading, why: str) -> dict[str, float]:
    here, now_ms = reading.looks[-1], reading.now_ms
    kind = here.page.kind
    short = sum(10 <= seconds < 300 for seconds in reading.away_s)
    still_s = (now_ms - reading.last_act_ms) / 1000
    return {
        "visit_s": (now_ms - reading.begin_ms) / 1000,
        "later_visit": reading.visit - 1,
        "first_visit": reading.visit == 1,
        "campaign": bool(reading.arrival.get("campaign") or reading.arrival.get("discount")),
        "on_cart": kind == "cart",
        "on_product": kind == "product",
        "on_text": here.page.is_text,
        "on_search": kind == "search",
        "on_journal": kind == "journal",
        "on_browse": kind in {"home", "collection"},
        "page_s": here.seconds,
        "page_acts": here.acts,
        "still_s": still_s,
        "long_still": still_s >= 45,
        **{f"why_{one}": why == one for one in ("exit", "turn_away", "again", "back")},
        "exits": reading.counts["exit_intent"],
        "short_away": short,
        "long_away": sum(seconds >= 300 for seconds in reading.away_s),
        "away_from_cart": short * (reading.items > 0),
        "checkouts": reading.counts["checkout_started"],
        "checkout_left": reading.back_ms > 0,
        "since_checkout_min": (now_ms - reading.back_ms) / 60_000 if reading.back_ms else 0,
        "left_and_changed": reading.changed_ms > reading.checkout_ms > 0,
    }


def _cart(reading: Reading) -> dict[str, float]:
    counts, items, now_ms = reading.counts, reading.items, reading.now_ms
    looks = [look for look in reading.looks if look.page.kind == "cart"]
    weighing = counts["removals"] + counts["turns"] + (reading.acts["quantity"] if looks else 0)
    return {
        "items": items,
        "three_items": items >= 3,
        "many_items": items >= 8,
        "emptied": items == 0 and reading.most_items > 0,
        "old_cart": items > 0 and not reading.changed_ms,
        "largest_add": reading.largest_add,
        "adds": counts["adds"],
        "slow_removals": counts["slow_removals"],
        "refills": counts["refills"],
        "cart_turns": counts["turns"],
        "weighing_three": weighing * (items >= 3),
        "since_change_s": (now_ms - reading.changed_ms) / 1000 if reading.changed_ms else 999,
        "pages_since_add": reading.pages_since_add if reading.changed_ms else 0,
        "cart_again": max(0, len(looks) + counts["drawers"] - 1),
        "cart_s": sum(look.seconds for look in looks),
        "long_cart": sum(look.seconds >= 15 for look in looks),
        "quick_cart": sum(look.seconds < 9 for look in looks if look is not reading.looks[-1]),
    }


def _pages(reading: Reading) -> dict[str, float]:
    looks = reading.looks
    here, recent = looks[-1], looks[-4:-1]
    subjects = Counter(look.page.subject or look.page.kind for look in looks)
    paths = Counter(look.page.path for look in looks)
    products = Counter(look.page.path for look in looks if look.page.kind == "product")
    seconds = sorted(look.seconds for look in looks[:-1]) or [0.0]
    seen_before = paths[here.page.path] - 1
    return {
        "distinct_share": 100 * len(paths) / len(looks),
        "seen_before": seen_before,
        "distinct_products": len(products),
        "product_again": products.total() - len(products),
        "returned_product": here.page.kind == "product" and seen_before > 0,
        "shipping": subjects["shipping"] + reading.acts["shipping"],
        "returns": subjects["returns"] + reading.acts["returns"],
        **_texts(looks[:-1]),
        "size_guide": subjects["size"],
        **{
            name: subjects[name]
            for name in ("faq", "contact", "tracking", "wholesale", "payment", "newsletter", "about", "account")
        },
        **{name: subjects[name] for name in ("journal", "sale")},
        "search": subjects["search"] + reading.counts["searches"],
        "searches_vain": sum(a.page.kind == "search" and b.page.kind != "product" for a, b in pairwise(looks)),
        "recent_text": any(look.page.is_text for look in recent),
        "recent_returns": any(look.page.subject == "returns" for look in recent),
        "text_then_product": here.page.kind == "product" and bool(recent) and recent[-1].page.is_text,
        "pace_s": seconds[len(seconds) // 2],
        "quick_pages": sum(one < 3.6 for one in seconds),
    }


def _texts(left: Sequence[Look]) -> dict[str, float]:
    found: Counter[str] = Counter()
    for look in left:
        if not look.page.is_text:
            continue
        if look.seconds >= READ_S or look.deepest >= END_DEPTH:
            found[f"{look.page.subject}_read"] += 1
        elif look.seconds < GLANCE_S:
            found[f"{look.page.subject}_glance"] += 1
    return {f"{one}_{how}": found[f"{one}_{how}"] for one in ("shipping", "returns", "faq", "size") for how in _HOWS}


def _clicks(reading: Reading) -> dict[str, float]:
    acts, topics = reading.acts, reading.topics
    guides = sum(look.page.subject == "size" for look in reading.looks)
    return {
        "size_clicks": acts["size"],
        "size_after_add": reading.since_add["size"],
        "size_slow": reading.slow_clicks["size"],
        "size_before_guide": acts["size"] * (guides == 0),
        "panel_clicks": acts["panel"] + acts["faq"] + acts["returns"] + acts["shipping"],
        **{
            f"{act}_clicks": acts[act]
            for act in ("colour", "quantity", "discount", "faq", "picture", "filter", "lookup", "signup", "form")
        },
        "checkout_clicks": acts["checkout"],
        "sold_out": acts["sold_out"],
        "country": acts["country"],
        "repeated": reading.same_clicks,
        "in_vain": max(0, reading.presses - 2),
        "topics": len(set(topics)),
        **{f"share_{topic}": 100 * topics.count(topic) / max(1, len(topics)) for topic in TOPICS},
    }
