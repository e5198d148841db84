"""The settings: where each comes from, wrong ones, unknown names, and who can reach the service."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from tracker.cli.doctor.finding import Finding
from tracker.cli.terminal import counted
from tracker.config import Config, ConfigError, load_config
from tracker.environment import SERVER_SETTINGS, Environment, doubts, faults, faulty_names, read_environment
from tracker.owner.settings.lines import setting_lines
from tracker.serving.listening import ONLY_HERE, address_of

ABOUT = "settings"


def read_settings(env_file: Path) -> tuple[Environment, Config, list[Finding]]:
    """Return what is set, the settings in force, and what is wrong; a wrong setting has its default in force."""
    try:
        environment, found = read_environment(env_file), []
    except ConfigError as error:
        environment = read_environment(Path(os.devnull))
        found = [Finding(ABOUT, "fault", str(error))]
    found += [Finding(ABOUT, "fault", fault) for fault in faults(environment)]
    found += [Finding(ABOUT, "warning", doubt) for doubt in doubts(environment)]
    wrong = faulty_names(environment)
    sound = {name: text for name, text in environment.values.items() if name not in wrong}
    return environment, load_config(sound), found


def look_at_settings(environment: Environment, config: Config, env_file: Path) -> Iterator[Finding]:
    """Yield how many settings are set and which, and what about them is risky."""
    wrong = faulty_names(environment)
    of_server = [name for name in SERVER_SETTINGS if name in environment.values and name not in wrong]
    lines = [(line.name, line.value, line.origin) for line in setting_lines(config, env_file) if line.is_set]
    lines += [(name, environment.values[name], environment.place(name)) for name in of_server]
    wide = max((len(name) for name, _value, _origin in lines), default=0)
    told = tuple(f"{name:<{wide}}  {value}  ({origin})" for name, value, origin in lines)
    yield Finding(ABOUT, "ok", f"{counted(len(lines), 'setting')} of your own; all others have their defaults.", told)
    yield from _look_at_env_file(env_file)
    yield from _look_at_access(server_values(environment), config)


def server_values(environment: Environment) -> Mapping[str, str]:
    """Return HOST, PORT and WEB_CONCURRENCY as they are in force; a wrong one has its default."""
    wrong = faulty_names(environment)
    return {
        name: default if name in wrong else environment.values.get(name, default)
        for name, default in SERVER_SETTINGS.items()
    }


def _look_at_env_file(env_file: Path) -> Iterator[Finding]:
    try:
        mode = env_file.stat().st_mode
    except OSError:
        return
    if mode & stat.S_IRWXO:
        yield Finding(ABOUT, "warning", f"Others on this machine can read .env, which holds keys: chmod o= {env_file}")


def _look_at_access(server: Mapping[str, str], config: Config) -> Iterator[Finding]:
    is_public = server["HOST"] not in ONLY_HERE
    if not config.admin_token and not is_public:
        page = f"{address_of(server['HOST'], int(server['PORT']))}/"
        yield Finding(ABOUT, "ok", f"No password yet: start the service and choose one at {page}, on this machine.")
    elif not config.admin_token:
        yield Finding(
            ABOUT,
            "warning",
            "ADMIN_TOKEN is not set, so your pages are closed: set it to a random text of at least 16 characters.",
        )
    if is_public and not config.allowed_origins:
        yield Finding(
            ABOUT,
            "warning",
            "ALLOWED_ORIGINS is not set, so any site may post: set it to the addresses of your shop, such as"
            " https://shop.example,https://your-shop.myshopify.com",
        )
    if not config.trusted_proxies and (
        os.environ.get("RENDER") == "true" or (config.allowed_origins and not is_public)
    ):
        yield Finding(
            ABOUT,
            "warning",
            "TRUSTED_PROXIES is 0: behind a proxy (Render, Caddy, nginx) set it to 1, or all shoppers count as one"
            " address and are bounded together.",
        )
