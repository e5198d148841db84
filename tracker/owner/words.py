"""How numbers, times and amounts are written on the owner's pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime, tzinfo
from typing import Final

from markupsafe import Markup, escape

from tracker.insights.money import decimals

_SYMBOLS: Final = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


_LANGUAGES: Final = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nb": "Norwegian",
    "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian",
    "zh": "Chinese",
}  # fmt: skip


def language(tag: str) -> str:
    """Return the name of a language: German, German (AT); the tag itself if the name is not known."""
    first, _, region = tag.partition("-")
    name = _LANGUAGES.get(first.lower())
    if name is None:
        return tag
    return f"{name} ({region})" if region else name


def digest(parts: Iterable[object]) -> str:
    """Return a short text that changes with any of these parts."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=9).hexdigest()


def with_code(text: str) -> Markup:
    """Return a text in which what stands between backticks is code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(text.split("`"))
    )


def number(value: float) -> str:
    """Return a number with commas between its thousands: 12,480."""
    return f"{value:,.0f}"


def percent(value: float) -> str:
    """Return a percentage that no end of a line takes apart."""
    return f"{value:,.0f}\u00a0%"


def counted(value: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: 1 visit, 1,240 visits."""
    return f"{number(value)} {noun if value == 1 else nouns or noun + 's'}"


def money(minor: float, currency: str) -> str:
    """Return an amount in minor units, rounded as people say it: €8.40, €1,240, CHF 95."""
    value = abs(minor) / 10 ** decimals(currency)
    text = f"{value:,.2f}" if value < 100 and round(value, 2) % 1 else f"{value:,.0f}"
    symbol = _SYMBOLS.get(currency, f"{currency} " if currency else "")
    sign = "\N{MINUS SIGN}" if minor < 0 else ""
    return f"{sign}{symbol}{text}"


def ago(ms: int, now_ms: int) -> str:
    """Return how long ago a moment was: 2 minutes ago."""
    seconds = max(0, now_ms - ms) // 1000
    if seconds < 60:
        return "just now" if seconds < 10 else f"{seconds} seconds ago"
    for limit, size, noun in ((3600, 60, "minute"), (86_400, 3600, "hour"), (10**12, 86_400, "day")):
        if seconds < limit:
            return f"{counted(seconds // size, noun)} ago"
    return "long ago"


def clock(ms: int, zone: tzinfo) -> str:
    """Return the time of day of a moment, in the shop's time: 14:05."""
    return moment(ms, zone).strftime("%H:%M")


def day(when: date) -> str:
    """Return a day: 9 Nov."""
    return f"{when.day} {when:%b}"


def long_day(when: date) -> str:
    """Return a day with its weekday: Thursday, 26 November."""
    return f"{when:%A}, {when.day} {when:%B}"


def moment(ms: int, zone: tzinfo) -> datetime:
    """Return a moment in the shop's time, within the years that a calendar can hold."""
    return datetime.fromtimestamp(min(max(ms, 0), 253_000_000_000_000) / 1000, zone)
