"""The commands of the owner and the operator at a terminal: flask report, sessions, shop, ask, explain and more.

terminal.py    output for people and for machines, and failures as one line
sessions.py    flask sessions: list, show, delete, prune, repair, compact
moving.py      flask sessions export and import
databases.py   flask sessions migrate and copy
importing.py   the files that `flask sessions import` reads
ask.py         flask ask
shop.py        flask shop check and publish
rehearse.py    flask shop rehearse
explain.py     flask explain
report.py      flask report
backtest.py    flask backtest
simulate/      flask simulate
doctor/        flask doctor
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from tracker.cli.ask import ask_command
from tracker.cli.backtest import backtest_command, former_backtest_command
from tracker.cli.databases import add_copy, add_migrate
from tracker.cli.doctor.command import doctor_command
from tracker.cli.explain import explain_command
from tracker.cli.rehearse import add_rehearse
from tracker.cli.report import report_command
from tracker.cli.sessions import sessions_group
from tracker.cli.shop import add_publish, shop_group
from tracker.cli.simulate.command import simulate_command
from tracker.config import Config
from tracker.decisions.engine import Engine
from tracker.decisions.shop.live_file import ShopFile
from tracker.durable.cell import Cell
from tracker.insights.reporting import Reporting
from tracker.sessions.merge import SessionLimits
from tracker.sessions.store import SessionStore


def register_commands(
    app: Flask,
    store: SessionStore,
    engine: Engine,
    limits: SessionLimits,
    config: Config,
    reporting: Reporting,
    published: Cell | None,
    make_app: Callable[[Config], Flask],
) -> None:
    """Add the commands to the flask command line. `published`: where the shop's file is for all instances."""
    app.cli.add_command(report_command(reporting))
    sessions = sessions_group(store, limits)
    add_migrate(sessions, config)
    add_copy(sessions, config)
    app.cli.add_command(sessions)
    app.cli.add_command(ask_command(store, engine))
    shop = shop_group(config.shop_file)
    add_publish(shop, published)
    add_rehearse(shop, config.shop_file, engine)
    app.cli.add_command(shop)
    app.cli.add_command(doctor_command(make_app))
    app.cli.add_command(explain_command(store))
    app.cli.add_command(backtest_command(store, engine))
    app.cli.add_command(former_backtest_command(store, engine))
    app.cli.add_command(simulate_command(store, ShopFile(config.shop_file)))
