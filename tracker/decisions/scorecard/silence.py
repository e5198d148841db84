"""Silence by rule: the visits that no popup could help now, whatever scorecard or model would say."""

from __future__ import annotations

from typing import Final, NamedTuple

from tracker.decisions.visit.reading import Reading

CHECKOUT_S: Final = 30
"""So long after a click on checkout the page may still be loading."""
MACHINE_LOOKS: Final = 6
MACHINE_PACE_S: Final = 3.4
"""Nobody reads six pages in a median of three seconds each."""


class Hopeless(NamedTuple):
    """Why nothing should be shown now: for the owner, and as a short label."""

    reason: str
    trigger: str


def silence_by_rule(reading: Reading, seconds_after_cart: int) -> Hopeless | None:
    """Return why nothing should be shown now; None if the scorecard or a model may decide.

    So many seconds after a change of the cart a shopper is still shopping.
    """
    if reading.acts["sent"]:
        return Hopeless("The shopper has written to the shop.", "has_written")
    if reading.acts["chat"]:
        return Hopeless("The shopper is in the chat already.", "in_chat")
    left_ms = max(reading.checkout_ms, reading.checkout_click_ms)
    pressed_in_vain = reading.presses >= 3
    waits = reading.checkout_click_ms > max(reading.checkout_ms, reading.now_ms - CHECKOUT_S * 1000)
    if waits and not pressed_in_vain:
        return Hopeless("The shopper is on the way to the checkout.", "to_checkout")
    if reading.most_items and not reading.items and 0 < left_ms < reading.changed_ms:
        return Hopeless("The cart is empty since the checkout: probably an order was placed.", "emptied_at_checkout")
    if reading.tells_carts and reading.changed_ms and reading.now_ms - reading.changed_ms < seconds_after_cart * 1000:
        seconds = (reading.now_ms - reading.changed_ms) // 1000
        return Hopeless(f"The cart changed {seconds} s ago: still shopping.", "still_shopping")
    paces = sorted(look.seconds for look in reading.looks[:-1])
    if len(reading.looks) >= MACHINE_LOOKS and paces[len(paces) // 2] < MACHINE_PACE_S:
        return Hopeless("Pages are turned as a machine turns them.", "machine")
    return None
