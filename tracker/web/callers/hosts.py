"""Which Host header is believed: the client writes it, and a page of another site can choose it by DNS rebinding."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from flask import request


def is_trusted_host() -> bool:
    """Return whether the request's Host may be taken for the address of this service.

    A page of `evil.example` can let that name lead to 127.0.0.1 or 192.168.0.7, and then send its own name as Host to a
    service that only this machine or network can reach. So a request from such an address needs a Host that no DNS can
    lead elsewhere. On the internet anybody can send any request, and a proxy passes on the hosts that it knows.
    """
    return _is_fixed(request.host) or not _is_near(request.remote_addr or "")


@lru_cache(maxsize=256)
def _is_fixed(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name == "localhost" or _address(name.strip("[]")) is not None


@lru_cache(maxsize=256)
def _is_near(client: str) -> bool:
    address = _address(client)
    return address is None or not address.is_global


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
