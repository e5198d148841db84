"""What a forked child begins anew: locks and descriptors that it shares with its parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that holds locks or descriptors."""

    def begin_in_this_process(self) -> None:
        """Reset after fork: a lock held by another thread of the parent would never be released in the child."""


_everything: weakref.WeakSet[Forked] = weakref.WeakSet()


def reset_after_fork(one: Forked) -> None:
    """Call `one.begin_in_this_process()` in every child that is forked from now on, while `one` is in use."""
    _everything.add(one)


def _begin_in_this_process() -> None:
    for one in list(_everything):
        one.begin_in_this_process()


os.register_at_fork(after_in_child=_begin_in_this_process)
