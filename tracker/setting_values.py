"""The values of settings: each function parses one kind, and says in its ValueError what the value must be."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def text(value: str) -> str:
    """Parse any text."""
    return value


def token(value: str) -> str:
    """Parse a password that nobody can guess."""
    # Anyone who guesses it can read and delete sessions. It is also removed from log lines wherever it occurs, so a
    # short one would remove ordinary words.
    if len(value) < 16 or not value.isprintable():
        raise ValueError("a long random text of at least 16 characters")
    return value


def path(value: str) -> Path:
    """Parse a path; `~` is the home directory."""
    return Path(value).expanduser()


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,16}", value) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def database_url(value: str) -> str:
    """Parse the address of a PostgreSQL database."""
    if not re.fullmatch(r"postgres(ql)?://\S+", value):
        raise ValueError("an address like postgresql://user:password@host/name")
    if find_spec("psycopg") is None:
        raise ValueError(
            "left empty until its driver is installed: pip install --require-hashes -r requirements-postgres.txt"
        )
    return value


_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9._-]+(:[0-9]{1,5})?")


def origins(value: str) -> tuple[str, ...]:
    """Parse origins of pages, with commas between."""
    origins = tuple(part.strip().rstrip("/").lower() for part in value.split(",") if part.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("origins like https://shop.example or https://*.myshopify.com, with commas between them")
    return origins


def secrets(value: str) -> tuple[str, ...]:
    """Parse keys, with commas between."""
    secrets = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(len(secret) >= 16 and secret.isascii() and secret.isprintable() for secret in secrets):
        raise ValueError("the key that Shopify shows for its webhooks; two of them with a comma between")
    return secrets


def domain(value: str) -> str:
    """Parse the name of a host."""
    domain = value.lower().removeprefix("https://").rstrip("/")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
        raise ValueError("a name like your-shop.myshopify.com")
    return domain


def percent(value: str) -> float:
    """Parse a number from 0 to 100."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", value) or not float(value) <= 100:
        raise ValueError("a number from 0 to 100")
    return float(value)


def log_level(value: str) -> str:
    """Parse a level of the log."""
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("DEBUG, INFO, WARNING or ERROR")
    return value.upper()


def log_format(value: str) -> str:
    """Parse the form of log lines."""
    if value.lower() not in {"auto", "json", "text"}:
        raise ValueError("auto, json or text")
    return value.lower()


def switch(value: str) -> bool:
    """Parse on or off."""
    if value.lower() not in {"on", "off"}:
        raise ValueError("on or off")
    return value.lower() == "on"


def script_name(value: str) -> str:
    """Parse the file name of a script."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}\.js", value):
        raise ValueError("a file name like storefront.js")
    return value


def url(value: str) -> str:
    """Parse an address of the web."""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError("an address that begins with http:// or https://")
    return value


def zone(value: str) -> ZoneInfo:
    """Return a time zone by its name."""
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("the name of a time zone, such as Europe/Berlin") from None
