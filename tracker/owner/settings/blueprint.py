"""GET /settings: every setting with where it comes from, and whether the service can do its work."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, render_template

from tracker.config import Config
from tracker.decisions.shop.live_file import ShopFile
from tracker.owner.settings.lines import setting_lines, unknown_names
from tracker.owner.shell import Shell
from tracker.sessions.store import SessionStore
from tracker.web.routes import Callers


def settings_blueprint(
    shell: Shell, config: Config, store: SessionStore, shop: ShopFile, env_file: Path | None
) -> Blueprint:
    """Make the blueprint."""
    blueprint = shell.blueprint("settings", __name__)

    @blueprint.get("/settings", callers=Callers.OWNERS_BROWSER)
    def page() -> str:
        lines = setting_lines(config, env_file)
        return render_template(
            "owner/service/settings.html",
            problem=store.problem(),
            file_problem=shop.problem,
            has_model=bool(config.groq_api_key),
            config=config,
            changed=[one for one in lines if one.is_set],
            defaults=[one for one in lines if not one.is_set],
            unknown=unknown_names(env_file),
        )

    return blueprint
