"""The three files of requirements belong to pyproject.toml, whose own paths exist. No registry is asked."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ("requirements.txt", "requirements-postgres.txt", "requirements-dev.txt")
EXTRAS = {"requirements-postgres.txt": ("tracker/storage/postgres/", "postgres")}
"""Lock of an extra -> the folder whose modules may import what it pins, and the extra's name."""
BUILD_TOOLS = {"tracker/storefront/build.py"}
"""Modules that only developers run: what they import is in the `build` group."""
TYPES_ONLY = "_typeshed"
"""A module that type checkers know and Python does not."""


ORDERED = {"flask", "flask-cors", "gunicorn", "groq", "marshmallow", "python-dotenv"}
"""The packages that the service was ordered with."""


@dataclass(frozen=True)
class Pin:
    version: str
    hashes: int
    direct: bool
    """Whether pyproject.toml itself asks for it."""


def read_lock(name: str) -> dict[str, Pin]:
    """Return the pins of a lock by package name."""
    text = (ROOT / name).read_text("utf-8")
    entries = re.findall(r"^([a-z0-9.-]+)==(\S+)(.*\n(?:[ #].*\n)*)", text, re.MULTILINE)
    return {
        package: Pin(version, rest.count("--hash=sha256:"), "(pyproject.toml" in rest)
        for package, version, rest in entries
    }


def requirements_of(group: str) -> Iterator[Requirement]:
    """Yield what a dependency group asks for, with the groups that it includes."""
    for entry in PYPROJECT["dependency-groups"][group]:
        if isinstance(entry, dict):
            yield from requirements_of(entry["include-group"])
        else:
            yield Requirement(entry)


def declared(lock: str) -> dict[str, Requirement]:
    """Return what pyproject.toml asks for in this lock, by package name."""
    project: list[str] = list(PYPROJECT["project"]["dependencies"])
    if lock in EXTRAS:
        project += PYPROJECT["project"]["optional-dependencies"][EXTRAS[lock][1]]
    asked = requirements_of("dev") if lock == "requirements-dev.txt" else map(Requirement, project)
    return {canonicalize_name(one.name): one for one in asked}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_what_pyproject_declares_and_nothing_that_it_no_longer_declares(lock: str) -> None:
    assert {name for name, pin in read_lock(lock).items() if pin.direct} == declared(lock).keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_pinned_versions_satisfy_pyproject(lock: str) -> None:
    pins = read_lock(lock)

    assert [str(one) for name, one in declared(lock).items() if pins[name].version not in one.specifier] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    assert [name for name, pin in read_lock(lock).items() if not pin.hashes] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_registry_and_no_path_of_a_machine(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")

    assert re.findall(r"://|^-.*|\B/\w+", text, re.MULTILINE) == []


def test_all_locks_pin_the_same_versions() -> None:
    pinned: dict[str, set[str]] = defaultdict(set)
    for lock in LOCKS:
        for name, pin in read_lock(lock).items():
            pinned[name].add(pin.version)

    assert {name: versions for name, versions in pinned.items() if len(versions) > 1} == {}


def test_every_group_is_part_of_dev() -> None:
    groups: dict[str, Any] = PYPROJECT["dependency-groups"]

    assert {entry["include-group"] for entry in groups["dev"]} == groups.keys() - {"dev"}


def test_the_pinned_build_backend_is_one_that_pyproject_allows() -> None:
    (backend,) = map(Requirement, PYPROJECT["build-system"]["requires"])

    assert read_lock("requirements-dev.txt")[canonicalize_name(backend.name)].version in backend.specifier


@pytest.mark.parametrize("group", ["dependencies", *PYPROJECT["dependency-groups"]])
def test_dependencies_are_sorted(group: str) -> None:
    entries = PYPROJECT["project"]["dependencies"] if group == "dependencies" else PYPROJECT["dependency-groups"][group]
    names = [entry for entry in entries if isinstance(entry, str)]

    assert names == sorted(names)


def third_party_imports(path: Path) -> set[str]:
    """Return the top-level names that a module imports from outside the project and the standard library."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"tracker", TYPES_ONLY}


def test_the_service_imports_only_what_its_own_lock_pins() -> None:
    extras = {folder: read_lock(lock) for lock, (folder, _extra) in EXTRAS.items()}
    service = read_lock("requirements.txt")
    distributions = packages_distributions()

    def pins_for(path: Path) -> dict[str, Pin]:
        place = str(path.relative_to(ROOT))
        return next((pins for folder, pins in extras.items() if place.startswith(folder)), service)

    modules = [ROOT / "wsgi.py", ROOT / "gunicorn.conf.py", *(ROOT / "tracker").rglob("*.py")]
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules
        if str(path.relative_to(ROOT)) not in BUILD_TOOLS
        for name in third_party_imports(path)
        if not any(canonicalize_name(one) in pins_for(path) for one in distributions.get(name, ()))
    }

    assert missing == set()


@pytest.mark.parametrize("pattern", PYPROJECT["tool"]["ruff"]["lint"]["per-file-ignores"])
def test_exceptions_from_the_linter_are_for_files_that_exist(pattern: str) -> None:
    before, braces, rest = pattern.partition("{")
    names, _, after = rest.partition("}")
    expanded = [f"{before}{name}{after}" for name in names.split(",")] if braces else [pattern]

    assert [one for one in expanded if not list(ROOT.glob(one))] == []


@pytest.mark.parametrize("path", PYPROJECT["tool"]["mypy"]["files"])
def test_what_mypy_checks_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("package", sorted(ORDERED))
def test_every_package_that_was_ordered_is_installed_and_used(package: str) -> None:
    imported = set().union(*map(third_party_imports, (ROOT / "tracker").rglob("*.py")))
    names = {
        name
        for name, given in packages_distributions().items()
        if package in {str(canonicalize_name(one)) for one in given}
    }

    assert package in declared("requirements.txt")
    assert imported & names
