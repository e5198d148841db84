"""Patterns of paths: `/account*`, with `*` for anything, in whichever language of the shop the page is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from tracker.decisions.visit.pages import PageName

PATTERN: Final = re.compile(r"(?:/|\*)[^\s?#]{0,199}")
"""What a pattern looks like. Queries and fragments are no part of a page's name."""


def any_matches(patterns: Iterable[str], path: str) -> bool:
    """Whether a path matches one of the patterns, as it is or as it would be in the shop's first language."""
    page = _page(path)
    return any(_matches(pattern, page.path) or _matches(pattern, page.plain_path) for pattern in patterns)


def covers(pattern: str, other: str) -> bool:
    """Whether a pattern matches every path that the other pattern matches."""
    return _matches(pattern, other)


def _matches(pattern: str, path: str) -> bool:
    return bool(path) and _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *rest = map(re.escape, pattern.split("*"))
    # Atomic groups: without them a pattern of many stars could take for ever.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + (f".*{rest[-1]}" if rest else ""))


@lru_cache(maxsize=512)
def _page(path: str) -> PageName:
    return PageName.parse(path)
