"""The documents as a site: every link and anchor leads somewhere, and no page loads anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testing.site import BuildError, build


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    try:
        printed = build(folder)
    except BuildError as error:
        pytest.fail(str(error))
    assert "No issues found" in printed
    return folder


def test_every_document_is_a_page_of_the_site(site: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    pages = {str(path.relative_to(docs).with_suffix(".html")) for path in docs.rglob("*.md")}

    assert pages - {"decisions/README.html"} <= {str(path.relative_to(site)) for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")
    found = {address for page in site.rglob("*.html") for address in loaded.findall(page.read_text("utf-8"))}

    assert found == set()
