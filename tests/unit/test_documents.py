"""The documents are consistent: decisions have a status, links lead somewhere, the code uses the glossary's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")
DECISIONS = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *sorted(DOCS.rglob("*.md")),
]

RETIRED = {
    "advice", "advisor", "allowance", "choice", "claims", "foot", "gate", "guard", "guarded", "head", "joint", "learn",
    "learned", "ledger", "permit", "pick", "picked", "replay", "sentence", "sentences", "summarise", "summary", "turns",
    "worded",
}  # fmt: skip
"""Words that name nothing in tracker/ any more; the glossary says which ones are used in their place."""

OF_THE_FIELD = {
    ("tracker/web/", "summary"),
    ("tracker/llm/", "choice"),
    ("tracker/decisions/model/", "pick"),
    ("tracker/decisions/review/", "pick"),
    ("tracker/insights/comparison/", "sentence"),
}
"""Folder and word: keys of OpenAPI, of Groq's answers, of a model's answer and of stored decisions; what a verdict
says is a sentence and no message."""


# --- Decisions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_a_date_a_title_and_a_status(path: Path) -> None:
    title, blank, status, *_ = path.read_text("utf-8").splitlines()

    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d(-[a-z0-9]+)+", path.stem)
    assert title.startswith("# ")
    assert blank == ""
    assert re.fullmatch(r"Status: (accepted|superseded by \[.+\]\(.+\.md\))", status)


def test_decisions_have_different_titles() -> None:
    titles = [path.read_text("utf-8").partition("\n")[0] for path in DECISIONS]

    assert len(titles) == len(set(titles))


# --- Links and paths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]

    assert [target for target in targets if target not in {"", "file"} and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", ["glossary.md", "architecture.md"])
def test_paths_that_a_document_names_exist(page: str) -> None:
    named = re.findall(r"`((?:tracker|testing|tests|bench|docs)/[^`\s]*)`", (DOCS / page).read_text("utf-8"))

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


# --- Words ------------------------------------------------------------------------------------------------------------


def test_glossary_explains_each_word_once() -> None:
    words = re.findall(r"^\| (.+?) \| .+ \| .* \|$", GLOSSARY, re.MULTILINE)
    explained = [word for word in words if word != "Word"]

    assert len(explained) > 50
    assert len(explained) == len(set(explained))


def test_glossary_lists_every_retired_word() -> None:
    listed = set(re.findall(r"[a-z]+", GLOSSARY.partition("## Retired words")[2]))
    other_forms = {"advisor", "guarded", "learned", "picked", "sentences", "summarise"}

    assert RETIRED - other_forms <= listed


def names_in(module: Path) -> Iterator[str]:
    """Yield what a module names itself: its file, and its classes, functions, arguments, variables and aliases."""
    yield module.parent.name if module.stem == "__init__" else module.stem
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def words_of(name: str) -> set[str]:
    """Return the words of a name, of either spelling: `read_first_line`, `ReadFirstLine`."""
    return set(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower()))


def parts() -> Iterator[object]:
    """Yield every package and module right below tracker/, marked where it is expected to fail."""
    for path in sorted((ROOT / "tracker").iterdir()):
        if path.suffix == ".py" or (path / "__init__.py").exists():
            yield pytest.param(path, id=path.name)


@pytest.mark.parametrize("part", list(parts()))
def test_retired_words_name_nothing(part: Path) -> None:
    found = {
        f"{module.relative_to(ROOT)}: {name} ({word})"
        for module in ([part] if part.is_file() else part.rglob("*.py"))
        for name in names_in(module)
        for word in words_of(name) & RETIRED
        if not any(f"{module.relative_to(ROOT)}".startswith(folder) and word == of for folder, of in OF_THE_FIELD)
    }

    assert found == set()
