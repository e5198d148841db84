"""A shop as unkind as real ones: what themes, apps and Shopify do to a script that comes after them.

Each habit was met in public bug reports of analytics scripts and popups; tests/browser/test_themes_*.py tries them
one by one and together.
"""

from __future__ import annotations

import time
from typing import Any

from testing.plain_shop import PlainShop

HABITS = {
    # Prototype.js 1.6 gives every array a toJSON that makes text of it.
    "array_to_json": "Array.prototype.toJSON = function () { return String(this) };",
    "object_to_json": "Object.prototype.toJSON = function () { return {} };",
    "polluted_object": "Object.prototype.extend = function () {}; Object.prototype.headers = 5;",
    "clock_as_text": "Date.now = () => 'now';",
    "clock_from_zero": "let ticks = 0; Date.now = () => ticks++;",
    # A monitor that reads every answer, one that marks every request, one that is broken.
    "fetch_reads_answers": """const plain = window.fetch;
      window.fetch = async (...values) => {
        const answer = await plain(...values); await answer.text(); return answer };""",
    "fetch_adds_headers": """const unmarked = window.fetch;
      window.fetch = (url, more) => unmarked(url, { ...more, headers: { traceparent: "00-0af7651916cd43dd" } });""",
    "fetch_throws": "window.fetch = () => { throw new Error('blocked') };",
    "beacon_throws": "navigator.sendBeacon = () => { throw new Error('blocked') };",
    "no_navigation_api": "Object.defineProperty(window, 'navigation', { value: undefined });",
    "no_observer": "window.PerformanceObserver = undefined;",
    "no_style_sheets": "window.CSSStyleSheet = undefined;",
    "local_storage_throws": """Object.defineProperty(window, "localStorage",
      { get() { throw new DOMException("denied", "SecurityError") } });""",
    "local_storage_is_a_toy": """Object.defineProperty(window, "localStorage", { value: {} });""",
    "session_storage_throws": """Object.defineProperty(window, "sessionStorage",
      { get() { throw new DOMException("denied", "SecurityError") } });""",
}
"""Scripts of other people's, by what they do."""

YES_TOO_EARLY = """window.Shopify = { routes: ROUTES, customerPrivacy: {
  analyticsProcessingAllowed: () => performance.now() < 800, marketingAllowed: () => performance.now() < 800 } };"""
"""An API that says yes until it knows the shopper's choice, which is no."""

ALLOWED = "analyticsProcessingAllowed: () => true, marketingAllowed: () => true"

CONSENT = {
    "ready": f"window.Shopify = {{ routes: ROUTES, customerPrivacy: {{ {ALLOWED} }} }};",
    "a stub, then the API": f"""window.Shopify = {{ routes: ROUTES, customerPrivacy: {{ backendConsentEnabled: true }},
      loadFeatures(features, done) {{
        setTimeout(() => {{ Shopify.customerPrivacy = {{ {ALLOWED} }}; done() }}, 1500);
      }} }};""",
    "called back too early": f"""window.Shopify = {{ routes: ROUTES, loadFeatures(features, done) {{
        done();
        setTimeout(() => (Shopify.customerPrivacy = {{ {ALLOWED} }}), 800);
      }} }};""",
    "never called back": f"""window.Shopify = {{ routes: ROUTES, customerPrivacy: {{}}, loadFeatures() {{}} }};
      setTimeout(() => (Shopify.customerPrivacy = {{ {ALLOWED} }}), 800);""",
    "no loader at first": f"""window.Shopify = {{ routes: ROUTES }};
      setTimeout(() => (Shopify.loadFeatures = (features, done) => {{
        Shopify.customerPrivacy = {{ {ALLOWED} }};
        done();
      }}), 800);""",
}
"""Ways in which Shopify's consent API comes about; in each of them the shopper agreed."""

SWAP_BODY = """window.visit = (path) => {
  history.pushState({}, "", path);
  const body = document.createElement("body");
  body.innerHTML = "<h1>" + path + "</h1><button id=one>One</button>";
  document.body.replaceWith(body);
};"""
"""A router such as Turbo's, which exchanges the page's body."""


class UnkindShop(PlainShop):
    """Serve a shop with these habits until left; `consent` names the way in which Shopify's API comes."""

    def __init__(
        self, service: str, *habits: str, consent: str = "ready", root: str = "/", attributes: str = "", body: str = ""
    ) -> None:
        way = YES_TOO_EARLY if consent == "yes too early" else CONSENT[consent]
        scripts = [way.replace("ROUTES", f'{{ root: "{root}" }}'), *(HABITS[habit] for habit in habits)]
        super().__init__(
            service, attributes=attributes, body=body, head="".join(f"<script>{{{one}}}</script>" for one in scripts)
        )
        self.headers = {"Cache-Control": "no-store"}
        self.slowness_s = 0.0
        """How long it takes until a change of the cart is answered."""
        self.lines: list[dict[str, Any]] = []
        self.codes: list[dict[str, Any]] = []

    def cart(self) -> dict[str, Any]:
        return {
            "item_count": self.items,
            "total_price": self.items * 1250,
            "currency": "EUR",
            "items": self.lines,
            "discount_codes": self.codes,
        }

    def change(self, path: str, body: bytes) -> None:
        time.sleep(self.slowness_s)
        self.items += 1
        self.lines.append({"product_id": 7, "quantity": 1})
