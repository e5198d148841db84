"""The settings that the master read and found sound, and with which its workers start, whatever .env says by then.

A worker that read .env itself would die of a wrong value in it, and so would each one that took its place: a reload
(SIGHUP), or the mere end of a worker, would end the service.
"""

from __future__ import annotations

from pathlib import Path

from tracker.config import ConfigError
from tracker.environment import Environment, faults, read_environment


class _Taken:
    """What was taken last; a worker has it from the master, which forked it."""

    environment: Environment | None = None


def take(env_file: Path) -> list[str]:
    """Take the settings as they are now; where they have faults, return these and keep what was taken before."""
    try:
        environment = read_environment(env_file)
    except ConfigError as error:
        return [str(error)]
    if found := faults(environment):
        return found
    _Taken.environment = environment
    return []


def taken(env_file: Path) -> Environment:
    """Return what was taken; in a process without a master, what is set now. Raises ConfigError."""
    return _Taken.environment or read_environment(env_file)
