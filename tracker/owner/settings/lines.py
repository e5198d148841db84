"""The settings as an owner reads them: name, value, and where the value comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from tracker.config import SETTINGS, Config

_SECRET: Final = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD)\Z")
_OF_THE_SERVER: Final = ("HOST", "PORT", "WEB_CONCURRENCY")
"""Settings that only gunicorn.conf.py reads."""
_PASSWORD_IN_URL: Final = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """One setting."""

    name: str
    help: str
    value: str
    """As it would be written in .env; "set" for a secret; empty if nothing is set."""
    origin: str
    """Where the value comes from: .env, the environment, or the default."""

    @property
    def is_set(self) -> bool:
        """Whether it differs from its default."""
        return self.origin != "default"


def setting_lines(config: Config, env_file: Path | None) -> list[SettingLine]:
    """Return every setting with the value that is in force."""
    in_file = _of_file(env_file)
    found = []
    for name, (attribute, setting, default) in SETTINGS.items():
        value = getattr(config, attribute)
        written_in = ".env" if name in in_file else "the environment"
        origin = "default" if value == default else written_in
        found.append(SettingLine(name=name, help=setting.help, value=_written(name, value), origin=origin))
    return found


def unknown_names(env_file: Path | None) -> list[tuple[str, str | None]]:
    """Return the names in .env that no part of the service reads, each with the name that was probably meant."""
    known = [*SETTINGS, *_OF_THE_SERVER]
    unknown = sorted(name for name in _of_file(env_file) if name not in known)
    return [(name, next(iter(get_close_matches(name.upper(), known, 1, 0.7)), None)) for name in unknown]


def _of_file(env_file: Path | None) -> Mapping[str, str]:
    if env_file is None:
        return {}
    try:
        return {name: value for name, value in dotenv_values(env_file).items() if value}
    except (OSError, UnicodeDecodeError):
        return {}


def _written(name: str, value: Any) -> str:
    if value in ("", ()):
        return ""
    if _SECRET.search(name):
        return "set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return _PASSWORD_IN_URL.sub("***@", text)
