"""How commands speak: plainly to people, in JSON to machines, and in one line when something fails."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Progress, SessionStore, StoreError

as_json = click.option("--json", "for_machines", is_flag=True, help="Print JSON, one object a line.")
session_id = click.argument("session_id", metavar="ID")

# Control characters could steer the owner's terminal, the others reorder or hide what it shows. All of them stand
# inside strings where they occur in JSON, so their JSON escapes can take their place in any output.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


class RefusedError(click.ClickException):
    """Something that the user can do otherwise: one line, exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__(safe(message))


def safe(text: str) -> str:
    """Give the text with every character that a terminal would act on spelled as in JSON."""
    return _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def say(text: str) -> None:
    """Print a line for people. Whatever of it a shopper's browser or a file brought in stays text."""
    click.echo(safe(text))


def json_line(value: object) -> str:
    """Spell the value as JSON, in one line that is safe to show on a terminal."""
    return safe(json.dumps(value, ensure_ascii=False))


def done(for_machines: bool, text: str, **facts: Any) -> None:
    """Say what was done: the text, or the facts after `"ok": true`."""
    click.echo(json_line({"ok": True, **facts}) if for_machines else safe(text))


def when(ms: int) -> str:
    """Give a moment as people read it, UTC."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        # Within 2^53 and beyond the year 9999: a shopper's clock may say so.
        return f"{ms} ms"


def found(store: SessionStore, session_id: str) -> ShopperSession:
    """Give the session. Raises RefusedError where there is none."""
    session = store.get(session_id)
    if session is None:
        raise RefusedError(f"No session {session_id} is stored.")
    return session


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn what can go wrong into one line on standard error, and log lines into text that people read."""
    try:
        with _plain_log():
            yield
    except StoreError as error:
        cause = error.__cause__
        why = f" ({cause.strerror})" if isinstance(cause, OSError) and cause.strerror else ""
        raise RefusedError(f"{error}{why}") from error
    except BrokenPipeError:
        # `flask sessions list | head` has read enough. What Python still holds for the pipe must go somewhere quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


@contextmanager
def progress_bar(label: str, hidden: bool) -> Iterator[Progress]:
    """Show a bar on standard error while a person waits; nothing in a pipe."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden or not sys.stderr.isatty()) as bar:

        def report(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield report


class _PlainFormatter(logging.Formatter):
    """Gives only the message, after the formatter of the service has blotted out the keys in it."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return "Note: " + safe(str(json.loads(self._inner.format(record))["message"]))


def _is_news(record: logging.LogRecord) -> bool:
    # A failure of the store is what the command itself ends with.
    return record.levelno >= logging.WARNING and not (
        record.levelno == logging.ERROR and record.name.startswith("tracker.storage.")
    )


@contextmanager
def _plain_log() -> Iterator[None]:
    handlers = [(handler, handler.formatter) for handler in logging.getLogger().handlers]
    ours = [(handler, formatter) for handler, formatter in handlers if type(handler) is logging.StreamHandler]
    for handler, formatter in ours:
        if formatter is not None:
            handler.setFormatter(_PlainFormatter(formatter))
        handler.addFilter(_is_news)
    try:
        yield
    finally:
        for handler, formatter in ours:
            handler.setFormatter(formatter)
            handler.removeFilter(_is_news)
