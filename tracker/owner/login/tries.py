"""How often a wrong password was sent lately."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

MOST: Final = 10
"""Wrong tries within a minute, from everywhere together, after which the next wrong one is told to wait."""

_WINDOW_MS: Final = 60_000


class WrongTries:
    """Counts wrong tries only: whoever knows the password is never kept out by the tries of others."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` returns ms since 1970."""
        self._clock = clock
        self._lock = threading.Lock()
        self._times: deque[int] = deque(maxlen=MOST)

    def count(self) -> int:
        """Count one, and return the seconds that the caller should wait before the next; 0 for none."""
        now = self._clock()
        with self._lock:
            oldest = self._times[0] if len(self._times) == MOST else None
            self._times.append(now)
        if oldest is None or not 0 <= now - oldest < _WINDOW_MS:
            return 0
        return 1 + (_WINDOW_MS - (now - oldest)) // 1000
