"""The documents as a site: `python -m testing.site` writes it to site/, and fails at a link that leads nowhere.

The README and other pages of the project's root stand beside those of docs/ there, so their links are rewritten.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "learning/README.md": "learning.md",
}
"""Page outside docs/ -> its name in the site."""

_LINK = re.compile(r"(?<=\]\()(?!https?:|#|file\))([^)#\s]+)")


class BuildError(Exception):
    """The pages have faults; the message is what was printed."""


def build(site: Path) -> str:
    """Build the site into a folder, which is made anew; return what was printed. Raises BuildError."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copy(ROOT / "mkdocs.yml", work)
        shutil.copytree(ROOT / "docs", work / "docs")
        for page in [*PAGES, *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]:
            target = work / "docs" / _place(page)
            text = (ROOT / page).read_text("utf-8")
            target.write_text(_LINK.sub(lambda found: _linked(found[1], page, work / "docs"), text), "utf-8")  # noqa: B023
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", "mkdocs.yml"]
        done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise BuildError(done.stdout)
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(work / "site", site)
        return done.stdout


def _place(path: str) -> str:
    """Return where a file of the project stands in the site."""
    return PAGES.get(path, path.removeprefix("docs/"))


def _linked(target: str, page: str, docs: Path) -> str:
    """Return a link of a page as it is in the site; a file outside docs/ that is no page comes along."""
    path = os.path.normpath(Path(page).parent / target)
    place = docs / _place(path)
    if not place.exists() and (ROOT / path).is_file() and path not in PAGES:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, place)
    return os.path.relpath(_place(path), Path(_place(page)).parent)


def main() -> int:
    """Build the site, or print what is wrong with the pages."""
    try:
        print(build(ROOT / "site"), end="")
    except BuildError as error:
        print(error, end="")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
