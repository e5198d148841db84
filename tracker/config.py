"""The table of all settings and the frozen Config read from it: the only reader of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class ConfigError(Exception):
    """A setting has an invalid value; the message names the setting and says which values are valid."""


def _text(value: str) -> str:
    return value


def _token(value: str) -> str:
    # Anyone who guesses it can read and delete sessions. It is also removed from log lines wherever it occurs, so a
    # short one would remove ordinary words.
    if len(value) < 16 or not value.isprintable():
        raise ValueError("a long random text of at least 16 characters")
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser()


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,16}", value) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def _database_url(value: str) -> str:
    if not re.fullmatch(r"postgres(ql)?://\S+", value):
        raise ValueError("an address like postgresql://user:password@host/name")
    if find_spec("psycopg") is None:
        raise ValueError(
            "left empty until its driver is installed: pip install --require-hashes -r requirements-postgres.txt"
        )
    return value


_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9._-]+(:[0-9]{1,5})?")


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/").lower() for part in value.split(",") if part.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("origins like https://shop.example or https://*.myshopify.com, with commas between them")
    return origins


def _secrets(value: str) -> tuple[str, ...]:
    secrets = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(len(secret) >= 16 and secret.isascii() and secret.isprintable() for secret in secrets):
        raise ValueError("the key that Shopify shows for its webhooks; two of them with a comma between")
    return secrets


def _domain(value: str) -> str:
    domain = value.lower().removeprefix("https://").rstrip("/")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
        raise ValueError("a name like your-shop.myshopify.com")
    return domain


def _percent(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", value) or not float(value) <= 100:
        raise ValueError("a number from 0 to 100")
    return float(value)


def _zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("the name of a time zone, such as Europe/Berlin") from None


def _log_level(value: str) -> str:
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("DEBUG, INFO, WARNING or ERROR")
    return value.upper()


def _switch(value: str) -> bool:
    if value.lower() not in {"on", "off"}:
        raise ValueError("on or off")
    return value.lower() == "on"


def _script_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}\.js", value):
        raise ValueError("a file name like storefront.js")
    return value


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError("an address that begins with http:// or https://")
    return value


def _passwords(url: str) -> set[str]:
    """Return the password of an address, as it is written there and as it is."""
    parts = urlsplit(url)
    written = {parts.password or "", *parse_qs(parts.query).get("password", [])}
    # Shorter ones would remove ordinary words; the address as a whole is removed all the same.
    return {text for password in written for text in (password, unquote(password)) if len(text) >= 6}


@dataclass(frozen=True, slots=True)
class Setting:
    """An environment variable: its name, the function that parses its text, and its description for an owner."""

    name: str
    parse: Callable[[str], Any]
    help: str


def _setting(name: str, parse: Callable[[str], Any], default: Any, help: str) -> Any:
    return field(default=default, metadata={"setting": Setting(name, parse, help)})


_COUNT = _whole_number(1, 1_000_000)
_BYTES = _whole_number(256, 1 << 30)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The values of all settings, checked once at the start. Sizes are bytes, times are seconds."""

    storage_file: Path = _setting(
        "TRACKER_STORAGE_FILE",
        _path,
        Path("tracker_storage.json"),
        "The JSON file in which sessions are stored. On Render, put it on a mounted disk.",
    )
    database_url: str = _setting(
        "DATABASE_URL",
        _database_url,
        "",
        "The address of a PostgreSQL database in which sessions are stored instead, for several machines or a host"
        " without a disk; see docs/scale.md. Empty: the session file.",
    )
    database_connections: int = _setting(
        "DATABASE_CONNECTIONS",
        _whole_number(1, 1000),
        8,
        "The most connections of one process to that database. Machines x processes x this number must stay below"
        " the server's own limit.",
    )
    allowed_origins: tuple[str, ...] = _setting(
        "ALLOWED_ORIGINS",
        _origins,
        (),
        "The shop's addresses, separated by commas; `*` in `https://*.myshopify.com` stands for one label."
        " Empty: any site may post.",
    )
    admin_token: str = _setting(
        "ADMIN_TOKEN",
        _token,
        "",
        "The owner's password for the pages and for /sessions: a random text of at least 16 characters. Empty: all of"
        " them are closed.",
    )
    shopify_webhook_secret: tuple[str, ...] = _setting(
        "SHOPIFY_WEBHOOK_SECRET",
        _secrets,
        (),
        "The key that Shopify signs its webhooks with; while a new one takes its place, both with a comma between."
        " Empty: webhooks are refused.",
    )
    shopify_shop_domain: str = _setting(
        "SHOPIFY_SHOP_DOMAIN",
        _domain,
        "",
        "The shop's address at Shopify, as your-shop.myshopify.com: webhooks of other shops are refused."
        " Empty: the signature alone decides.",
    )
    groq_api_key: str = _setting("GROQ_API_KEY", _text, "", "The API key for Groq. Empty: built-in rules decide.")
    groq_model: str = _setting("GROQ_MODEL", _text, "openai/gpt-oss-20b", "The model at Groq that is asked.")
    groq_base_url: str = _setting(
        "GROQ_BASE_URL",
        _url,
        "https://api.groq.com",
        "Another server that speaks the same protocol, for tests and local models.",
    )
    shop_file: Path = _setting(
        "TRACKER_SHOP_FILE",
        _path,
        Path("shop.toml"),
        "The file with the messages and offers that popups may show; see shop.example.toml. Without it a popup"
        " only leads back to the cart.",
    )
    holdout_percent: float = _setting(
        "HOLDOUT_PERCENT",
        _percent,
        20.0,
        "The percentage of browsers that are shown no popup, so that you can see whether popups sell. 0: none, and"
        " nobody can tell. Another value begins the comparison anew. A demo shop holds nobody back.",
    )
    shop_timezone: ZoneInfo = _setting(
        "SHOP_TIMEZONE",
        _zone,
        ZoneInfo("UTC"),
        "The shop's time zone, such as Europe/Berlin or America/New_York: the days of all figures are its days.",
    )
    keep_days: int = _setting(
        "KEEP_DAYS",
        _whole_number(0, 36_500),
        90,
        "How many days a visit is kept after it was last heard of; then only its figures stay. 0: for ever.",
    )
    model_daily_calls: int = _setting(
        "MODEL_DAILY_CALLS", _whole_number(0, 10_000_000), 1000, "The most questions to the model a day (UTC)."
    )
    model_daily_tokens: int = _setting(
        "MODEL_DAILY_TOKENS",
        _whole_number(0, 10_000_000_000),
        2_000_000,
        "The most tokens that the model may use a day (UTC).",
    )
    model_cool_down: int = _setting(
        "MODEL_COOL_DOWN",
        _whole_number(0, 86_400),
        25,
        "The least number of seconds between two questions to the model about the same session: 20 to 30 do well."
        " Leaving does not wait for it.",
    )
    model_calls_at_once: int = _setting(
        "MODEL_CALLS_AT_ONCE",
        _whole_number(1, 1000),
        16,
        "The most questions to the model that one process has open at the same time.",
    )
    storefront_script: str = _setting(
        "STOREFRONT_SCRIPT",
        _script_name,
        "storefront.js",
        "The file name under which the storefront script is served; ad blockers know names like tracker.js.",
    )
    demo_shop: bool = _setting(
        "DEMO_SHOP",
        _switch,
        False,
        "on: serve a demo shop at /demo. `python3 run.py` turns it on if only this machine can reach the service.",
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES",
        _whole_number(0, 10),
        0,
        "The number of proxies in front of the service whose X-Forwarded-... headers are trusted.",
    )
    request_timeout: int = _setting(
        "REQUEST_TIMEOUT",
        _whole_number(1, 600),
        20,
        "The seconds that a request may take to arrive, headers and body together, from its first byte on.",
    )
    send_timeout: int = _setting(
        "SEND_TIMEOUT", _whole_number(1, 600), 20, "The seconds that a client may take to read an answer."
    )
    log_level: str = _setting(
        "LOG_LEVEL", _log_level, "INFO", "The least severe level that is logged: DEBUG, INFO, WARNING or ERROR."
    )
    max_body_bytes: int = _setting("MAX_BODY_BYTES", _BYTES, 1 << 20, "The largest body accepted, after decompression.")
    max_event_bytes: int = _setting(
        "MAX_EVENT_BYTES", _BYTES, 8192, "The largest event stored; a larger one is left out."
    )
    max_depth: int = _setting(
        "MAX_DEPTH", _whole_number(5, 200), 16, "The deepest nesting of a body; its outermost brace is level 1."
    )
    max_body_events: int = _setting("MAX_BODY_EVENTS", _COUNT, 5000, "The most events in one body.")
    max_pages: int = _setting("MAX_PAGES", _COUNT, 200, "The most pages in one body, and in one session.")
    max_session_events: int = _setting(
        "MAX_SESSION_EVENTS", _COUNT, 5000, "The most events stored for one session; the newest are kept."
    )
    max_session_bytes: int = _setting(
        "MAX_SESSION_BYTES", _BYTES, 2 << 20, "The most bytes of events stored for one session; the newest are kept."
    )

    @property
    def storage_url(self) -> str:
        """Where sessions are kept: the database's address, or that of the session file."""
        return self.database_url or f"file:{self.storage_file}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that no log may hold."""
        return (
            self.groq_api_key,
            self.admin_token,
            *self.shopify_webhook_secret,
            self.database_url,
            *_passwords(self.database_url),
        )

    def __repr__(self) -> str:
        """Return a text without any value, so that a configuration in a log or a trace reveals no key."""
        return f"<Config of {len(fields(self))} settings>"


SETTINGS: Mapping[str, tuple[str, Setting, Any]] = {
    f.metadata["setting"].name: (f.name, f.metadata["setting"], f.default) for f in fields(Config)
}
"""Environment name -> (Config attribute, the setting, its default)."""


def load_config(environment: Mapping[str, str] | None = None) -> Config:
    """Return the Config of the environment; an absent or empty variable takes its default.

    Raises ConfigError, which names the first invalid variable.
    """
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for name, (attribute, setting, _default) in SETTINGS.items():
        text = source.get(name, "").strip()
        if not text:
            continue
        try:
            values[attribute] = setting.parse(text)
        except ValueError as error:
            raise ConfigError(f"{name} must be {error}") from None
    return Config(**values)
