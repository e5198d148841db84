"""flask doctor: the command, and how findings are printed."""

from __future__ import annotations

import logging
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import Flask

from tracker.cli.doctor.database import look_at_database
from tracker.cli.doctor.finding import Finding
from tracker.cli.doctor.machine import look_at_clock, look_at_limits
from tracker.cli.doctor.origin import look_at_origin
from tracker.cli.doctor.serving import look_at_service
from tracker.cli.doctor.sessions import look_at_file
from tracker.cli.doctor.settings import look_at_settings, read_settings, server_values
from tracker.cli.doctor.shop import look_at_model, look_at_shop
from tracker.cli.terminal import as_json, counted, json_line, say
from tracker.config import Config

ENV_FILE = Path(".env")
_WIDEST = 110
_SHOWN = {"ok": "ok", "warning": "WARNING", "fault": "FAULT"}


def doctor_command(make_app: Callable[[Config], Flask]) -> click.Command:
    """Return the command. It needs no application; `make_app` makes one to see what a browser would be told."""

    @click.command("doctor")
    @click.option("--origin", multiple=True, metavar="URL", help="A page's address: what would its browser be told?")
    @click.option("--ask", is_flag=True, help="Try the model's key with one small question.")
    @click.option("--instances", type=click.IntRange(1), default=1, help="Machines that share the database.")
    @as_json
    def doctor(origin: tuple[str, ...], ask: bool, instances: int, for_machines: bool) -> None:
        """Look at everything that the service needs, and say of each finding what to do.

        Settings and where they come from, the session file with its disk and lock or the database, clock, memory and
        limits, the file of messages, the model. Nothing is changed. The exit status is 1 where something is at fault.
        """
        found = []
        with _without_log():
            for finding in _findings(make_app, origin, ask, instances):
                found.append(finding)
                _show(finding, for_machines)
        faults, warnings = (sum(one.kind == kind for one in found) for kind in ("fault", "warning"))
        if for_machines:
            click.echo(json_line({"ok": not faults, "faults": faults, "warnings": warnings}))
        else:
            click.echo()
            say(f"{counted(faults, 'fault')}, {counted(warnings, 'warning')}.")
        if faults:
            raise click.exceptions.Exit(1)

    return doctor


def _findings(
    make_app: Callable[[Config], Flask], origins: tuple[str, ...], ask: bool, instances: int
) -> Iterator[Finding]:
    environment, config, wrong = read_settings(ENV_FILE)
    server = server_values(environment)
    workers, now_ms = int(server["WEB_CONCURRENCY"]), time.time_ns() // 1_000_000
    yield from wrong
    yield from look_at_settings(environment, config, ENV_FILE)
    if "DATABASE_URL" in environment.values and not config.database_url:
        pass  # it was told that this is wrong, and the file is not what is meant
    elif config.database_url:
        yield from look_at_database(config, workers, instances, now_ms)
    else:
        yield from look_at_file(config, now_ms)
    yield from look_at_shop(config)
    yield from look_at_model(config, ask)
    yield from look_at_clock(config, now_ms)
    file = config.storage_file
    stored = file.stat().st_size if not config.database_url and file.exists() else 0
    yield from look_at_limits(workers, stored)
    yield from look_at_service(server)
    if origins:
        app = make_app(config)
        for origin in origins:
            yield from look_at_origin(app, config, origin)


def _show(finding: Finding, for_machines: bool) -> None:
    if for_machines:
        details = {"details": finding.details} if finding.details else {}
        click.echo(json_line({"about": finding.about, "kind": finding.kind, "text": finding.text, **details}))
        return
    begin = f"{_SHOWN[finding.kind]:<8} {finding.about:<9} "
    width = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    for line in textwrap.wrap(
        finding.text,
        width,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_on_hyphens=False,  # a path or an option is copied as a whole
        break_long_words=False,
    ):
        say(line)
    for detail in finding.details:
        say(f"{' ' * len(begin)}  {detail}")


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep the log out of the findings, which say the same and more."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
