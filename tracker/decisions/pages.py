"""What a page's name says: its kind, and the product or collection it shows, where that is safe to repeat."""

from __future__ import annotations

import re

_BEFORE_PATH = re.compile(r"[A-Za-z]*:?(?://[^/?#]*)?(?=/)")
_LOCALE = re.compile(r"[a-z]{2}(-[a-z]{2,4})?")
_KINDS = {
    "products": "product",
    "collections": "collection",
    "cart": "cart",
    "checkout": "checkout",
    "checkouts": "checkout",
    "orders": "order",
    "search": "search",
    "account": "account",
    "pages": "content",
    "blogs": "content",
    "policies": "content",
}
_HANDLE = re.compile(r"[a-z]{1,20}(-([a-z]{1,20}|[0-9]{1,4})){0,6}")
_MOST_DIGITS = 4
"""A handle with more may hold a phone or card number, a date of birth or a token.

So may one with letters and digits in one word, or with capitals, which a shop's handles never have.
"""


def path_of(name: str) -> str:
    """Give the path without query and fragment, "" where the name holds none.

    Takes a path (`/en-de/products/x?variant=1`), the original script's name (`Product:/products/x`) or an address.
    """
    path = re.split(r"[?#]", _BEFORE_PATH.sub("", name[:512], count=1), maxsplit=1)[0]
    return path if path.startswith("/") else ""


def without_language(path: str) -> str:
    """Give the path as it is in the shop's first language: `/account` for `/en-de/account`."""
    first, _slash, rest = path[1:].partition("/")
    return f"/{rest}" if _LOCALE.fullmatch(first.lower()) else path


def _parts(name: str) -> list[str] | None:
    path = path_of(name)
    return [part for part in without_language(path).split("/") if part] if path else None


def page_kind(name: str) -> str:
    """Say what kind of page a name stands for."""
    named = _parts(name)
    if named is None:
        return "other"
    if not named:
        return "home"
    parts = [part.lower() for part in named]
    if parts[-1] in {"thank_you", "thank-you"} and not {"checkouts", "orders"}.isdisjoint(parts):
        return "order"
    # A product inside a collection is a product page; a checkout may stand behind the shop's number.
    for part, kind in _KINDS.items():
        if part == parts[0] or (part in parts and part in {"products", "checkouts"}):
            return kind
    return "other"


def interest(name: str) -> str | None:
    """Give "product linen-shirt" or "collection sale", None for other pages and for handles that look like data.

    A page's name comes from a browser, and so from anyone: only what can be a shop's own handle is repeated.
    """
    parts = _parts(name) or []
    for folder, kind in (("products", "product"), ("collections", "collection")):
        if folder in parts[:-1]:
            handle = parts[parts.index(folder) + 1]
            if _HANDLE.fullmatch(handle) and len(handle) <= 40 and sum(map(str.isdigit, handle)) <= _MOST_DIGITS:
                return f"{kind} {handle}"
            return None
    return None
