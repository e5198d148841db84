"""The table of all settings and the frozen Config read from it: the only reader of the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from tracker import setting_values as kinds


class ConfigError(Exception):
    """A setting has an invalid value; the message names the setting and says which values are valid."""


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


_COUNT = kinds.whole_number(1, 1_000_000)
_BYTES = kinds.whole_number(256, 1 << 30)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The values of all settings, checked once at the start. Sizes are bytes, times are seconds."""

    storage_file: Path = _setting(
        "TRACKER_STORAGE_FILE",
        kinds.path,
        Path("tracker_storage.json"),
        "The JSON file in which sessions are stored. On Render, put it on a mounted disk.",
    )
    database_url: str = _setting(
        "DATABASE_URL",
        kinds.database_url,
        "",
        "The address of a PostgreSQL database in which sessions are stored instead, for several machines or a host"
        " without a disk; see docs/scale.md. Empty: the session file.",
    )
    database_connections: int = _setting(
        "DATABASE_CONNECTIONS",
        kinds.whole_number(1, 1000),
        8,
        "The most connections of one process to that database. Machines x processes x this number must stay below"
        " the server's own limit.",
    )
    allowed_origins: tuple[str, ...] = _setting(
        "ALLOWED_ORIGINS",
        kinds.origins,
        (),
        "The shop's addresses, separated by commas; `*` in `https://*.myshopify.com` stands for one label."
        " Empty: any site may post.",
    )
    admin_token: str = _setting(
        "ADMIN_TOKEN",
        kinds.token,
        "",
        "The owner's password for the pages and for /sessions: a random text of at least 16 characters. Empty: all of"
        " them are closed.",
    )
    shopify_webhook_secret: tuple[str, ...] = _setting(
        "SHOPIFY_WEBHOOK_SECRET",
        kinds.secrets,
        (),
        "The key that Shopify signs its webhooks with; while a new one takes its place, both with a comma between."
        " Empty: webhooks are refused.",
    )
    shopify_shop_domain: str = _setting(
        "SHOPIFY_SHOP_DOMAIN",
        kinds.domain,
        "",
        "The shop's address at Shopify, as your-shop.myshopify.com: webhooks of other shops are refused."
        " Empty: the signature alone decides.",
    )
    groq_api_key: str = _setting("GROQ_API_KEY", kinds.text, "", "The API key for Groq. Empty: built-in rules decide.")
    groq_model: str = _setting("GROQ_MODEL", kinds.text, "openai/gpt-oss-20b", "The model at Groq that is asked.")
    groq_base_url: str = _setting(
        "GROQ_BASE_URL",
        kinds.url,
        "https://api.groq.com",
        "Another server that speaks the same protocol, for tests and local models.",
    )
    shop_file: Path = _setting(
        "TRACKER_SHOP_FILE",
        kinds.path,
        Path("shop.toml"),
        "The file with the messages and offers that popups may show; see shop.example.toml. Without it a popup"
        " only leads back to the cart.",
    )
    holdout_percent: float = _setting(
        "HOLDOUT_PERCENT",
        kinds.percent,
        20.0,
        "The percentage of browsers that are shown no popup, so that you can see whether popups sell. 0: none, and"
        " nobody can tell. Another value begins the comparison anew. A demo shop holds nobody back.",
    )
    shop_timezone: ZoneInfo = _setting(
        "SHOP_TIMEZONE",
        kinds.zone,
        ZoneInfo("UTC"),
        "The shop's time zone, such as Europe/Berlin or America/New_York: the days of all figures are its days.",
    )
    keep_days: int = _setting(
        "KEEP_DAYS",
        kinds.whole_number(0, 36_500),
        90,
        "How many days a visit is kept after it was last heard of; then only its figures stay. 0: for ever.",
    )
    max_store_bytes: int | None = _setting(
        "MAX_STORE_BYTES",
        kinds.whole_number(0, 1 << 50),
        None,
        "The size of the session file at which the visits that were not heard of for longest are deleted, down to three"
        " quarters of it; their figures stay. 0: it may grow without end. Empty: a third of its disk."
        " For a database: what the records take; empty: no bound.",
    )
    model_daily_calls: int = _setting(
        "MODEL_DAILY_CALLS", kinds.whole_number(0, 10_000_000), 1000, "The most questions to the model a day (UTC)."
    )
    model_daily_tokens: int = _setting(
        "MODEL_DAILY_TOKENS",
        kinds.whole_number(0, 10_000_000_000),
        2_000_000,
        "The most tokens that the model may use a day (UTC).",
    )
    model_cool_down: int = _setting(
        "MODEL_COOL_DOWN",
        kinds.whole_number(0, 86_400),
        25,
        "The least number of seconds between two questions to the model about the same session: 20 to 30 do well."
        " Leaving does not wait for it.",
    )
    model_calls_at_once: int = _setting(
        "MODEL_CALLS_AT_ONCE",
        kinds.whole_number(1, 1000),
        16,
        "The most questions to the model that one process has open at the same time.",
    )
    storefront_script: str = _setting(
        "STOREFRONT_SCRIPT",
        kinds.script_name,
        "storefront.js",
        "The file name under which the storefront script is served; ad blockers know names like tracker.js.",
    )
    demo_shop: bool = _setting(
        "DEMO_SHOP",
        kinds.switch,
        False,
        "on: serve a demo shop at /demo. `python3 run.py` turns it on if only this machine can reach the service.",
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES",
        kinds.whole_number(0, 10),
        0,
        "The number of proxies in front of the service whose X-Forwarded-... headers are trusted.",
    )
    request_timeout: int = _setting(
        "REQUEST_TIMEOUT",
        kinds.whole_number(1, 600),
        20,
        "The seconds that a request may take to arrive, headers and body together, from its first byte on.",
    )
    send_timeout: int = _setting(
        "SEND_TIMEOUT", kinds.whole_number(1, 600), 20, "The seconds that a client may take to read an answer."
    )
    rate_limits: bool = _setting(
        "RATE_LIMITS",
        kinds.switch,
        True,
        "off: addresses and sessions have no bounds, for load tests and behind a proxy that limits.",
    )
    store_bots: bool = _setting(
        "STORE_BOTS",
        kinds.switch,
        False,
        "on: visits of search engines, monitors and driven browsers are stored like those of shoppers, for tests. A"
        " demo shop stores them always.",
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        kinds.log_level,
        "INFO",
        "The least severe level that is logged: DEBUG, INFO, WARNING or ERROR. INFO counts requests in a line a minute;"
        " DEBUG has a line for each.",
    )
    log_format: str = _setting(
        "LOG_FORMAT",
        kinds.log_format,
        "auto",
        "How log lines are written: json, text for people, or auto, which is text at a terminal and JSON elsewhere.",
    )
    max_body_bytes: int = _setting("MAX_BODY_BYTES", _BYTES, 1 << 20, "The largest body accepted, after decompression.")
    max_event_bytes: int = _setting(
        "MAX_EVENT_BYTES", _BYTES, 8192, "The largest event stored; a larger one is left out."
    )
    max_depth: int = _setting(
        "MAX_DEPTH", kinds.whole_number(5, 200), 16, "The deepest nesting of a body; its outermost brace is level 1."
    )
    max_body_events: int = _setting("MAX_BODY_EVENTS", _COUNT, 5000, "The most events in one body.")
    max_pages: int = _setting("MAX_PAGES", _COUNT, 200, "The most pages in one body, and in one session.")
    max_session_events: int = _setting(
        "MAX_SESSION_EVENTS", _COUNT, 5000, "The most events stored for one session; the newest are kept."
    )
    max_session_bytes: int = _setting(
        "MAX_SESSION_BYTES", _BYTES, 512 << 10, "The most bytes of events stored for one session; the newest are kept."
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
