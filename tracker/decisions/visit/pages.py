"""Page names: their path, their kind, what they are about, and the product or collection, if that is safe to repeat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

PageKind: TypeAlias = Literal[
    "home",
    "product",
    "collection",
    "cart",
    "checkout",
    "order",
    "search",
    "account",
    "policy",
    "content",
    "journal",
    "other",
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
    "blogs": "journal",
    "policies": "policy",
}
TEXT_KINDS: Final = frozenset({"policy", "content"})
"""The pages of text that answer questions."""

# Word stems of several languages, in the order in which they are tried.
_SUBJECTS: Final = {
    "shipping": r"shipping|deliver|versand|liefer|livraison|envio|envío|spedizion|verzend|levering|frakt",
    "returns": r"return|refund|r(ue|u|ü)ckgabe|r(ue|u|ü)cksend|umtausch|widerruf|retour|rembours|devoluci[oó]n|reso",
    "size": r"siz(e|ing)|fit-guide|groesse|grosse|größe|passform|taille|talla|taglia|maat",
    "payment": r"payment|pay-|zahlung|bezahl|paiement|pago|pagament|betal",
    "wholesale": r"wholesale|bulk|trade|b2b|business|gro(ss|ß)handel|firmen|mengen|grossiste|revende|mayorista",
    "newsletter": r"newsletter|subscribe|abonn",
    "tracking": r"track|sendung|order-status|suivi|rastre|seguimiento",
    "contact": r"contact|kontakt|contatt|contatto|contacto",
    "faq": r"faq|help|hilfe|fragen|aide|questions|ayuda|support|hulp",
    "about": r"about|ueber|uber|über|story|qui-sommes|nosotros|chi-siamo",
}
_STEMS: Final = {subject: re.compile(stems) for subject, stems in _SUBJECTS.items()}
_SALE: Final = re.compile(r"sale|outlet|under-|angebot|soldes|rebajas|saldi|offer|deal")

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
    subject: str = ""
    """What a policy or content page is about, `sale` for a collection of reduced products; "" if nothing is known."""

    @classmethod
    def parse(cls, name: str) -> PageName:
        """Parse a path (`/en-de/products/x?variant=1`), an address, or the original script's `Product:/products/x`."""
        path = _AFTER_PATH.split(_BEFORE_PATH.sub("", name[:512], count=1), maxsplit=1)[0]
        if not path.startswith("/"):
            return NO_PAGE
        first, _slash, rest = path[1:].partition("/")
        plain_path = f"/{rest}" if _LOCALE.fullmatch(first.lower()) else path
        parts = tuple(filter(None, plain_path.split("/")))
        kind = _kind(parts)
        return cls(path, plain_path, parts, kind, _subject(kind, parts))

    @property
    def is_text(self) -> bool:
        """Whether it is a policy or content page."""
        return self.kind in TEXT_KINDS

    def interest(self) -> str | None:
        """Return `product linen-shirt` or `collection sale`; None for other pages and handles that look like data.

        A page's name comes from a browser, so from anyone: only what can be a shop's own handle is repeated.
        """
        for folder, kind in (("products", "product"), ("collections", "collection")):
            if folder in self.parts[:-1]:
                handle = self.parts[self.parts.index(folder) + 1]
                return f"{kind} {handle}" if _is_handle(handle) else None
        return None


NO_PAGE: Final = PageName()


def _is_handle(text: str) -> bool:
    return _HANDLE.fullmatch(text) is not None and len(text) <= 40 and sum(map(str.isdigit, text)) <= _MOST_DIGITS


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


def _subject(kind: PageKind, parts: tuple[str, ...]) -> str:
    if kind in TEXT_KINDS:
        name = parts[-1].lower()
        return next((subject for subject, stems in _STEMS.items() if stems.search(name)), "")
    return "sale" if kind == "collection" and _SALE.search(parts[-1].lower()) else ""
