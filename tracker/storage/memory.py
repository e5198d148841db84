"""The store in memory, gone with its process: for rehearsals, and for tests that are not about storage."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from tracker.sessions.model import ShopperSession
from tracker.sessions.store import Change, Position, Progress, StoreCheck, StoreClosedError, least_of


class MemoryStore:
    """A SessionStore that keeps each session as the JSON text of its record: no caller shares an object with it."""

    def __init__(self, *sessions: ShopperSession) -> None:
        self.writes = 0
        """How many updates have changed something."""
        self._records: dict[str, str] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self.put(*sessions)

    def put(self, *sessions: ShopperSession) -> None:
        """Store these sessions as they are, in place of what was stored under their ids."""
        with self._lock:
            self._records.update({session.session: _text(session) for session in sessions})

    def opened_again(self) -> MemoryStore:
        """Return one more store on the same sessions, as another process would; each counts its own `writes`."""
        other = MemoryStore()
        other._records, other._lock = self._records, self._lock
        return other

    def update(self, session_id: str, change: Change) -> ShopperSession:
        with self._lock:
            old = self._read(session_id)
            new = change(old)
            if new is not old:
                self._records[session_id] = _text(new)
                self.writes += 1
            return new

    def get(self, session_id: str) -> ShopperSession | None:
        with self._lock:
            return self._read(session_id)

    def delete(self, session_id: str) -> bool:
        with self._lock:
            self._refuse_if_closed()
            return self._records.pop(session_id, None) is not None

    def iterate(self, before: Position | None = None) -> Iterator[ShopperSession]:
        with self._lock:
            found = self._newest_first()
        return (session for session in found if before is None or (session.updated_at, session.session) < before)

    def prune(self, cutoff: int, progress: Progress | None = None) -> int:
        with self._lock:
            old = [session.session for session in self._newest_first() if session.updated_at < cutoff]
            for session_id in old:
                del self._records[session_id]
        if progress is not None:
            progress(len(old), len(old))
        return len(old)

    def size(self) -> int | None:
        with self._lock:
            return sum(map(len, self._records.values()))

    def shrink(self, most: int) -> int:
        with self._lock:
            size, gone = sum(map(len, self._records.values())), 0
            if size <= most:
                return 0
            kept = self._newest_first()
            while size > least_of(most) and kept[-1].updated_at < kept[0].updated_at:
                size -= len(self._records.pop(kept.pop().session))
                gone += 1
            return gone

    def problem(self) -> str | None:
        return "The store was closed." if self._is_closed else None

    def check(self) -> StoreCheck:
        with self._lock:
            size = sum(map(len, self._records.values()))
            return StoreCheck(len(self._records), size, self.problem())

    def content(self) -> str:
        """Return everything that is kept, as text."""
        with self._lock:
            return "\n".join(self._records.values())

    def close(self) -> None:
        self._is_closed = True

    def _read(self, session_id: str) -> ShopperSession | None:
        self._refuse_if_closed()
        text = self._records.get(session_id)
        return None if text is None else ShopperSession.from_record(json.loads(text))

    def _newest_first(self) -> list[ShopperSession]:
        self._refuse_if_closed()
        found = (ShopperSession.from_record(json.loads(text)) for text in self._records.values())
        return sorted(found, key=lambda session: (session.updated_at, session.session), reverse=True)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise StoreClosedError("the store was closed")


def _text(session: ShopperSession) -> str:
    return json.dumps(session.to_record())
