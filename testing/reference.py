"""The pages of reference, made from the code: the settings and the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tracker.app import create_app
from tracker.config import SETTINGS, Config
from tracker.environment import SERVER_SETTINGS

ROOT = Path(__file__).resolve().parents[1]


# --- Settings ---------------------------------------------------------------------------------------------------------


def written(default: Any) -> str:
    """Return a default as it is written in .env."""
    if default is None:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, float):
        return f"{default:g}"
    return ",".join(default) if isinstance(default, tuple) else str(default)


DEFAULTS = {name: written(default) for name, (_, _, default) in SETTINGS.items()} | dict(SERVER_SETTINGS)
"""Setting -> its default, as .env.example shows it."""


def settings() -> str:
    """Return the tables of all settings, in the order and under the headings of .env.example."""
    lines: list[str] = []
    for heading, names in _groups():
        lines += [f"## {heading}", "", "| Setting | Default | What it is |", "|---|---|---|"]
        lines += [_setting_row(name, said) for name, said in names.items()]
        lines.append("")
    return "\n".join(lines).rstrip()


def _groups() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the headings of .env.example, each with its settings and what it says about them."""
    text = (ROOT / ".env.example").read_text("utf-8")
    _before, *parts = re.split(r"^# --- (.*) ---$", text, flags=re.MULTILINE)
    for heading, part in zip(parts[::2], parts[1::2], strict=True):
        found = re.findall(r"((?:^# .*\n)+?)^# ([A-Z][A-Z0-9_]*)=", part, re.MULTILINE)
        names = {name: " ".join(line.removeprefix("# ") for line in said.splitlines()) for said, name in found}
        yield heading.partition(":")[0], names


def _setting_row(name: str, said: str) -> str:
    """Return one row: the code's own description, or for what only Gunicorn reads that of .env.example."""
    description = SETTINGS[name][1].help if name in SETTINGS else said
    default = f"`{DEFAULTS[name]}`" if DEFAULTS[name] else "empty"
    return f"| `{name}` | {default} | {in_table(description)} |"


# --- Commands ---------------------------------------------------------------------------------------------------------


def own_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command of the owner and the operator with its name, such as `sessions list`."""
    for name, command in create_app(Config()).cli.commands.items():
        if command.hidden:
            continue  # a former name
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", one) for below, one in command.commands.items())
        else:
            yield name, command


def commands() -> str:
    """Return a table of every command, with its arguments and options, and the first paragraph of its help."""
    rows = []
    for name, command in own_commands():
        context = click.Context(command)
        said = " ".join((command.help or "").partition("\n\n")[0].split())
        usage = " ".join(["flask", name, *(_usage(one, context) for one in command.params if one.name != "help")])
        rows.append(f"| `{usage}` | {in_table(said)} |")
    return "\n".join(["| Command | What it does |", "|---|---|", *rows])


def _usage(parameter: click.Parameter, context: click.Context) -> str:
    """Return a parameter as a usage line shows it: `ID`, `[FILE]`, `--older-than AGE`, `[--json]`."""
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(context)
    name = parameter.opts[-1] if parameter.opts[-1].startswith("--") else parameter.opts[0]
    takes_value = isinstance(parameter, click.Option) and not parameter.is_flag
    usage = f"{name} {_value(parameter, context)}" if takes_value else name
    return usage if parameter.required else f"[{usage}]"


def _value(parameter: click.Parameter, context: click.Context) -> str:
    if parameter.metavar:
        return parameter.metavar
    is_number = isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType)
    return "N" if is_number else str(parameter.name).upper()


def in_table(text: str) -> str:
    """Return text as Markdown shows it unchanged in a table: a bar would end the cell, and <id> would be HTML."""
    outside_code, *rest = re.split(r"(`[^`]*`)", text.replace("|", r"\|"))
    parts = [outside_code, *rest]
    return "".join(part if part.startswith("`") else part.replace("<", r"\<") for part in parts)
