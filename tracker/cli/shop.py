"""flask shop check and publish: what is wrong in the owner's file, and one file for all instances."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click
from flask.cli import AppGroup

from tracker.cli.terminal import RefusedError, as_json, counted, done, json_line, plain_failures, say
from tracker.decisions.shop.faults import FileFault, ShopFileError
from tracker.decisions.shop.live_file import TAKEN_UP_AFTER_S
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop
from tracker.decisions.shop.warnings import warnings_of
from tracker.durable.cell import Cell, CellError


def shop_group(path: Path) -> AppGroup:
    """Return the commands about the owner's file, which stands at `path` unless the command line names another."""
    group = AppGroup("shop", help="Look at the file of what the shop may say.")

    @group.command("check")
    @click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=path)
    @as_json
    @plain_failures()
    def check(file: Path, for_machines: bool) -> None:
        """Check FILE (TRACKER_SHOP_FILE): print every fault with its line, or the messages that popups may show.

        Faults keep a file from taking effect, and the exit status is 1. Warnings name what is probably not meant.
        """
        content = _content(file)
        shop = _parsed(file, content, for_machines)
        if not for_machines:
            for message in shop.messages:
                say(f'{message.kind:<6} {message.id}: "{next(iter(message.texts.values()))}"')
        warnings = warnings_of(shop, content.decode("utf-8-sig"), _today())
        for warning in warnings:
            _report(file, warning, "warning", for_machines)
        messages, rules = len(shop.messages), len(shop.rules)
        held = f"{counted(messages, 'message')} and {counted(rules, 'rule')}"
        noticed = f", {counted(len(warnings), 'warning')}" if warnings else ""
        text = f"{file} is sound: {shop.name} has {held}{noticed}"
        done(for_machines, text, shop=shop.name, messages=messages, rules=rules, warnings=len(warnings))

    return group


def add_publish(group: AppGroup, published: Cell | None) -> None:
    """Add `flask shop publish` to the group; `published` is None where there is no database."""

    @group.command("publish")
    @click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
    @click.option("--withdraw", is_flag=True, help="Use each instance's own file again.")
    @as_json
    @plain_failures()
    def publish(file: Path | None, withdraw: bool, for_machines: bool) -> None:
        """Publish FILE in the database (DATABASE_URL): every instance takes it up within seconds, in place of its own.

        A file with faults is not published. A deploy does not change what is published.
        """
        if published is None:
            raise RefusedError("DATABASE_URL is not set: change the file where it lies, and it is read at once.")
        if (file is None) != withdraw:
            raise click.UsageError("give a FILE, or --withdraw")
        content = b"" if file is None else _content(file)
        shop = None if file is None else _parsed(file, content, for_machines)
        try:
            published.update(lambda _before: content)
        except CellError as error:
            raise RefusedError(f"Nothing was published: {error}") from None
        text = "withdrawn" if shop is None else f"published {shop.name} with {counted(len(shop.messages), 'message')}"
        within = f"every instance takes it up within {TAKEN_UP_AFTER_S:.0f} seconds"
        done(for_machines, f"{text}; {within}", published=shop is not None)


def _parsed(file: Path, content: bytes, for_machines: bool) -> Shop:
    """Return the shop that the file describes; where it has faults, print them and end with status 1."""
    try:
        return parse_shop(content)
    except ShopFileError as error:
        for fault in error.faults:
            _report(file, fault, "fault", for_machines)
        raise click.exceptions.Exit(1) from None


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise RefusedError(
            f"{file} does not exist: popups only lead back to the cart. Begin with shop.example.toml."
        ) from None
    except OSError as error:
        raise RefusedError(f"{file} cannot be read ({error.strerror}).") from None


def _today() -> date:
    return datetime.now(UTC).date()


def _report(file: Path, fault: FileFault, kind: str, for_machines: bool) -> None:
    if for_machines:
        instead = {"instead": fault.instead} if fault.instead else {}
        click.echo(json_line({"line": fault.line, "message": fault.message, "kind": kind, **instead}))
        return
    say(f"{file}, line {fault.line}: {'warning: ' if kind == 'warning' else ''}{fault.message}")
    if fault.instead:
        say(f"    write: {fault.instead}")
