"""The files for hosting: run as far as that is possible without Docker, and checked by the tools that read them.

hadolint comes with the development tools. systemd and Caddy check their files where they are installed, as in the
workflow for GitHub; the other tests are the same on every machine.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.gunicorn_server import ROOT, wait_until
from testing.http_client import Client
from tests.integration.test_readme import free_port
from tracker.config import SETTINGS

SESSION = "af4bac4d-077a-4756-91d0-fa2570fd206f"
BIN = Path(sys.executable).parent
SERVING = ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
"""The command that starts the service, the same wherever it is hosted."""


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


# --- The image --------------------------------------------------------------------------------------------------------


class Dockerfile:
    """The instructions of a Dockerfile's last stage, which becomes the image."""

    def __init__(self, path: Path) -> None:
        text = re.sub(r"^#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
        lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
        stages = [place for place, (word, _) in enumerate(lines) if word == "FROM"]
        self.bases = [lines[place][1].split()[0] for place in stages]
        self._last = [(word, value) for word, value in lines[stages[-1] :]]

    def all(self, word: str) -> list[str]:
        return [value for name, value in self._last if name == word]

    def command(self, word: str) -> list[str]:
        """Return the words of CMD or HEALTHCHECK in its exec form."""
        (value,) = self.all(word)
        words: list[str] = json.loads(value[value.index("[") :])
        return words

    def environment(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+)=(\S+)", " ".join(self.all("ENV"))))

    def copied(self) -> list[str]:
        """Return the files and folders of the project that the image holds."""
        return [one for value in self.all("COPY") if not value.startswith("--from") for one in value.split()[:-1]]


IMAGE = Dockerfile(ROOT / "Dockerfile")


def reaches_docker(name: str) -> bool:
    """Return whether .dockerignore lets this file of the project into the build; the last line that fits decides."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    reached = True
    for line in (line for line in lines if line and not line.startswith("#")):
        pattern = line.removeprefix("!")
        if fnmatch.fnmatch(name, pattern) or name.startswith(f"{pattern}/"):
            reached = line.startswith("!")
    return reached


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a folder that holds what the image's WORKDIR holds, and an empty folder for its volume beside it."""
    folder = tmp_path / "app"
    folder.mkdir()
    for name in IMAGE.copied():
        assert reaches_docker(name)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    (tmp_path / "data").mkdir()
    return folder


def environment_of_image(image: Path, port: int) -> dict[str, str]:
    """Return the image's environment, with the volume in a folder of the test and this machine's address only."""
    volume = str(image.parent / "data")
    named = {name: value.replace("/data", volume) for name, value in IMAGE.environment().items()}
    return {**named, "PATH": f"{BIN}:/usr/bin:/bin", "HOME": "/nonexistent", "HOST": "127.0.0.1", "PORT": str(port)}


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.rglob("*"))}


def health_check(environment: dict[str, str]) -> int:
    command = IMAGE.command("HEALTHCHECK")
    return subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode


def test_image_serves_with_its_files_alone_and_writes_to_its_volume_only(image: Path) -> None:
    port = free_port()
    environment = environment_of_image(image, port)
    before = state(image)
    log = image.parent / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(IMAGE.command("CMD"), cwd=image, env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: server.poll() is not None or health_check(environment) == 0, "the health check passes", 90)
        assert server.poll() is None, log.read_text("utf-8")
        with Client(port) as client:
            assert client.post("/ingest", {"session": SESSION}).json() == {"ok": True, "saved": True}
            assert client.get("/storefront.js").status == 200
    finally:
        server.terminate()
        server.wait(30)

    assert SESSION in (image.parent / "data" / "tracker_storage.json").read_text("utf-8")
    assert state(image) == before
    assert health_check(environment) != 0, "a service that does not answer is not healthy"


class _Unhealthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_health_check_of_the_image_fails_where_the_service_answers_503() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Unhealthy) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        try:
            assert health_check({"PATH": f"{BIN}:/usr/bin:/bin", "PORT": str(httpd.server_port)}) != 0
        finally:
            httpd.shutdown()


def test_image_runs_as_an_ordinary_user_and_installs_pinned_packages() -> None:
    (user,) = IMAGE.all("USER")
    whole = (ROOT / "Dockerfile").read_text("utf-8")

    assert int(user) > 0
    assert len(set(IMAGE.bases)) == 1
    assert "--require-hashes" in whole
    assert "apt-get" not in whole
    assert IMAGE.all("VOLUME") == ["/data"]
    assert IMAGE.environment().keys() & SETTINGS.keys() == {"TRACKER_STORAGE_FILE", "TRACKER_SHOP_FILE"}


