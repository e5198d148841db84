"""The environment that settings are read from: .env, and above it the variables of the process.

Every fault is told with its place, such as ".env line 14", because a value may stand in two places, and the one that is
looked at is often not the one that counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from dotenv.main import resolve_variables
from dotenv.parser import Binding, parse_stream

from tracker.config import SETTINGS, ConfigError

SERVER_SETTINGS: Mapping[str, str] = {"HOST": "127.0.0.1", "PORT": "8000", "WEB_CONCURRENCY": "2"}
"""The settings that only the server reads, with their defaults."""
_OF_OTHERS = {"DOMAIN", "UPSTREAM", "GUNICORN_CMD_ARGS", "PYTHON_VERSION", "COMPOSE_PROJECT_NAME", "TZ"}
"""Names in .env that other programs read."""
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|URL")
_LEAST_LIKENESS = 0.75


@dataclass(frozen=True, slots=True)
class Environment:
    """All variables that are set, and where."""

    values: Mapping[str, str]
    """Without empty ones: an empty value counts as absent."""
    lines: Mapping[str, int]
    """The line of .env of each value that comes from there, by the setting's name."""
    unread: tuple[int, ...] = ()
    """The lines of .env that are neither a setting nor a comment."""
    unknown: tuple[str, ...] = ()
    """The names in .env that nothing reads."""

    def place(self, name: str) -> str:
        """Return where a value stands, in words."""
        return f".env line {self.lines[name]}" if name in self.lines else "the environment"


def read_environment(env_file: Path, process: Mapping[str, str] | None = None) -> Environment:
    """Return what .env and the process set; a missing file sets nothing.

    Raises ConfigError where .env cannot be read.
    """
    process = os.environ if process is None else process
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    unread: list[int] = []
    for binding in _bindings(env_file):
        line = _first_line(binding.original.string, binding.original.line)
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
            lines[binding.key] = line
        elif binding.error or binding.key is not None:
            unread.append(line)
    values = {name: text or "" for name, text in resolve_variables(values.items(), override=False).items()}
    known = {*SETTINGS, *SERVER_SETTINGS, *_OF_OTHERS}
    unknown = tuple(name for name in values if name not in known and not name.startswith("FLASK_"))
    ours = {name: text.strip() for name, text in {**values, **process}.items() if text.strip()}
    # tracker.wsgi copies .env into the variables of the process, so an equal value is that of the file.
    in_force = {
        name: line for name, line in lines.items() if name in ours and process.get(name, values[name]) == values[name]
    }
    return Environment(ours, in_force, tuple(unread), unknown)


def _bindings(env_file: Path) -> list[Binding]:
    try:
        with env_file.open(encoding="utf-8-sig") as stream:
            return list(parse_stream(stream))
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise ConfigError(".env cannot be read: it must be a text file in UTF-8.") from None
    except OSError as error:
        why = (error.strerror or "it cannot be opened").lower()
        raise ConfigError(f".env cannot be read ({why}): it must be a file that this user may read.") from None


def _first_line(statement: str, line: int) -> int:
    """Return the line on which a statement itself begins; the parser counts blank lines before it to the statement."""
    return line + len(statement) - len(statement.lstrip("\n")) if statement.strip() else line


# --- What is wrong ----------------------------------------------------------------------------------------------------


def faults(environment: Environment) -> list[str]:
    """Return a sentence for each value with which the service cannot start."""
    return list(_faults(environment).values())


def faulty_names(environment: Environment) -> set[str]:
    """Return the settings whose values are wrong."""
    return set(_faults(environment))


def _faults(environment: Environment) -> dict[str, str]:
    found = {}
    for name, parse in _parsers():
        text = environment.values.get(name)
        if text is None:
            continue
        try:
            parse(text)
        except ValueError as error:
            shown = "" if _SECRET.search(name) else f", not {text!r}"
            found[name] = f"{name} must be {error}{shown} ({environment.place(name)})."
    return found


def doubts(environment: Environment) -> list[str]:
    """Return a sentence for each line of .env that has no effect."""
    found = [f".env line {line} is not a setting: a setting is written NAME=value." for line in environment.unread]
    for name in environment.unknown:
        known = meant(name)
        hint = f" Do you mean {known}?" if known else ""
        found.append(f"{name} is no setting, so it has no effect ({environment.place(name)}).{hint}")
    return found


def meant(name: str) -> str | None:
    """Return the setting whose name is most like this one; None where none is."""
    known = [*SETTINGS, *SERVER_SETTINGS]
    return next(iter(get_close_matches(name.upper(), known, 1, _LEAST_LIKENESS)), None)


def _parsers() -> Iterator[tuple[str, Callable[[str], object]]]:
    for name, (_, setting, _) in SETTINGS.items():
        yield name, setting.parse
    yield "HOST", parse_host
    yield "PORT", lambda text: parse_number(text, 65535)
    yield "WEB_CONCURRENCY", lambda text: parse_number(text, 64)


def parse_host(text: str) -> str:
    """Return an address to listen on. Raises ValueError for one with a port or a scheme."""
    if not re.fullmatch(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?", text):
        raise ValueError("an address without http:// and without a port, such as 127.0.0.1 or 0.0.0.0")
    return text


def parse_number(text: str, most: int) -> int:
    """Return a whole number from 1 to `most`. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= most:
        raise ValueError(f"a whole number from 1 to {most}")
    return int(text)
