"""The products of the demo shop, and its cart: the data of Shopify's Ajax cart API, kept in a cookie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

MOST_OF_ONE = 20


@dataclass(frozen=True, slots=True)
class Product:
    """A product; its price is in cents."""

    number: int
    handle: str
    title: str
    kind: str
    price: int
    line: str
    story: str
    finishes: tuple[str, ...]

    def variants(self) -> list[tuple[int, str]]:
        """Return (variant id, name of the variant) for every variant."""
        return [(self.number * 100 + place, finish) for place, finish in enumerate(self.finishes, 1)]


PRODUCTS: tuple[Product, ...] = (
    Product(
        41,
        "tidewater-mug",
        "Tidewater mug",
        "table",
        2400,
        "Stoneware with a glaze like wet slate",
        "Thrown one at a time, so each holds a little more or a little less than the last. The handle fits four"
        " fingers, and the foot is left bare: you can see the clay that it came from.",
        ("Slate", "Oat"),
    ),
    Product(
        42,
        "stone-teapot",
        "Stone teapot",
        "table",
        6800,
        "Pours without a drip, holds four cups",
        "A matt black body that keeps its heat, a handle of bent ash that does not. The spout was redrawn eleven"
        " times.",
        ("Charcoal", "Chalk"),
    ),
    Product(
        43,
        "linen-throw",
        "Linen throw",
        "textiles",
        8900,
        "Washed until it falls like water",
        "Woven from flax, then washed three times before it leaves. It gets softer for years, which is more than most"
        " of us can say.",
        ("Clay", "Oat", "Fern"),
    ),
    Product(
        44,
        "arc-lamp",
        "Arc lamp",
        "light",
        12900,
        "A warm pool of light, exactly where you read",
        "Spun steel on a cast foot. The shade turns, so the light can find the page, the table, or the wall.",
        ("Clay", "Night"),
    ),
    Product(
        45,
        "ash-vase",
        "Ash vase",
        "table",
        4800,
        "Glazed with the ash of the kiln",
        "What burns under the kiln ends up on it: wood ash, sieved and brushed on, melts into a glaze that cannot be"
        " repeated.",
        ("Ash", "Smoke"),
    ),
    Product(
        46,
        "beeswax-candle",
        "Beeswax candle",
        "light",
        1900,
        "Forty hours, and the room smells of summer",
        "Pure beeswax from hives at the edge of a lime wood. Trim the wick, keep it out of the draught, stay a while.",
        ("Honey",),
    ),
    Product(
        47,
        "oak-tray",
        "Oak tray",
        "table",
        4200,
        "Breakfast, carried in one go",
        "Turned from a single board, oiled by hand. The rim is as high as a thumb is wide.",
        ("Oak", "Walnut"),
    ),
    Product(
        48,
        "fern-planter",
        "Fern planter",
        "light",
        3600,
        "Terracotta that lets roots breathe",
        "Unglazed on purpose. Water moves through the wall, and a plant that was going to sulk usually does not.",
        ("Terracotta", "Moss"),
    ),
)

COLLECTIONS: Mapping[str, str] = {
    "all": "Everything",
    "table": "For the table",
    "textiles": "Soft things",
    "light": "Light and leaf",
}

BY_HANDLE: Mapping[str, Product] = {product.handle: product for product in PRODUCTS}
_BY_VARIANT: Mapping[int, tuple[Product, str]] = {
    number: (product, finish) for product in PRODUCTS for number, finish in product.variants()
}


def in_collection(name: str) -> list[Product]:
    """Return the products of a collection; `all` contains every product."""
    return [product for product in PRODUCTS if name in {"all", product.kind}]


def money(cents: int) -> str:
    """Return a price as text."""
    return f"€{cents // 100}.{cents % 100:02d}"


class CartError(Exception):
    """The cart cannot be changed as requested; the message says why."""


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart: (variant id, quantity) for every line, in the order in which they were added."""

    lines: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_cookie(cls, text: str) -> Cart:
        """Return the cart that `to_cookie` wrote; any other text is an empty cart."""
        if not re.fullmatch(r"(\d{1,6}\.\d{1,2}(-|$))+", text, re.ASCII):
            return cls()
        pairs = (tuple(map(int, line.split("."))) for line in text.rstrip("-").split("-"))
        return cls(tuple((variant, min(count, MOST_OF_ONE)) for variant, count in pairs if variant in _BY_VARIANT))

    def to_cookie(self) -> str:
        """Return the cart as text of characters that are valid in a cookie."""
        return "-".join(f"{variant}.{count}" for variant, count in self.lines)

    def count(self) -> int:
        """Return the number of items."""
        return sum(count for _variant, count in self.lines)

    def add(self, variant: int, count: int) -> Cart:
        """Return the cart with more of a variant. Raises CartError for an unknown variant or too large a quantity."""
        if variant not in _BY_VARIANT:
            raise CartError("Cannot find variant")
        return self.set(variant, dict(self.lines).get(variant, 0) + count)

    def set(self, variant: int, count: int) -> Cart:
        """Return the cart with this quantity of a variant; 0 removes the line."""
        if count > MOST_OF_ONE:
            raise CartError(f"We keep {MOST_OF_ONE} of each at most")
        lines = dict(self.lines)
        lines[variant] = count
        return replace(self, lines=tuple((key, value) for key, value in lines.items() if value > 0))

    def to_answer(self, root: str) -> dict[str, Any]:
        """Return the cart as Shopify's Ajax API answers it; `root` is the path of the shop."""
        items = [_line(variant, count, root) for variant, count in self.lines]
        total = sum(item["line_price"] for item in items)
        return {
            "token": "demo",
            "note": None,
            "attributes": {},
            "item_count": self.count(),
            "items": items,
            "original_total_price": total,
            "total_price": total,
            "total_discount": 0,
            "total_weight": 0,
            "items_subtotal_price": total,
            "cart_level_discount_applications": [],
            "requires_shipping": True,
            "currency": "EUR",
        }


def _line(variant: int, count: int, root: str) -> dict[str, Any]:
    product, finish = _BY_VARIANT[variant]
    return {
        "id": variant,
        "variant_id": variant,
        "key": f"{variant}:demo",
        "product_id": product.number,
        "handle": product.handle,
        "product_title": product.title,
        "variant_title": finish,
        "title": f"{product.title} - {finish}",
        "quantity": count,
        "price": product.price,
        "line_price": product.price * count,
        "url": f"{root}products/{product.handle}?variant={variant}",
        "image": f"{root}assets/art/{product.handle}.svg",
    }
