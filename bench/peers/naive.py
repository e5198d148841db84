"""The way of the original system: load the whole file, merge, write the whole file. Served as `bench.peers.naive:app`.

An ASGI application without a framework, so that nothing but the way of storing is slow. One process only: two would
overwrite each other. It syncs nothing, and a crash in the midst of a write leaves half a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_FILE = Path(os.environ.get("TRACKER_STORAGE_FILE", "tracker_storage.json"))
_ANSWER = b'{"ok":true,"saved":true}'

Message = dict[str, Any]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Store what is posted, and answer every request alike."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if body:
        _take_in(json.loads(body))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER})


def _take_in(body: Message) -> None:
    sessions = json.loads(_FILE.read_bytes()) if _FILE.exists() else {}
    stored = sessions.setdefault(body["session"], {"itemsInCart": 0, "timeOnPage": {}, "events": {}})
    stored["itemsInCart"] = body["itemsInCart"]
    stored["timeOnPage"].update(body["timeOnPage"])
    for page, events in body["events"].items():
        stored["events"].setdefault(page, []).extend(events)
    with _FILE.open("w") as file:
        json.dump(sessions, file, indent=2)  # so were the original system's files
