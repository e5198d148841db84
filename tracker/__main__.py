"""The program `shopify-tracker`: `shopify-tracker serve`, and every command of the owner and the operator.

It works in any folder: .env, the sessions and the file of messages are those of the folder that it is started in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click
from flask import Flask
from flask.cli import FlaskGroup

from tracker import __version__
from tracker.config import ConfigError
from tracker.environment import SERVER_SETTINGS, faults, read_environment
from tracker.serving.listening import ONLY_HERE, address_of, instead_of, why_not_listen


def _make_app() -> Flask:
    # tracker.wsgi makes the application when it is imported, which `serve` does in its workers only.
    from tracker.wsgi import app  # noqa: PLC0415

    return app


class _Program(FlaskGroup):
    """The commands of the application, and the doctor, which has to work where the application cannot be made."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of this name."""
        if name != "doctor":
            return super().get_command(ctx, name)
        # Imported only where it is called: it needs most of the service, which `serve` loads in its workers.
        from tracker.app import create_app  # noqa: PLC0415
        from tracker.cli.doctor.command import doctor_command  # noqa: PLC0415

        return doctor_command(create_app)


@click.group(
    cls=_Program,
    create_app=_make_app,
    add_default_commands=False,
    add_version_option=False,
    load_dotenv=False,
    help="Shopify Tracker: records what shoppers do, and decides whether a popup would help.",
)
@click.version_option(__version__, prog_name="shopify-tracker", message="%(prog)s %(version)s")
def program() -> None:
    """Run one command of the service."""


# Flask's own options name another application or another .env, which would be another service.
program.params = [one for one in program.params if one.name == "version"]


@program.command(
    with_appcontext=False,  # the application is made by Gunicorn's workers, not here
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.pass_context
def serve(context: click.Context) -> None:
    """Serve. Further words go to Gunicorn; the settings in force are those of .env and of the environment."""
    try:
        environment = read_environment(Path(".env"))
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if found := faults(environment):
        raise click.ClickException("\n".join(["The service cannot start.", *(f"  {fault}" for fault in found)]))
    values = {**SERVER_SETTINGS, **environment.values}
    host, port = values["HOST"], int(values["PORT"])
    check_free(host, port)
    if shows_demo_shop(values):
        os.environ["DEMO_SHOP"] = "on"
    for line in opening(values):
        click.echo(line)
    click.echo("Ctrl-C stops it.")
    sys.stdout.flush()
    _become_gunicorn(context.args)


def _become_gunicorn(words: list[str]) -> NoReturn:
    """Replace this process, so that signals reach Gunicorn directly."""
    settings = "python:tracker.serving.gunicorn_conf"
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", settings, *words])  # noqa: S606


def opening(values: Mapping[str, str]) -> list[str]:
    """Return the lines that a person reads first: where to look, and what for."""
    service = address_of(values["HOST"], int(values["PORT"]))
    pages = [
        ("Your pages", "/", "today, whether popups sell, visits, what popups say"),
        *([("Try it", "/demo", "a demo shop, and what happens behind it")] if shows_demo_shop(values) else []),
        ("Build on it", "/docs", "what the service takes and answers"),
    ]
    return [f"  {name:<12} {service + path:<31} {what}" for name, path, what in pages]


def shows_demo_shop(values: Mapping[str, str]) -> bool:
    """Return whether to open the demo shop: as set, or by default if only this machine can reach it."""
    wanted = values.get("DEMO_SHOP", "").lower()
    return wanted == "on" if wanted else values["HOST"] in ONLY_HERE


def check_free(host: str, port: int) -> None:
    """Raise ClickException with one line if the address is taken, before anything is said about it."""
    if why := why_not_listen(host, port):
        raise click.ClickException(f"Cannot listen on {host} port {port}: {why}. {instead_of(port)}")


def main() -> None:
    """Run the program, whatever name it was started by."""
    program(prog_name="shopify-tracker")


if __name__ == "__main__":
    main()
