"""Writing a setting into .env: the whole file or nothing of it, and no other line changed."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values


class EnvFileError(Exception):
    """The file cannot be written; the message says what to do, and names no path."""


def write_setting(path: Path, name: str, value: str) -> None:
    """Set `name` in the file at `path`, which need not exist, and let nobody but its owner read it.

    A line of that name takes the value; so does the commented line of .env.example; else a line is added. Raises
    EnvFileError.
    """
    target = path.resolve()
    try:
        old = target.read_bytes().decode() if target.exists() else ""
        new = with_setting(old, name, value)
        if dotenv_values(stream=StringIO(new), interpolate=False).get(name) != value:
            raise EnvFileError(f"This value cannot be written into .env: write the line {name}=... there by hand.")
        _replace(target, new)
    except (OSError, UnicodeDecodeError) as error:
        raise EnvFileError(f".env cannot be written: write the line {name}=... there by hand.") from error


def with_setting(text: str, name: str, value: str) -> str:
    """Return the text of a .env file with a setting in it."""
    line = f"{name}={value}"
    active = list(re.finditer(rf"^[ \t]*(?:export[ \t]+)?{name}[ \t]*=[^\r\n]*", text, re.MULTILINE))
    found = active[-1] if active else re.search(rf"^#[ \t]*{name}=[ \t]*(?=\r?$)", text, re.MULTILINE)
    if found:
        return f"{text[: found.start()]}{line}{text[found.end() :]}"
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"


def _replace(target: Path, text: str) -> None:
    descriptor, beside = tempfile.mkstemp(prefix=f"{target.name}.", dir=target.parent)  # with mode 600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(beside).replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise
