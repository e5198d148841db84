"""The usual mistakes of docs/troubleshooting.md: each is made, and its message is the one there."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from testing.fake_groq import FakeGroq
from testing.gunicorn_server import ROOT
from tracker.__main__ import program
from tracker.app import create_app
from tracker.config import load_config

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROWS = [
    (who, mistake, message)
    for who, text in re.findall(
        r"^## Usual mistakes of an (owner|operator)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    for mistake, message in re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)
    if mistake not in {"The mistake", "---|---"}
]
FACT = '[[facts]]\nid = "a"\ntext = "Free returns."\n'
SHOP = f'name = "A shop"\n{FACT}'


@pytest.fixture(autouse=True)
def folder(empty_folder: Path) -> Path:
    """Return the folder in which the mistakes are made."""
    return empty_folder


def flask(*words: str, **settings: str) -> str:
    return create_app(load_config(settings)).test_cli_runner().invoke(args=words).output


def doctor(env: str | bytes = "", *words: str, mode: int = 0o600) -> str:
    if env:
        Path(".env").write_bytes(env if isinstance(env, bytes) else env.encode())
        Path(".env").chmod(mode)
    return CliRunner().invoke(program, ["doctor", *words], env={"COLUMNS": "110"}).output


def check(file: str) -> str:
    Path("shop.toml").write_text(file, "utf-8")
    return flask("shop", "check")


def http(method: str, path: str, headers: dict[str, str] | None = None, **settings: str) -> str:
    client = create_app(load_config(settings)).test_client()
    return str(client.open(path, method=method, data=b"{}", headers=headers or {}).json)


def ask_with_a_wrong_key() -> str:
    with FakeGroq("401") as groq:
        return doctor(f"GROQ_API_KEY=gsk_not-the-right-one\nGROQ_BASE_URL={groq.base_url}\n", "--ask")


def taken_port() -> str:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        return doctor(f"PORT={other.getsockname()[1]}\n")


def damaged_file() -> str:
    Path("tracker_storage.json").write_text("{\n  edited by hand\n}\n", "utf-8")
    return doctor()


def import_of_a_table() -> str:
    Path("table.csv").write_text("session,pages\n", "utf-8")
    return flask("sessions", "import", "table.csv")


MADE: dict[str, Callable[[], str]] = {
    "A key in `.env` without its name": lambda: doctor("gsk_the-key-alone\n"),
    "The wrong key for the model": ask_with_a_wrong_key,
    "The theme is opened at an address that is not in `ALLOWED_ORIGINS`": lambda: http(
        "POST", "/ingest", {"Origin": "https://shop.myshopify.com"}, ALLOWED_ORIGINS="https://shop.example"
    ),
    "`/sessions` is opened and no password is set": lambda: http("GET", "/sessions"),
    "Webhooks without their key": lambda: http("POST", "/shopify/webhooks"),
    "Webhooks with another key": lambda: http(
        "POST", "/shopify/webhooks", {"X-Shopify-Hmac-Sha256": "AAAA"}, SHOPIFY_WEBHOOK_SECRET="k" * 20
    ),
    "No `shop.toml`": lambda: flask("shop", "check"),
    "`name = “A shop”`": lambda: check(f"name = “A shop”\n{FACT}"),
    "`[facts]`": lambda: check(SHOP.replace("[[facts]]", "[facts]")),
    "`[[fact]]`": lambda: check(SHOP.replace("[[facts]]", "[[fact]]")),
    "`until = 31.12.2027`": lambda: check(f"{SHOP.replace('facts', 'offers')}until = 31.12.2027\n"),
    '`txt = "Free returns."`': lambda: check(SHOP.replace("text", "txt")),
    "A rule that says a message that is not there": lambda: check(
        f'{SHOP}[[rules]]\nwhen = {{ items = ">= 2" }}\nsay = "welcome"\n'
    ),
    "Two messages of one name": lambda: check(f"{SHOP}{FACT}"),
    '`text = "<b>Free</b> returns."`': lambda: check(SHOP.replace("Free", "<b>Free</b>")),
    "A `.env` that is no text in UTF-8": lambda: doctor(b"KEEP_DAYS=\xff\n"),
    "A `.env` that others can read": lambda: doctor("KEEP_DAYS=9\n", mode=0o644),
    "A port that is taken": taken_port,
    "A session file that was edited by hand": damaged_file,
    "`flask sessions import table.csv`": import_of_a_table,
}


def printed_for(mistake: str) -> str:
    if mistake in MADE:
        return MADE[mistake]()
    code = mistake.strip("`")
    return flask(*code.split()[1:]) if code.startswith("flask ") else doctor(f"{code}\n")


def test_there_are_at_least_twenty_mistakes_of_each_kind() -> None:
    for kind in ("owner", "operator"):
        assert sum(who == kind for who, _mistake, _message in ROWS) >= 20
    assert set(MADE) <= {mistake for _who, mistake, _message in ROWS}


@pytest.mark.parametrize(("who", "mistake", "message"), ROWS, ids=[mistake for _who, mistake, _message in ROWS])
def test_the_message_is_the_one_of_the_page(who: str, mistake: str, message: str) -> None:
    printed = " ".join(printed_for(mistake).split())

    at = 0
    for part in message.split(" ... "):
        found = printed.find(part, at)
        assert found >= 0, printed
        at = found + len(part)
