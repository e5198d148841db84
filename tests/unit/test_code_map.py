"""The code map in CONTRIBUTING.md is the tree: every package, module and static folder of tracker/, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def mapped() -> list[str]:
    return re.findall(r"^\| `(tracker/[^`]*)` \| ", CONTRIBUTING, re.MULTILINE)


def there() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tracker").rglob("*"):
        if path.name == "__init__.py":
            found.add(f"{path.parent.relative_to(ROOT)}/")
        elif path.suffix == ".py":
            found.add(str(path.relative_to(ROOT)))
        elif path.is_file() and "__pycache__" not in path.parts:
            found.add(f"{path.parent.relative_to(ROOT)}/")
    return found - {"tracker/"}


def test_the_map_holds_what_is_there_and_nothing_else() -> None:
    assert set(mapped()) == there()


def test_nothing_is_in_it_twice() -> None:
    assert len(mapped()) == len(set(mapped()))


@pytest.mark.parametrize("folder", [path for path in (ROOT / "tests").iterdir() if path.is_dir()], ids=lambda p: p.name)
def test_every_folder_of_tests_is_explained(folder: Path) -> None:
    if any(folder.glob("*.py")):
        assert f"| `tests/{folder.name}/` | " in CONTRIBUTING


def test_the_layers_are_those_that_are_held() -> None:
    layers = re.search(
        r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert layers
    # In brackets in pyproject.toml stands what may come later.
    held = [re.sub(r" \| \(\w+\)", "", layer) for layer in re.findall(r'"(.*)"', layers[1])]

    assert " > ".join(f"({layer})" if "|" in layer else layer for layer in held) in CONTRIBUTING
