"""Build assets/storefront.min.js from its source and the popup's style: `python -m tracker.storefront.build`."""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
NOTICE = "/*! Shopify Tracker */\n"


def build() -> str:
    """Return the minified script. Needs tdewolff-minify, a development requirement: the result is committed."""
    import minify  # noqa: PLC0415  the service runs without it

    style = minify.string("text/css", (ASSETS / "popup.css").read_text("utf-8"))
    source = (ASSETS / "storefront.js").read_text("utf-8")
    if source.count("POPUP_CSS") != 1 or "`" in style or "${" in style:
        raise ValueError("the popup's style no longer fits into the script")
    # The style stands in a template literal, where JavaScript reads backslashes itself.
    script: str = minify.string("text/javascript", source.replace("POPUP_CSS", style.replace("\\", "\\\\")))
    return NOTICE + script + "\n"


if __name__ == "__main__":
    (ASSETS / "storefront.min.js").write_text(build(), "utf-8", newline="\n")
