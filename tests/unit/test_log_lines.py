"""Log lines: JSON for machines, text for a person at a terminal, and no secret in either."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys

import pytest

from testing.gunicorn_server import ROOT
from tracker.web.observability import JsonFormatter, LogFormatter, TextFormatter

SECRET = "a-token-of-the-owner"


def record(level: int, message: str, *arguments: object, **keys: object) -> logging.LogRecord:
    made = logging.LogRecord("tracker.test", level, "", 0, message, arguments, None)
    vars(made).update(keys)
    return made


def test_text_is_the_time_the_message_and_the_keys() -> None:
    made = record(logging.INFO, "%s requests in a minute", 3, requests={"GET / 200": 3}, mean_ms=1.5)

    time, rest = TextFormatter().format(made).split("  ", 1)

    assert len(time) == len("12:00:00")
    assert rest == "3 requests in a minute  (requests GET / 200: 3, mean_ms 1.5)"


def test_text_names_every_level_but_the_usual_one() -> None:
    assert TextFormatter().format(record(logging.WARNING, "the disk is full")).endswith("  WARNING: the disk is full")


def test_text_cannot_steer_the_terminal() -> None:
    line = TextFormatter().format(record(logging.INFO, "page \x1b[2J\nnext", key="\x07"))

    assert line.endswith("page \\u001b[2J\\nnext  (key \\u0007)")


@pytest.mark.parametrize("formatter", [JsonFormatter([SECRET]), TextFormatter([SECRET])], ids=["json", "text"])
def test_secret_is_hidden_wherever_it_stands(formatter: LogFormatter) -> None:
    try:
        int(f"with {SECRET} in it")
    except ValueError:
        made = record(logging.ERROR, "failed for %s", SECRET, key={"token": SECRET, "later": "chosen-in-a-browser"})
        made.exc_info = sys.exc_info()
    formatter.hide("chosen-in-a-browser")

    line = formatter.format(made)

    assert "with *** in it" in line
    assert SECRET not in line
    assert "chosen-in-a-browser" not in line


def printed_line(form: str, *, at_terminal: bool) -> str:
    code = f"import logging; from tracker.web.observability import *; configure_logging('INFO', (), {form!r})"
    command = [sys.executable, "-c", f"{code}; logging.info('hello')"]
    if not at_terminal:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    controller, terminal = pty.openpty()
    try:
        subprocess.run(command, cwd=ROOT, stderr=terminal, check=True)
        return os.read(controller, 4096).decode()
    finally:
        os.close(controller)
        os.close(terminal)


def test_lines_at_a_terminal_are_text_and_elsewhere_json() -> None:
    assert json.loads(printed_line("auto", at_terminal=False))["message"] == "hello"
    assert printed_line("auto", at_terminal=True).rstrip().endswith("  hello")
    assert json.loads(printed_line("json", at_terminal=True))["message"] == "hello"