@pytest.mark.parametrize("name", [".env", ".git/config", ".venv/bin/python", "tracker_storage.json", "shop.toml"])
def test_secrets_and_sessions_never_reach_an_image(name: str) -> None:
    assert not reaches_docker(name)


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([BIN / "hadolint", "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


# --- compose.yaml -----------------------------------------------------------------------------------------------------


def test_container_is_read_only_and_reached_from_this_machine_only() -> None:
    service = read_yaml("compose.yaml")["services"]["tracker"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert [volume.split(":")[1] for volume in service["volumes"]] == IMAGE.all("VOLUME")
    named = service["environment"]
    assert {
        name: named[name] for name in IMAGE.environment().keys() & named.keys()
    }.items() <= IMAGE.environment().items()


def test_files_and_volumes_that_compose_names_exist() -> None:
    compose = read_yaml("compose.yaml")
    mounted = [volume.split(":")[0] for one in compose["services"].values() for volume in one["volumes"]]

    assert {name for name in mounted if not name.startswith("./")} == compose["volumes"].keys()
    assert [name for name in mounted if name.startswith("./") and not (ROOT / name).is_file()] == []


# --- systemd and Caddy ------------------------------------------------------------------------------------------------

UNIT = (ROOT / "deploy" / "shopify-tracker.service").read_text("utf-8")
CADDYFILE = ROOT / "deploy" / "Caddyfile"


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def test_unit_starts_the_service_as_a_user_of_its_own() -> None:
    (folder,) = values("WorkingDirectory")
    (start,) = values("ExecStart")

    assert start.split() == [f"{folder}/.venv/bin/{SERVING[0]}", *SERVING[1:]]
    assert values("User") == ["shopify-tracker"]
    assert values("ProtectSystem") == ["strict"]
    assert f"TRACKER_STORAGE_FILE=/var/lib/{values('StateDirectory')[0]}/" in UNIT


def test_caddyfile_passes_requests_to_the_port_that_the_service_has_by_default() -> None:
    text = CADDYFILE.read_text("utf-8")
    compose = read_yaml("compose.yaml")["services"]["caddy"]["environment"]

    assert re.search(r"^\treverse_proxy \{\$UPSTREAM:127\.0\.0\.1:8000\} \{$", text, re.MULTILINE)
    assert text.count("{\n") == text.count("}\n")
    assert set(re.findall(r"\{\$(\w+):", text)) == compose.keys()


def tool_checks() -> Iterator[Any]:
    """Yield the checks by the tools that are installed here: a machine without systemd or Caddy has none of them."""
    unit = "sed 's#^ExecStart=.*#ExecStart=/bin/true#; s#^WorkingDirectory=.*#WorkingDirectory=/#' {root}/deploy/{name}"
    name = "shopify-tracker.service"
    copied = f"{unit} > {name} && ".format(root=ROOT, name=name)
    if shutil.which("systemd-analyze"):
        yield pytest.param(f"{copied} systemd-analyze verify ./{name}", id="unit is sound")
        # systemd's own measure from 0 to 10; 1.2 is what is left when the service may use the network.
        rated = f"{copied} systemd-analyze security --offline=true --threshold=20 ./{name}"
        yield pytest.param(rated, id="unit is safe")
    if shutil.which("caddy"):
        yield pytest.param(f"caddy validate --adapter caddyfile --config {CADDYFILE}", id="Caddyfile is sound")
        yield pytest.param(f"caddy fmt {CADDYFILE} | diff - {CADDYFILE}", id="Caddyfile is formatted")
    yield pytest.param(f"test -s {CADDYFILE}", id="files are there")


@pytest.mark.parametrize("command", list(tool_checks()))
def test_tools_accept_the_files(command: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


# --- Render and GitHub ------------------------------------------------------------------------------------------------


def test_every_host_starts_the_service_with_the_same_command() -> None:
    (render,) = read_yaml("render.yaml")["services"]

    assert IMAGE.command("CMD") == SERVING
    assert render["startCommand"].split() == SERVING


def test_workflow_runs_the_checks_of_ci_on_every_supported_python() -> None:
    jobs = read_yaml(".github/workflows/ci.yml")["jobs"]
    pythons = jobs["checks"]["strategy"]["matrix"]["python"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    image = IMAGE.bases[0].removeprefix("python:").removesuffix("-slim")

    assert ".ci/run" in [step.get("run") for step in jobs["checks"]["steps"]]
    assert f">={pythons[0]}" == oldest
    assert image in pythons
