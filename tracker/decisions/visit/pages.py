"""Page names: their path, their kind, and the product or collection, if that is safe to repeat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

PageKind: TypeAlias = Literal[
    "home", "product", "collection", "cart", "checkout", "order", "search", "account", "content", "other"
]

_BEFORE_PATH: Final = re.compile(r"[A-Za-z]*:?(?://[^/?#]*)?(?=/)")
_AFTER_PATH: Final = re.compile(r"[?#]")
_LOCALE: Final = re.compile(r"[a-z]{2}(-[a-z]{2,4})?")
_KINDS: Final[dict[str, PageKind]] = {
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
_HANDLE: Final = re.compile(r"[a-z]{1,20}(-([a-z]{1,20}|[0-9]{1,4})){0,6}")
_MOST_DIGITS: Final = 4
"""A handle with more may hold a phone or card number, a date of birth or a token.

So may a handle that mixes letters and digits in one word, or has capitals, which a shop's handles never do.
"""


@dataclass(frozen=True, slots=True)
class PageName:
    """A page's name, taken apart once."""

    path: str = ""
    """The path without query and fragment: `/en-de/products/x`; "" if the name holds none."""
    plain_path: str = ""
    """The path as it is in the shop's first language: `/products/x`."""
    parts: tuple[str, ...] = ()
    """The parts of `plain_path`."""
    kind: PageKind = "other"

    @classmethod
    def parse(cls, name: str) -> PageName:
        """Parse a path (`/en-de/products/x?variant=1`), an address, or the original script's `Product:/products/x`."""
        path = _AFTER_PATH.split(_BEFORE_PATH.sub("", name[:512], count=1), maxsplit=1)[0]
        if not path.startswith("/"):
            return NO_PAGE
        first, _slash, rest = path[1:].partition("/")
        plain_path = f"/{rest}" if _LOCALE.fullmatch(first.lower()) else path
        parts = tuple(filter(None, plain_path.split("/")))
        return cls(path, plain_path, parts, _kind(parts))

    def interest(self) -> str | None:
        """Return `product linen-shirt` or `collection sale`; None for other pages and handles that look like data.

        A page's name comes from a browser, so from anyone: only what can be a shop's own handle is repeated.
        """
        for folder, kind in (("products", "product"), ("collections", "collection")):
            if folder in self.parts[:-1]:
                handle = self.parts[self.parts.index(folder) + 1]
                if _HANDLE.fullmatch(handle) and len(handle) <= 40 and sum(map(str.isdigit, handle)) <= _MOST_DIGITS:
                    return f"{kind} {handle}"
                return None
        return None


NO_PAGE: Final = PageName()


def _kind(names: tuple[str, ...]) -> PageKind:
    if not names:
        return "home"
    parts = list(map(str.lower, names))
    if parts[-1] in {"thank_you", "thank-you"} and not {"checkouts", "orders"}.isdisjoint(parts):
        return "order"
    # A product inside a collection is a product page; a checkout may stand behind the shop's number.
    if "products" in parts:
        return "product"
    if "checkouts" in parts and parts[0] not in {"collections", "cart"}:
        return "checkout"
    return _KINDS.get(parts[0], "other")
