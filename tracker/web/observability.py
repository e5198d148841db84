"""Logs: one JSON object a line, with the id of the request that it belongs to.

No client's address, body or key is ever logged.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from tracker.web.exchange import request_id

log = logging.getLogger(__name__)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CLIENT_ADDRESS = re.compile(r"\bip=\S+")
"""The sender's address in Gunicorn's line about a request that it could not parse."""

_LEAST_SECRET = 8


class JsonFormatter(logging.Formatter):
    """Formats a record as {"time", "level", "logger", "message", "request_id"?, ...} with the record's extra keys."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the texts to replace by `***` in every line, whichever code logs them.

        A key of a few letters, as a model on one's own machine takes it, is no secret, and would blot out words.
        """
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= _LEAST_SECRET]

    def hide(self, secret: str) -> None:
        """Replace this text, too, in every line from now on."""
        self._secrets.append(secret)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _CLIENT_ADDRESS.sub("ip=-", record.getMessage()),
        }
        if (asked := request_id()) is not None:
            entry["request_id"] = asked
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        line = orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


def configure_logging(level: str, secrets: Iterable[str] = ()) -> None:
    """Send the logs of this service and of Gunicorn to standard error as JSON, with `secrets` replaced by `***`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    # The development server's line about a request begins with the caller's address, and repeats ours.
    logging.getLogger("werkzeug").addFilter(lambda record: " - - [" not in record.getMessage())
    # At DEBUG these log all that they send, keys and bodies included.
    for name in ("httpx", "httpcore", "groq", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # At DEBUG it logs the path of every request, which can hold a session id.
    logging.getLogger("gunicorn.error").setLevel(max(logging.INFO, root.level))


def hide_in_logs(secret: str) -> None:
    """Replace a text that became known after the start by `***` in every line."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.hide(secret)
