"""The files that a shop loads: the script with its size and caching, and the pixel."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tracker.storefront.blueprint import storefront_blueprint, storefront_script
from tracker.storefront.build import ASSETS, BUILT, join
from tracker.web.routes import Service
from tracker.web.served_file import FOREVER, SHORTLY

ROOT = Path(__file__).resolve().parents[2]
DEMO_ASSETS = ROOT / "tracker" / "demo" / "assets"
MOST_BYTES = {"/storefront.js": 7168, "/storefront-popup.js": 2304}
"""Gzipped, as a browser gets them: 7 KB on every page, and 2.25 KB more on pages that get a popup."""


@pytest.fixture
def client() -> FlaskClient:
    app = Service(__name__)
    app.register_blueprint(storefront_blueprint("storefront.js", storefront_script()))
    return app.test_client()


@pytest.mark.parametrize("name", BUILT)
def test_minified_files_equal_a_rebuild(name: str) -> None:
    assert (ASSETS / name).read_text("utf-8") == BUILT[name]()


@pytest.mark.parametrize("path", MOST_BYTES)
def test_served_scripts_stay_within_their_size(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Accept-Encoding": "gzip, br"})

    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.data) <= MOST_BYTES[path]
    assert gzip.decompress(answer.data) == (ASSETS / path[1:].replace(".js", ".min.js")).read_bytes()


def test_joined_modules_import_nothing_and_each_stands_after_what_it_needs() -> None:
    script = join("main")

    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    places = [
        script.index(f"const {name} =") for name in ("safely", "spell", "write", "session", "flush", "ask", "decide")
    ]
    assert places == sorted(places)


def test_scripts_may_be_loaded_as_modules_and_with_integrity(client: FlaskClient) -> None:
    for path in MOST_BYTES:
        assert client.get(path).headers["Access-Control-Allow-Origin"] == "*"


def test_oxlint_finds_nothing_in_the_scripts() -> None:
    program = Path(sys.executable).with_name("oxlint")
    found = str(program) if program.exists() else shutil.which("oxlint")
    if found is None:
        pytest.skip("no oxlint: `python3 run.py test` installs it")
    checked = subprocess.run(
        [found, "--deny-warnings", "--ignore-pattern", "*.min.js", str(ASSETS), str(DEMO_ASSETS)],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", BUILT)
def test_scripts_patch_nothing_and_write_nothing_to_console_or_cookies(name: str) -> None:
    script = (ASSETS / name).read_text("utf-8")

    # That there is a cookie for a discount is read; none is written.
    forbidden = (
        r"fetch\s*=[^=]|console|XMLHttpRequest|innerHTML|eval\(|cookie\s*=[^=]|unload|(push|replace)State|\.prototype"
    )
    assert not re.search(forbidden, script)


def test_every_event_stands_in_the_table_of_events() -> None:
    table = (ROOT / "docs" / "events.md").read_text("utf-8")
    source = join("main")
    types = set(re.findall(r'(?:record|once|tellOnce)\(\s*"(\w+)"', source))
    types |= set(re.findall(r'\? "(\w+)" : "(\w+)",? \{ (?:items|target)', source)[0])
    types |= {"popup_" + fate for fate in re.findall(r'note\("(\w+)"', source + join("draw"))}

    assert len(types) >= 14
    for name in types - {"popup_"}:
        assert f"`{name}`" in table, name


@pytest.mark.parametrize("encoding", ["", "identity", "br", "gzip;q=0"])
def test_a_client_without_gzip_gets_the_plain_script(client: FlaskClient, encoding: str) -> None:
    answer = client.get("/storefront.js", headers={"Accept-Encoding": encoding})

    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.mimetype == "text/javascript"
    assert answer.data == (ASSETS / "storefront.min.js").read_bytes()


def test_a_matching_etag_answers_304_without_a_body(client: FlaskClient) -> None:
    for encoding in ("gzip", ""):
        first = client.get("/storefront.js", headers={"Accept-Encoding": encoding})
        again = client.get(
            "/storefront.js", headers={"Accept-Encoding": encoding, "If-None-Match": first.headers["ETag"]}
        )
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]


def test_the_plain_and_the_gzipped_script_have_different_etags(client: FlaskClient) -> None:
    zipped = client.get("/storefront.js", headers={"Accept-Encoding": "gzip"}).headers["ETag"]
    plain = client.get("/storefront.js").headers["ETag"]

    assert zipped != plain


def test_only_the_current_version_is_cached_for_ever(client: FlaskClient) -> None:
    version = storefront_script().version

    assert client.get(f"/storefront.js?v={version}").headers["Cache-Control"] == FOREVER
    assert client.get("/storefront.js?v=older").headers["Cache-Control"] == SHORTLY
    assert client.get("/storefront.js").headers["Cache-Control"] == SHORTLY


def test_the_name_of_the_script_is_a_setting() -> None:
    app = Service(__name__)
    app.register_blueprint(storefront_blueprint("shop-help.js", storefront_script()))
    client = app.test_client()

    assert client.get("/shop-help.js").status_code == 200
    assert client.get("/shop-help-pixel.js").status_code == 200
    assert client.get("/shop-help-popup.js").status_code == 200
    assert client.get("/storefront.js").status_code == 404


def test_the_pixel_holds_the_address_it_was_loaded_from(client: FlaskClient) -> None:
    from_the_internet = {"REMOTE_ADDR": "203.0.114.9"}
    answer = client.get("/storefront-pixel.js", base_url="https://tracker.example", environ_base=from_the_internet)

    assert b'const SERVICE = "https://tracker.example";' in answer.data
    assert answer.mimetype == "text/javascript"


@pytest.mark.parametrize("host", ['evil";alert(1);"', "a<b", "a'b", "x y"])
def test_a_host_header_cannot_inject_code_into_the_pixel(client: FlaskClient, host: str) -> None:
    answer = client.get("/storefront-pixel.js", headers={"Host": host})

    assert answer.status_code == 400 or b'const SERVICE = "https://HOST";' in answer.data


def test_the_pixel_reads_no_personal_data() -> None:
    pixel = (ASSETS / "pixel.js").read_text("utf-8")

    code = "\n".join(line for line in pixel.splitlines() if not line.startswith("//"))
    for name in ("email", "phone", "address", "customer", "order", "firstName", "cart", "clientId"):
        assert name not in code, name


def test_no_asset_names_a_machine_or_another_site() -> None:
    for path in (path for folder in (ASSETS, DEMO_ASSETS) for path in folder.rglob("*.*")):
        if path.suffix not in {".js", ".css", ".svg"}:
            continue
        for address in re.findall(r"https?://[^\s\"'`)>]+", path.read_text("utf-8")):
            assert address.startswith(("https://HOST", "http://www.w3.org/2000/svg")), (path.name, address)
