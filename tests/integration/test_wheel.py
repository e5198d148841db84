"""The wheel holds all of the package and serves: built, installed into an empty environment, run outside the checkout.

Nothing is downloaded: the wheel's dependencies are those of the environment that runs the tests.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.gunicorn_server import ROOT, wait_until
from testing.http_client import Client

UV = [sys.executable, "-m", "uv", "--offline", "--no-cache", "--no-config", "--quiet"]
SESSION = "af4bac4d-077a-4756-91d0-fa2570fd206f"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "tracker", source / "tracker", ignore=shutil.ignore_patterns("__pycache__"))
    build = ["build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder)]
    subprocess.run([*UV, *build, str(source)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment into which the wheel was installed."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    python = environment / "bin" / "python"
    subprocess.run([*UV, "venv", "--python", sys.executable, str(environment)], check=True)
    subprocess.run([*UV, "pip", "install", "--no-deps", "--python", str(python), str(wheel)], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return python


@contextlib.contextmanager
def serving(python: Path, folder: Path) -> Iterator[Client]:
    """Serve the installed package by its own command from this folder, with no configuration of the checkout."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(python.with_name("shopify-tracker")), "serve"],
            cwd=folder, env=kept | {"HOME": str(folder), "PORT": str(port)}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_until(lambda: server.poll() is not None or is_up(port), "the installed package answers")
        assert server.poll() is None, log.read_text("utf-8")
        with Client(port) as client:
            yield client
    finally:
        server.terminate()
        server.wait(20)


def is_up(port: int) -> bool:
    with contextlib.suppress(OSError), Client(port, timeout=5) as client:
        return client.get("/healthz").status == 200
    return False


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = ROOT / "tracker"
    expected = {
        str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert held == expected
    assert "tracker/py.typed" in held


def test_installed_package_is_the_one_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    show = "import tracker; print(tracker.__file__)"
    done = subprocess.run([str(installed), "-c", show], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert Path(done.stdout.strip()).is_relative_to(installed.parents[1])


def test_installed_package_serves_from_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    with serving(installed, tmp_path) as client:
        assert client.get("/health").json()["status"] == "healthy"
        assert b"shopSignals" in client.get("/storefront.js").body
        assert client.get("/storefront-pixel.js").status == 200
        assert client.get("/openapi.json").json()["openapi"].startswith("3.")
        assert b"<html" in client.get("/docs").body
        assert client.get("/docs/page.js").status == 200
        assert client.get("/demo").headers["location"] == "/demo/"
        shop = client.get("/demo/").body.decode()
        assert "/storefront.js" in shop
        loaded = re.findall(r'(?:href|src)="(/demo/[^"]+\.(?:css|js|svg))"', shop)
        assert loaded
        assert {path: client.get(path).status for path in loaded} == dict.fromkeys(loaded, 200)
        assert client.post("/ingest", {"session": SESSION}).json() == {"ok": True, "saved": True}

    assert SESSION in (tmp_path / "tracker_storage.json").read_text("utf-8")


def test_installed_command_reads_the_settings_of_the_folder_it_is_started_in(installed: Path, tmp_path: Path) -> None:
    command = str(installed.with_name("shopify-tracker"))
    (tmp_path / ".env").write_text("TRACKER_STORAGE_FILE=mine.json\n", "utf-8")
    record = f'{{"session":"{SESSION}","updatedAt":1790000000000}}'
    (tmp_path / "mine.json").write_text(f'{{\n"{SESSION}":{record}\n}}', "utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    words = [command, "sessions", "list", "--json"]
    listed = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    assert SESSION in listed.stdout
    assert subprocess.run([command, "nonsense"], cwd=tmp_path, env=environment, capture_output=True).returncode == 2
