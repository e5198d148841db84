"""Where the service listens, and how many connections a worker takes there."""

from __future__ import annotations

import socket

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen on -> the address at which this machine reaches them."""
_SPARE_FILES = 128
ONLY_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
"""Addresses that no other machine can reach."""


def most_connections(open_files: int) -> int:
    """Return how many connections a worker takes at once where it may open so many files.

    Each takes a descriptor, and a process without one left cannot accept, open its file or ask the model. A hundred are
    kept for those.
    """
    return max(16, min(4000, open_files - _SPARE_FILES))


def address_of(host: str, port: int) -> str:
    """Return the address of the service in a browser on this machine, without a path."""
    host = _EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def why_not_listen(host: str, port: int) -> str | None:
    """Return why nothing can listen there, in the system's words; None if it can."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def instead_of(port: int) -> str:
    """Return what to do about a port that is taken."""
    return f"Another port: set PORT={port + 1 if port < 65535 else 8000} in .env or in the environment."
