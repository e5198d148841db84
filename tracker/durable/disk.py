"""The disk that a folder lies on: how large it is, whether of this machine, and whether it outlives the next deploy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_MOUNT = re.compile(r"^(?:\S+ ){4}(\S+) .*? - (\S+) ", re.MULTILINE)

_GOES = {
    "overlay": "the layer of its container, which goes with the container",
    "aufs": "the layer of its container, which goes with the container",
    "tmpfs": "memory, which a restart empties",
    "ramfs": "memory, which a restart empties",
}
"""What a folder lies on, by the type of its file system, where that does not stay."""

_RENDER = "the disk of one deploy, which Render replaces at the next"


_ON_A_NETWORK = re.compile(r"nfs\d?|cifs|smb\d?|smbfs|9p|ceph|glusterfs|lustre|afs|virtiofs|fuse\..*")
"""Types of file systems that lie on another machine, or that a program serves."""


def size_of_disk(folder: Path) -> int:
    """Return the bytes of the file system that holds the folder, used ones included; 0 where the system shows none."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_blocks * status.f_frsize


def why_it_goes(folder: Path, environment: Mapping[str, str] = os.environ, mounts: Path = MOUNTS) -> str | None:
    """Return what the folder lies on if that does not outlive a deploy; None if it does, or nothing shows it.

    A container's own layer is an overlay file system. At Render, what is not a disk that was attached, and so mounted
    on its own, is gone with the next deploy.
    """
    try:
        point, kind = _mount_of(os.path.realpath(folder), mounts.read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return None  # no Linux
    if kind in _GOES:
        return _GOES[kind]
    return _RENDER if point == "/" and environment.get("RENDER") == "true" else None


def network_of(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the folder's file system if that is one of another machine, such as `nfs4`; None if not."""
    try:
        _point, kind = _mount_of(os.path.realpath(folder), mounts.read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return None  # no Linux
    return kind if _ON_A_NETWORK.fullmatch(kind) else None


def _mount_of(folder: str, mounts: str) -> tuple[str, str]:
    """Return (where it is mounted, the type) of the file system that holds the folder. Raises ValueError."""
    holders: list[tuple[int, int, str, str]] = []
    for spelled, kind in _MOUNT.findall(mounts):
        # Blanks and other special characters are spelled in octal.
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), spelled)
        if f"{folder}/".startswith(f"{point.rstrip('/')}/"):
            holders.append((len(point), len(holders), point, kind))
    _length, _order, point, kind = max(holders)  # of two at one place the later one covers the other
    return point, kind
