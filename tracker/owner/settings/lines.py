"""The settings as an owner reads them: name, value, and where the value comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tracker.config import SETTINGS, Config, ConfigError
from tracker.environment import Environment, meant, read_environment

_SECRET: Final = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD)\Z")
_PASSWORD_IN_URL: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=[?&]password=)[^&\s]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """One setting."""

    name: str
    help: str
    value: str
    """As it would be written in .env; "set" for a secret; empty if nothing is set."""
    origin: str
    """Where the value stands: a line of .env, the environment, or "default"."""

    @property
    def is_set(self) -> bool:
        """Whether it differs from its default."""
        return self.origin != "default"


def setting_lines(config: Config, env_file: Path | None) -> list[SettingLine]:
    """Return every setting with the value that is in force."""
    environment = _read(env_file)
    found = []
    for name, (attribute, setting, default) in SETTINGS.items():
        value = getattr(config, attribute)
        origin = "default" if value == default else environment.place(name)
        found.append(SettingLine(name=name, help=setting.help, value=_written(name, value), origin=origin))
    return found


def unknown_names(env_file: Path | None) -> list[tuple[str, str | None]]:
    """Return the names in .env that no part of the service reads, each with the name that was probably meant."""
    return [(name, meant(name)) for name in sorted(_read(env_file).unknown)]


def _read(env_file: Path | None) -> Environment:
    try:
        return read_environment(env_file) if env_file else Environment({}, {})
    except ConfigError:
        return Environment({}, {})


def _written(name: str, value: Any) -> str:
    if value in ("", (), None):
        return ""
    if _SECRET.search(name):
        return "set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return _PASSWORD_IN_URL.sub("***", text)
