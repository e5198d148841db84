"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["ok", "warning", "fault"]
"""fault: the service does not work, or loses something. warning: it works, but probably not as it is meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing: a plain sentence, which also says what to do where something is to be done."""

    about: str
    kind: Kind
    text: str
    details: tuple[str, ...] = ()
    """Further lines, such as the settings one by one."""
