"""The generated parts of the documents are up to date, and what is written by hand beside them names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testing.documents import GENERATED, ROOT, WITHOUT_PYTHON, generate

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("document", GENERATED)
def test_generated_parts_are_up_to_date(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")

    assert text == generate(document), "write it anew: .venv/bin/python -m testing.documents"


@pytest.mark.parametrize("document", GENERATED)
def test_every_generated_part_of_a_document_has_a_maker(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")

    assert re.findall(r"<!-- generated: (.*) -->", text) == list(GENERATED[document])


@pytest.mark.parametrize("folder", WITHOUT_PYTHON)
def test_folders_that_are_described_by_hand_exist(folder: str) -> None:
    assert (ROOT / folder).is_dir()


@pytest.mark.parametrize("folder", [path for path in (ROOT / "tests").iterdir() if path.is_dir()], ids=lambda p: p.name)
def test_every_folder_of_tests_is_explained(folder: Path) -> None:
    if any(folder.glob("*.py")):
        assert f"| `tests/{folder.name}/` | " in CONTRIBUTING
