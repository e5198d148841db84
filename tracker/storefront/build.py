"""Build the files that shops load from their modules: `python -m tracker.storefront.build`."""

from __future__ import annotations

import re
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
SOURCE = ASSETS / "source"
NOTICE = "/*! Shopify Tracker */\n"

_IMPORT = re.compile(r'^import [^;]*? from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_TOP_LEVEL = re.compile(r"^(?:export )?(?:const|let) (\w+)", re.MULTILINE)


def join(entry: str) -> str:
    """Return the module `entry` and all that it needs as one text, each module after those that it imports.

    The modules share one scope then, so no two of them may give the same name to different things, and no circle of
    imports is allowed. Raises ValueError.
    """
    parts: dict[str, str] = {}
    owners: dict[str, str] = {}

    def add(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            raise ValueError(f"the modules import each other in a circle: {' > '.join((*path, module))}")
        if module in parts:
            return
        text = (SOURCE / f"{module}.js").read_text("utf-8")
        for needed in _IMPORT.findall(text):
            add(needed, (*path, module))
        for name in _TOP_LEVEL.findall(text):
            if owners.setdefault(name, module) != module:
                raise ValueError(f"{owners[name]}.js and {module}.js both have a {name}")
        parts[module] = _EXPORT.sub("", _IMPORT.sub("", text))

    add(entry, ())
    return "\n".join(parts.values())


def build_script() -> str:
    """Return the script that every page of the shop loads.

    Needs tdewolff-minify, which is a development requirement: its output is committed.
    """
    return NOTICE + _minified("text/javascript", f"(() => {{\n{join('main')}}})();\n") + "\n"


def build_popup() -> str:
    """Return the module that draws popups, with their style: pages load it when they get one."""
    style = _minified("text/css", (ASSETS / "popup.css").read_text("utf-8"))
    source = join("draw")
    if source.count("POPUP_CSS") != 1 or "`" in style or "${" in style:
        raise ValueError("the popup's style no longer fits into the script")
    # In a template literal a backslash of the style would be read by JavaScript first.
    source = source.replace("POPUP_CSS", style.replace("\\", "\\\\"))
    module = f"export const drawPopup = (() => {{\n{source}return drawPopup;\n}})();\n"
    return NOTICE + _minified("text/javascript", module) + "\n"


def _minified(kind: str, text: str) -> str:
    import minify  # noqa: PLC0415  the service runs without it

    result: str = minify.string(kind, text)
    return result


BUILT = {"storefront.min.js": build_script, "storefront-popup.min.js": build_popup}

if __name__ == "__main__":
    for name, build in BUILT.items():
        (ASSETS / name).write_text(build(), "utf-8", newline="\n")
