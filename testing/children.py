"""Forked child processes of a test: each does one piece of work and ends, and none outlives the test."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self


def in_a_child(work: Callable[[], object]) -> int:
    """Fork a child that does the work and ends, with status 1 if the work raised; return its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - the child must never go on with the parent's code
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


class Children:
    """Starts children inside a `with`; at its end those that still run are killed."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in list(self._running):
            os.kill(pid, signal.SIGKILL)
            self.wait(pid)

    def start(self, work: Callable[[], object]) -> int:
        pid = in_a_child(work)
        self._running.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        """Wait for the end of the child and return its exit status, 0 where all went well."""
        _pid, status = os.waitpid(pid, 0)
        self._running.discard(pid)
        return os.waitstatus_to_exitcode(status)

    def all_done(self) -> bool:
        """Wait for the end of all children; return whether all went well."""
        statuses = [self.wait(pid) for pid in list(self._running)]
        return not any(statuses)

    def any_running(self) -> bool:
        """Return, without waiting, whether a child still runs. Raises AssertionError where one failed."""
        for pid in list(self._running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._running.discard(pid)
                assert status == 0
        return bool(self._running)
