"""The one seam for calls that block: under gevent they run in its native threads, anywhere else they are plain calls.

Where gevent serves, all requests of a process share one native thread, so a flush made in it would hold up
every other request. In the pool of native threads it holds up only the request that waits for it.

A native thread gets a bare system call and nothing else. It never takes a lock of ours: a lock that greenlets and
native threads both take hangs under contention (3 threads and 5 greenlets: stuck after 140,000 of 160,000 turns).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


def uses_greenlets() -> bool:
    """Return whether this process was patched by gevent, so that its "threads" are greenlets of one native thread."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def call(function: Callable[..., _Answer], *args: Any) -> _Answer:
    """Return `function(*args)`, a bare system call, without holding up the other requests of this process."""
    if not uses_greenlets():
        return function(*args)
    from gevent import get_hub  # noqa: PLC0415  only where gevent serves

    answer: _Answer = get_hub().threadpool.apply(function, args)
    return answer


def pause(seconds: float) -> None:
    """Sleep, while the other requests of this process go on.

    A greenlet that sleeps wakes after 1 ms at the earliest. So a shorter pause stops the whole process: it costs the
    others less than that, and a lock that is held for 100 µs is had ten times sooner.
    """
    if seconds < _LEAST_SLEEP_S and uses_greenlets():
        _native_sleep()(seconds)
    else:
        time.sleep(seconds)


def give_way() -> None:
    """Let the other requests go on, in the middle of work that computes for long. Threads need no such call."""
    if uses_greenlets():
        time.sleep(0)


def flush(fd: int) -> None:
    """Bring the content of an open file to the disk."""
    call(os.fdatasync, fd)


def flush_all(fd: int) -> None:
    """Bring the content of an open file or folder to the disk, with its size, times and names."""
    call(os.fsync, fd)


_LEAST_SLEEP_S = 0.000_5


def _native_sleep() -> Callable[[float], None]:
    sleep: Callable[[float], None] = sys.modules["gevent.monkey"].get_original("time", "sleep")
    return sleep
