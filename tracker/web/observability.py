"""Logs: one JSON object a line, with the id of the request that it belongs to; at a terminal, text for people.

No client's address, body or key is ever logged.
"""

from __future__ import annotations

import json
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

# Control characters could steer the terminal; the others reorder or hide its text. In JSON all of them occur only
# inside strings, so their JSON escapes can replace them in any output.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)

_LEAST_SECRET = 8


class LogFormatter(logging.Formatter):
    """What both forms of a line have in common: its keys, and that no secret is in it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the texts to replace by `***` in every line, whichever code logs them.

        A key of a few letters, as a model on one's own machine takes it, is no secret, and would blot out words.
        """
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= _LEAST_SECRET]

    def hide(self, secret: str) -> None:
        """Replace this text, too, in every line from now on."""
        self._secrets.append(secret)

    def message(self, record: logging.LogRecord) -> str:
        """Return the message alone."""
        return self.hidden(_CLIENT_ADDRESS.sub("ip=-", record.getMessage()))

    def hidden(self, text: str) -> str:
        """Return a text with every secret in it replaced."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @staticmethod
    def keys(record: logging.LogRecord) -> dict[str, Any]:
        """Return what a record holds besides its message: the request's id, and the extra keys."""
        asked = request_id()
        request = {} if asked is None else {"request_id": asked}
        return request | {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(LogFormatter):
    """Formats a record as {"time", "level", "logger", "message", "request_id"?, ...} with the record's extra keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self.message(record),
            **self.keys(record),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return self.hidden(orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode())


class TextFormatter(LogFormatter):
    """Formats a record for a person: local time, the level where it is not INFO, the message, and the keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line, and its trace as further ones."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname}: "
        keys = ", ".join(f"{name} {_plain(value)}" for name, value in self.keys(record).items())
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        lines = [f"{time}  {level}{self.message(record)}{f'  ({keys})' if keys else ''}"]
        if record.exc_info:
            lines += [f"    {line}" for line in self.formatException(record.exc_info).splitlines()]
        return "\n".join(safe_at_terminal(self.hidden(line)) for line in lines)


def _plain(value: object) -> str:
    return ", ".join(f"{name}: {number}" for name, number in value.items()) if isinstance(value, dict) else str(value)


def safe_at_terminal(text: str) -> str:
    """Return the text with every character that a terminal would act on written as its JSON escape."""
    return _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def configure_logging(level: str, secrets: Iterable[str] = (), form: str = "json") -> None:
    """Send the logs of this service and of Gunicorn to standard error, with `secrets` replaced by `***`.

    `form` is LOG_FORMAT: json, text, or auto, which is text where standard error is a terminal.
    """
    handler = logging.StreamHandler(sys.stderr)
    is_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter(secrets) if is_text else JsonFormatter(secrets))
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
        if isinstance(handler.formatter, LogFormatter):
            handler.formatter.hide(secret)
