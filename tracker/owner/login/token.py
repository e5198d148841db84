"""The owner's password: ADMIN_TOKEN as it was set, or as it was chosen in the browser on the first day."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from tracker.config import SETTINGS
from tracker.owner.login.env_file import write_setting

_NAME: Final = "ADMIN_TOKEN"
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~!@%^&*()+=:,/?-]{16,200}")
"""Characters that mean nothing else in .env, in a shell or in a header."""

_NO_FILE: Final = (0, 0, 0)


class TokenRefusedError(Exception):
    """The token cannot be chosen; the message says why."""


class OwnerToken:
    """The token that is in force now, for all workers alike.

    Where ADMIN_TOKEN was set at the start, it is that. Where it was not, .env is looked at again whenever it changed:
    a token that was chosen in a browser is in force at once, in every process, and stays after a restart.
    """

    def __init__(self, configured: str, env_file: Path | None, on_new: Callable[[str], None]) -> None:
        """`env_file`: None if no token may be chosen. `on_new` is called with a token that came later."""
        self._token = configured
        self._env_file = env_file
        self._on_new = on_new
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None

    @property
    def can_be_chosen(self) -> bool:
        """Whether there is none yet, and a file to write it into."""
        return not self.current() and self._env_file is not None

    def current(self) -> str:
        """Return the token; empty if there is none."""
        if not self._token and self._env_file is not None:
            self._look(self._env_file)
        return self._token

    def choose(self, token: str) -> None:
        """Write a token into .env. Raises TokenRefusedError, or EnvFileError."""
        if not _PLAIN.fullmatch(token):
            raise TokenRefusedError(
                "Choose at least 16 characters: letters, digits and signs such as - _ . !, but no spaces and no quotes."
            )
        with self._lock:
            if not self.can_be_chosen or self._env_file is None:
                raise TokenRefusedError("A password was chosen already: sign in with it.")
            write_setting(self._env_file, _NAME, token)
        self.current()

    def _look(self, env_file: Path) -> None:
        try:
            status = env_file.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            seen = _NO_FILE
        if seen == self._seen:
            return
        self._seen = seen
        try:
            found = (dotenv_values(env_file).get(_NAME) or "").strip() if seen != _NO_FILE else ""
            token = SETTINGS[_NAME][1].parse(found) if found else ""
        except (OSError, ValueError):
            return
        if token:
            self._on_new(token)
            self._token = token
