"""What the service has seen of the shop: which pages loaded its script, reported a visit, or were refused.

A few names and numbers, shared by all workers through a cell. They say nothing about any shopper.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import orjson

from tracker.durable.cell import Cell, CellError
from tracker.web.callers.machines import machines
from tracker.web.exchange import Exchange

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Kind: TypeAlias = Literal["loaded", "heard", "pixel", "refused", "machine"]
"""The script was loaded by a page; a page reported a visit; the pixel reported one; a page was refused; a report was
left out because a machine sent it."""

MOST: Final = 12
"""Origins kept of each kind; anyone can send an origin, so there is a bound: the newest are kept."""

_KINDS: Final[tuple[Kind, ...]] = ("loaded", "heard", "pixel", "refused", "machine")
_EVERY_MS: Final = 30_000
"""What is known already is written so often at most."""
_NEWS_EVERY_MS: Final = 1_000
"""And an origin that was not known yet: anyone can send one after another."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """How often something was seen, and when. Moments are ms since 1970."""

    first_ms: int
    last_ms: int
    count: int

    def and_(self, other: Sighting) -> Sighting:
        return Sighting(min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms), self.count + other.count)


@dataclass(frozen=True, slots=True)
class Seen:
    """All sightings, by kind and origin."""

    by_kind: Mapping[Kind, Mapping[str, Sighting]] = field(default_factory=dict)

    def of(self, kind: Kind) -> list[tuple[str, Sighting]]:
        """Return (origin, sighting) of a kind, the newest first."""
        return sorted(self.by_kind.get(kind, {}).items(), key=lambda one: -one[1].last_ms)

    def and_(self, other: Seen) -> Seen:
        """Return both together, each kind within its bound."""
        merged: dict[Kind, dict[str, Sighting]] = {}
        for kind in _KINDS:
            here = dict(self.by_kind.get(kind, {}))
            for origin, one in other.by_kind.get(kind, {}).items():
                here[origin] = here[origin].and_(one) if origin in here else one
            kept = sorted(here, key=lambda origin: -here[origin].last_ms)[:MOST]
            if kept:
                merged[kind] = {origin: here[origin] for origin in kept}
        return Seen(merged)

    def to_record(self) -> dict[str, Any]:
        return {
            kind: {origin: [one.first_ms, one.last_ms, one.count] for origin, one in origins.items()}
            for kind, origins in self.by_kind.items()
        }

    @classmethod
    def from_record(cls, value: bytes | None) -> Seen:
        """Read a record; anything that `to_record` cannot have made counts as nothing."""
        try:
            record = orjson.loads(value or b"{}")
            found: dict[Kind, dict[str, Sighting]] = {
                kind: {str(origin): Sighting(*map(int, one)) for origin, one in record[kind].items()}
                for kind in _KINDS
                if kind in record
            }
        except (ValueError, TypeError, AttributeError):
            return cls()
        return cls(found)


class Sightings:
    """Collects sightings in this process, and shares them with the others."""

    def __init__(self, cell: Cell, clock: Callable[[], int]) -> None:
        """`clock` returns ms since 1970."""
        self._cell = cell
        self._clock = clock
        self._lock = threading.Lock()
        self._known: set[tuple[Kind, str]] = set()
        self._pending = Seen()
        self._written_ms = 0

    def note(self, kind: Kind, origin: str) -> None:
        """Note one. Raises nothing: where it cannot be shared now, it waits for the next one."""
        now = self._clock()
        with self._lock:
            self._pending = self._pending.and_(Seen({kind: {origin: Sighting(now, now, 1)}}))
            waited_ms = now - self._written_ms
            least_ms = _EVERY_MS if (kind, origin) in self._known else _NEWS_EVERY_MS
            if 0 <= waited_ms < least_ms:
                return
            self._written_ms = now
            pending, self._pending = self._pending, Seen()
        self._share(pending)

    def watch(self, exchange: Exchange) -> None:
        """Note what comes of each report. Pages of the service itself, such as the demo shop's, do not count."""
        route, environ = exchange.route, exchange.environ
        if route is None or not route.is_for_shop_pages or exchange.method != "POST" or machines().is_calling():
            return
        sent = environ.get("HTTP_ORIGIN", "")
        if exchange.status == 403 and (origin := origin_of(sent)):
            self.note("refused", origin)
        elif exchange.status == 200 and sent == "null":
            self.note("pixel", "")
        elif exchange.status == 200 and (origin := origin_of(sent)) and sent != _own_origin(environ):
            self.note("heard", origin)

    def all(self) -> Seen:
        """Return what all processes have shared, and what this one has seen since."""
        try:
            shared = Seen.from_record(self._cell.get())
        except CellError:
            shared = Seen()
        with self._lock:
            return shared.and_(self._pending)

    def _share(self, pending: Seen) -> None:
        try:
            value = self._cell.update(lambda value: orjson.dumps(Seen.from_record(value).and_(pending).to_record()))
        except CellError:
            with self._lock:
                self._pending = self._pending.and_(pending)
            return
        shared = Seen.from_record(value).by_kind
        self._known = {(kind, origin) for kind, origins in shared.items() for origin in origins}


class SeesScript:
    """WSGI middleware that notes which site's pages load the script."""

    def __init__(self, app: WSGIApplication, script_name: str, sightings: Sightings) -> None:
        self._app = app
        self._path = f"/{script_name}"
        self._sightings = sightings

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == self._path:
            origin = origin_of(environ.get("HTTP_REFERER", ""))
            if origin not in {"", _own_origin(environ)}:
                self._sightings.note("loaded", origin)
        return self._app(environ, start_response)


def _own_origin(environ: WSGIEnvironment) -> str:
    return f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"


@lru_cache(maxsize=256)
def origin_of(address: str) -> str:
    """Return the origin of an address in small letters; empty if it has none that a shop's page can have."""
    try:
        parts = urlsplit(address[:300])
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host or len(host) > 100 or not host.isascii():
        return ""
    if not all(sign.isalnum() or sign in ".-_" for sign in host):
        return ""
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"
