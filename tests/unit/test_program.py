"""shopify-tracker: what a person reads at the start, and the commands."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from testing.reference import ROOT, own_commands
from tracker import __version__
from tracker.__main__ import check_free, opening, program, shows_demo_shop
from tracker.environment import SERVER_SETTINGS

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(program, ["--version"]).output == f"shopify-tracker {__version__}\n"


def test_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[0] == __version__


def test_help_names_serve_and_every_command_and_no_option_of_flask() -> None:
    text = CliRunner().invoke(program, ["--help"]).output

    for name, _command in own_commands():
        assert f"  {name.split()[0]} " in text
    assert "  serve " in text
    assert "--app" not in text
    assert "shell" not in text


def test_serve_tells_every_wrong_setting_and_no_address(empty_folder: Path) -> None:
    (empty_folder / ".env").write_text("# mine\nPORT=80a\nHOST=localhost:8000\n", "utf-8")
    done = CliRunner().invoke(program, ["serve"])

    an_address = "an address without http:// and without a port, such as 127.0.0.1 or 0.0.0.0"
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "Error: The service cannot start.",
        f"  HOST must be {an_address}, not 'localhost:8000' (.env line 3).",
        "  PORT must be a whole number from 1 to 65535, not '80a' (.env line 2).",
    ]


def test_env_file_that_is_no_text_is_told(empty_folder: Path) -> None:
    (empty_folder / ".env").write_bytes(b"PORT=\xff\xfe")
    done = CliRunner().invoke(program, ["serve"])

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: .env cannot be read: it must be a text file in UTF-8.\n"


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("fe80::1", "[fe80::1]")],
)
def test_opening_begins_with_the_owners_pages_at_an_address_that_a_browser_takes(host: str, address: str) -> None:
    lines = opening({**SERVER_SETTINGS, "HOST": host})

    assert lines[0].split()[:3] == ["Your", "pages", f"http://{address}:8000/"]
    assert [line for line in lines if f"http://{address}:8000/docs " in line]


@pytest.mark.parametrize(
    ("setting", "host", "is_open"),
    [
        ("", "127.0.0.1", True),
        ("", "::1", True),
        ("", "0.0.0.0", False),
        ("", "192.0.2.1", False),
        ("off", "127.0.0.1", False),
        ("on", "0.0.0.0", True),
    ],
)
def test_the_demo_shop_is_open_by_default_if_only_this_machine_can_reach_it(
    setting: str, host: str, is_open: bool
) -> None:
    values = {**SERVER_SETTINGS, "HOST": host, "DEMO_SHOP": setting}

    assert shows_demo_shop(values) is is_open
    assert any("/demo" in line for line in opening(values)) is is_open


def test_a_port_in_use_is_reported_in_one_line_even_if_it_could_be_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(click.ClickException, match=f"port {port}: address already in use") as stop:
            check_free("127.0.0.1", port)

    assert "\n" not in stop.value.message
    check_free("127.0.0.1", port)
