"""The owner's room, put together: the password, the frame of the pages, and every blueprint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint

from tracker.config import Config
from tracker.decisions.engine import Engine
from tracker.decisions.shop.live_file import ShopFile
from tracker.durable.cell import Cell
from tracker.insights.port import Insights
from tracker.insights.reporting import Reporting
from tracker.owner.blueprint import owner_blueprint
from tracker.owner.login.blueprint import login_blueprint
from tracker.owner.login.cookie import LoginCookie
from tracker.owner.login.token import OwnerToken
from tracker.owner.messages.blueprint import messages_blueprint
from tracker.owner.numbers.blueprint import Sources, numbers_blueprint
from tracker.owner.report import report_blueprint
from tracker.owner.settings.blueprint import settings_blueprint
from tracker.owner.setup.blueprint import setup_blueprint
from tracker.owner.setup.sightings import Sightings
from tracker.owner.shell import Shell
from tracker.owner.visits.blueprint import visits_blueprint
from tracker.sessions.store import SessionStore
from tracker.web.observability import hide_in_logs


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the owner's room needs of the others."""

    config: Config
    store: SessionStore
    engine: Engine
    shop: ShopFile
    insights: Insights
    """The sums over visits."""
    clock: Callable[[], int]
    notices: Callable[[], list[str]]
    """Returns what the service has to say to its owner: faults, and bounds that were reached."""
    seen: Cell
    """Where the sightings are kept."""
    popup_style: bytes
    """The popup's own style, for previews."""
    env_file: Path | None
    """The file that the settings came from, perhaps."""
    may_choose_token: bool
    """A password that is written there later takes effect."""


class OwnerRoom:
    """The owner's API and pages."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.token = OwnerToken(
            parts.config.admin_token, parts.env_file if parts.may_choose_token else None, hide_in_logs
        )
        self.cookie = LoginCookie(self.token.current)
        self.sightings = Sightings(parts.seen, parts.clock)
        self.shell = Shell(
            parts.shop,
            self.cookie.is_there,
            self._is_waiting,
            popup_style=parts.popup_style,
            demo=parts.config.demo_shop,
        )

    def blueprints(self) -> Iterator[Blueprint]:
        """Make every blueprint of the room."""
        parts, shell = self._parts, self.shell
        is_direct = parts.config.trusted_proxies == 0
        yield owner_blueprint(parts.store)
        yield report_blueprint(Reporting(parts.insights, parts.shop, parts.clock))
        yield shell.files_blueprint()
        yield login_blueprint(shell, self.token, self.cookie, parts.clock, is_direct=is_direct)
        sources = Sources(
            insights=parts.insights,
            shop=parts.shop,
            store=parts.store,
            config=parts.config,
            clock=parts.clock,
            notices=parts.notices,
        )
        yield numbers_blueprint(shell, sources)
        yield messages_blueprint(
            shell, parts.shop, parts.config.shop_file, parts.store, parts.engine, parts.clock, parts.insights
        )
        yield setup_blueprint(shell, parts.config, parts.shop, parts.insights, self.sightings, parts.clock)
        yield visits_blueprint(shell, parts.store, parts.clock, parts.insights.zone)
        yield settings_blueprint(shell, parts.config, parts.store, parts.shop, parts.env_file)

    def _is_waiting(self) -> bool:
        return not self.sightings.all().by_kind.get("heard")
