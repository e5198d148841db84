"""Whether the service runs here, and what it says of itself."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tracker import __version__
from tracker.cli.doctor.finding import Finding
from tracker.serving.listening import address_of, instead_of, why_not_listen

ABOUT = "service"
_PATIENCE_S = 5.0


def look_at_service(server: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether the service answers at HOST and PORT, with its own notices, or could be started there."""
    host, port = server["HOST"], int(server["PORT"])
    address = address_of(host, port)
    health = _health(address)
    if health is None:
        why = why_not_listen(host, port)
        if why is None:
            yield Finding(ABOUT, "ok", f"It is not running; it can be started, and will be at {address}/")
        else:
            yield Finding(ABOUT, "fault", f"It cannot listen on {host} port {port}: {why}. {instead_of(port)}")
        return
    version = health.get("version")
    if version == __version__:
        yield Finding(ABOUT, "ok", f"Version {version} runs at {address}/")
    else:
        yield Finding(ABOUT, "warning", f"Version {version} runs at {address}/, and here is {__version__}: restart it.")
    if not health.get("ok"):
        yield Finding(ABOUT, "fault", f"It says: {health.get('problem')}")
    for notice in health.get("notices", []):
        yield Finding(ABOUT, "warning", f"It says: {notice}")


def _health(address: str) -> dict[str, Any] | None:
    """Return what the service at an address says of itself; None where none answers."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/health")
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
    return answer if isinstance(answer, dict) and "version" in answer else None
