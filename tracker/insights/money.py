"""Amounts of money as whole minor units: 84.90 euros are 8490, 1000 yen are 1000. No amount is ever a float."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from tracker.sessions.model import MAX_INTEGER

_DECIMALS: Final = {
    code: count
    for count, codes in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for code in codes.split()
}
"""Currencies whose minor unit is not a hundredth, with their decimals: ISO 4217."""

_AMOUNT: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)


def decimals(currency: str) -> int:
    """Return how many decimals the currency has; 2 for one that is not known."""
    return _DECIMALS.get(currency, 2)


def minor_units(amount: object, currency: object) -> int | None:
    """Return an amount in minor units: a text such as "84.90", or a number. None if it is no amount of money.

    Half a unit is rounded up, as shops do it. An amount below 0, and one beyond what JavaScript counts, is none.
    """
    if isinstance(amount, bool) or not isinstance(amount, str | int | float):
        return None
    text = amount.strip() if isinstance(amount, str) else repr(amount)
    if not _AMOUNT.fullmatch(text) or not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    units = int((Decimal(text) * 10 ** decimals(currency)).quantize(Decimal(1), ROUND_HALF_UP))
    return units if units <= MAX_INTEGER else None


def amount_text(units: int, currency: str) -> str:
    """Return minor units as the amount that they are: "84.90"."""
    return f"{Decimal(units).scaleb(-decimals(currency)):.{decimals(currency)}f}"
