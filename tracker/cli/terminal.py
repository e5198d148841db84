"""The output of all commands: plain text for people, JSON for machines, and one line when something fails."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Progress, SessionStore, StoreError
from tracker.web.observability import LogFormatter, safe_at_terminal

as_json = click.option("--json", "for_machines", is_flag=True, help="Print JSON, one object a line.")
session_id = click.argument("session_id", metavar="ID")


class RefusedError(click.ClickException):
    """The command cannot do what was asked: one line says why and what to do, and the exit status is 1."""

    def __init__(self, message: str) -> None:
        super().__init__(safe_at_terminal(message))


def say(text: str) -> None:
    """Print a line for people. No part of it that came from a shopper's browser or a file can steer the terminal."""
    click.echo(safe_at_terminal(text))


def note(text: str) -> None:
    """Print a line for people on standard error, where it cannot get among the results."""
    click.echo(f"Note: {safe_at_terminal(text)}", err=True)


def json_line(value: object) -> str:
    """Return the value as one line of JSON that is safe to print on a terminal."""
    return safe_at_terminal(json.dumps(value, ensure_ascii=False))


def done(for_machines: bool, text: str, **facts: Any) -> None:
    """Print the result: the text for people, or `"ok": true` and the facts for machines."""
    click.echo(json_line({"ok": True, **facts}) if for_machines else safe_at_terminal(text))


def counted(number: int, noun: str) -> str:
    """Return the number with its noun in the right form: 1 session, 2 sessions."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def when(ms: int) -> str:
    """Return a time in ms as a date and time of day, UTC."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        # Up to 2^53 and beyond the year 9999: a shopper's clock may have been that wrong.
        return f"{ms} ms"


def found(store: SessionStore, session_id: str) -> ShopperSession:
    """Return the session. Raises RefusedError if it is not stored."""
    session = store.get(session_id)
    if session is None:
        raise RefusedError(f"No session {session_id} is stored; `flask sessions list` shows those that are.")
    return session


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn failures of the store into one line on standard error, and log lines into plain text."""
    try:
        with _plain_log():
            yield
    except StoreError as error:
        cause = error.__cause__
        why = f" ({cause.strerror})" if isinstance(cause, OSError) and cause.strerror else ""
        raise RefusedError(f"{error}{why}") from error
    except BrokenPipeError:
        # The reader of `flask sessions list | head` has closed the pipe. Python's buffered output goes to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


@contextmanager
def progress_bar(label: str, hidden: bool) -> Iterator[Progress]:
    """Show a progress bar on standard error if that is a terminal."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden or not sys.stderr.isatty()) as bar:

        def report(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield report


class _PlainFormatter(logging.Formatter):
    """Formats a record as its message alone, in which the service's own formatter has removed the keys."""

    def __init__(self, inner: LogFormatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return f"Note: {safe_at_terminal(self._inner.message(record))}"


def _is_news(record: logging.LogRecord) -> bool:
    # The command itself ends with the failure of the store, so its log line would say the same again.
    return record.levelno >= logging.WARNING and not (
        record.levelno == logging.ERROR and record.name.startswith("tracker.storage.")
    )


@contextmanager
def _plain_log() -> Iterator[None]:
    handlers = [(handler, handler.formatter) for handler in logging.getLogger().handlers]
    ours = [(handler, formatter) for handler, formatter in handlers if type(handler) is logging.StreamHandler]
    for handler, formatter in ours:
        if isinstance(formatter, LogFormatter):
            handler.setFormatter(_PlainFormatter(formatter))
        handler.addFilter(_is_news)
    try:
        yield
    finally:
        for handler, formatter in ours:
            handler.setFormatter(formatter)
            handler.removeFilter(_is_news)
