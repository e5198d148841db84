"""The generated parts of the documents: `python -m testing.documents` writes them, and tests compare them.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`. It is made from docstrings, from
pyproject.toml, the decisions' own files, the settings, the commands and the words of rules. Everything else in those
documents is written by hand.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from testing.reference import commands, in_table, settings
from tracker.decisions.visit.owner_words import OWNER_WORDS

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "docs" / "decisions"

WITHOUT_PYTHON = {
    "testing/axe/": "axe-core, which checks pages for accessibility; third-party files, unchanged.",
    "tracker/demo/assets/": "The demo theme: style, cart and consent banner, and the panel behind the scenes.",
    "tracker/demo/assets/art/": "The pictures of the demo shop's products.",
    "tracker/demo/templates/demo/": "The demo shop's pages.",
    "tracker/owner/assets/": "The look of the owner's pages, their script and their icon.",
    "tracker/owner/templates/owner/figures/": "Today, whether popups pay, and their parts.",
    "tracker/owner/templates/owner/frame/": "The frame of the owner's pages, and the page of a failure.",
    "tracker/owner/templates/owner/login/": "Signing in, and choosing the password.",
    "tracker/owner/templates/owner/messages/": "What popups say, its editor, and the check before a change is saved.",
    "tracker/owner/templates/owner/service/": "Set up, and the settings.",
    "tracker/owner/templates/owner/visits/": "The list of visits, and a visit as a story.",
    "tracker/storefront/assets/": "The files that shops load: the script, the popup with its style, and the pixel.",
    "tracker/storefront/assets/source/": "The modules that the storefront script and the popup are built from.",
    "tracker/storage/postgres/migrations/": "The numbered SQL files that make the tables of a database.",
    "tracker/web/static/": "The page behind `/docs`.",
}
"""What folders hold that have no docstring to take it from."""


# --- The code map -----------------------------------------------------------------------------------------------------


def code_map(package: str) -> str:
    """Return a table of every package, module and folder of files below a package, with what each is for."""
    rows = [f"| `{path}` | {in_table(what)} |" for path, what in _described(ROOT / package)]
    return "\n".join(["| Path | What it is |", "|---|---|", *rows])


def _described(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path and first docstring line: a folder first, then its modules, then the folders in it."""
    name = f"{folder.relative_to(ROOT)}/"
    package = folder / "__init__.py"
    if package.exists():
        yield name, first_line(package)
    elif any(path.is_file() for path in folder.iterdir()):
        if name not in WITHOUT_PYTHON:
            raise SystemExit(f"{name} has no docstring: describe it in WITHOUT_PYTHON of testing/documents.py")
        yield name, WITHOUT_PYTHON[name]
    for module in sorted(folder.glob("*.py")):
        if module != package:
            yield str(module.relative_to(ROOT)), first_line(module)
    for below in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"):
        yield from _described(below)


def first_line(module: Path) -> str:
    """Return the first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(module.read_text("utf-8")))
    if not text:
        raise SystemExit(f"{module.relative_to(ROOT)} has no docstring")
    return text.splitlines()[0]


def layers() -> str:
    """Return the layers that import-linter enforces, the upper one first."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if one.get("containers") == ["tracker"])
    named = [f"({layer})" if "|" in layer else layer for layer in contract["layers"]]
    return "\n".join(["```text", "\n  > ".join(named), "```"])


# --- The decisions ----------------------------------------------------------------------------------------------------


def decisions() -> str:
    """Return the index of docs/decisions/, the newest day first."""
    found = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
    days = sorted({path.name[:10] for path in found}, reverse=True)
    rows = [_decision_row(path) for day in days for path in found if path.name.startswith(day)]
    return "\n".join(["| Date | Decision | Status |", "|---|---|---|", *rows])


def _decision_row(path: Path) -> str:
    title, _, status = path.read_text("utf-8").splitlines()[:3]
    link = f"[{in_table(title.removeprefix('# '))}]({path.name})"
    return f"| {path.name[:10]} | {link} | {status.removeprefix('Status: ')} |"


# --- The shop's file --------------------------------------------------------------------------------------------------

_KINDS = {"number": "number", "flag": "yes or no", "path": "path", "text": "text"}


def words_of_when() -> str:
    """Return a table of the words that the owner's rules are written with."""
    rows = []
    for name, word in OWNER_WORDS.items():
        values = f" One of {', '.join(f'`{value}`' for value in word.values)}." if word.values else ""
        rows.append(f"| `{name}` | {_KINDS[word.kind]} | {word.meaning}{values} |")
    return "\n".join(["| Word | Kind | What it means |", "|---|---|---|", *rows])


# --- Writing them -----------------------------------------------------------------------------------------------------

GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "CONTRIBUTING.md": {
        "layers": layers,
        "map of tracker": lambda: code_map("tracker"),
        "map of testing": lambda: code_map("testing"),
        "map of bench": lambda: code_map("bench"),
        "map of learning": lambda: code_map("learning"),
    },
    "docs/decisions/README.md": {"decisions": decisions},
    "docs/commands.md": {"commands": commands},
    "docs/settings.md": {"settings": settings},
    "docs/shop-file.md": {"words of when": words_of_when},
}
"""Document -> name of a generated part -> what makes it."""


def generate(document: str) -> str:
    """Return a document's text with its generated parts made anew. Raises SystemExit where a marker is missing."""
    text = (ROOT / document).read_text("utf-8")
    for name, make in GENERATED[document].items():
        before, begin, rest = text.partition(f"<!-- generated: {name} -->\n")
        _old, end, after = rest.partition("<!-- end -->")
        if not (begin and end):
            raise SystemExit(f"{document} has no markers for the generated part {name!r}")
        text = f"{before}{begin}\n{make()}\n\n{end}{after}"
    return text


def main() -> int:
    """Write every generated part; return 1 where a document has changed, as a commit hook expects it."""
    changed = 0
    for document in GENERATED:
        text = generate(document)
        if text != (ROOT / document).read_text("utf-8"):
            (ROOT / document).write_text(text, "utf-8")
            print(f"wrote {document}")
            changed = 1
    return changed


if __name__ == "__main__":
    sys.exit(main())
