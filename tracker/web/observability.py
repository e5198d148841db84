"""Logs as one JSON object a line, and the id that ties the lines of a request to its answer.

Nothing here writes an address of a client, a body, or a key.
"""

from __future__ import annotations

import logging
import random
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Flask, Response, g, has_request_context, request

log = logging.getLogger(__name__)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CLIENT_ADDRESS = re.compile(r"\bip=\S+")
"""How gunicorn names the sender of a request that it could not parse."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class JsonFormatter(logging.Formatter):
    """Writes a record as {"time", "level", "logger", "message", "request_id"?, ...} with the record's extras."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the texts that must never be written, whoever puts them into a message."""
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _CLIENT_ADDRESS.sub("ip=-", record.getMessage()),
        }
        if has_request_context() and "request_id" in g:
            entry["request_id"] = g.request_id
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        line = orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


def configure_logging(level: str, secrets: Iterable[str] = ()) -> None:
    """Send the logs of this service and of gunicorn to standard error as JSON, with `secrets` blotted out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    # The development server's lines on requests begin with the caller's address, and ours are there as well.
    logging.getLogger("werkzeug").addFilter(lambda record: " - - [" not in record.getMessage())
    # These write what they send and to whom, keys and bodies included, when asked for DEBUG.
    for name in ("httpx", "httpcore", "groq", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its DEBUG names the path of every request, and a path can hold a session id.
    logging.getLogger("gunicorn.error").setLevel(max(logging.INFO, root.level))


def register_request_log(app: Flask) -> None:
    """Give every request an id, taken over from the caller or made, and write one line when it is answered."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        # Chance enough to tell lines apart, and without asking the system for it each time.
        g.request_id = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        g.began = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        if "request_id" not in g:
            return response
        response.headers["X-Request-Id"] = g.request_id
        # The rule and not the path: a path can hold a session id.
        rule = request.url_rule.rule if request.url_rule is not None else "-"
        log.info(
            "%s %s %d",
            request.method,
            rule,
            response.status_code,
            extra={"status": response.status_code, "ms": round((time.perf_counter() - g.began) * 1000, 1)},
        )
        return response
