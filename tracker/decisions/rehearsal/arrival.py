"""What the storefront script tells of an arrival on a page: where the shopper comes from, in words of fixed lists."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tracker.decisions.rehearsal.example import ExampleVisit

# As in tracker/storefront/assets/source/names.js.
_CAMPAIGNS: Final = {
    "email": re.compile(r"=[\w-]*mail"),
    "paid": re.compile(r"=(cpc|paid)|[?&](g|ms|tt)clid="),
    "social": re.compile(r"=social|fbclid="),
    "other": re.compile(r"utm_"),
}
_DISCOUNT: Final = "/discount/"


def path_of(address: str) -> str:
    """Return the path of the page that an address leads to, without query; /discount/CODE leads on to another page."""
    parts = urlsplit(address)
    if not parts.path.startswith(_DISCOUNT):
        return parts.path or "/"
    (redirect, *_) = parse_qs(parts.query).get("redirect", ["/"])
    return urlsplit(redirect).path or "/"


def arrival_of(visit: ExampleVisit, address: str, *, is_first: bool) -> dict[str, Any]:
    """Return the keys of the event `view`."""
    query = f"?{urlsplit(address).query}"
    campaign = next((name for name, pattern in _CAMPAIGNS.items() if pattern.search(query)), None)
    keys: dict[str, Any] = {
        "visit": visit.visit,
        "buys": visit.orders,
        "locale": visit.locale,
        "device": visit.device,
        "from": "direct" if is_first else "shop",
    }
    if campaign is not None:
        keys["campaign"] = campaign
    if address.startswith(_DISCOUNT) or "discount=" in query:
        keys["discount"] = True
    return keys
