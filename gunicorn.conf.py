"""Gunicorn's settings for the application: every value with its reason, checked against Gunicorn 27.0.

This file opens and starts nothing, so the service is fork-safe with and without --preload. GUNICORN_CMD_ARGS and the
command line override this file; the environment overrides .env.
"""

import os
import re
import socket
import sys
from pathlib import Path

from dotenv import dotenv_values
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from tracker.config import ConfigError, load_config

# wsgi.py loads .env too, but only in a running worker: HOST, PORT and WEB_CONCURRENCY are needed before. An empty value
# counts as absent, as in tracker.config.
_ENVIRONMENT = {
    name: value.strip()
    for name, value in {**dotenv_values(Path(__file__).with_name(".env")), **os.environ}.items()
    if value and value.strip()
}

try:
    # Read here as well, so that an invalid setting is one line from the master and not a traceback from each worker.
    _CONFIG = load_config(_ENVIRONMENT)
except ConfigError as error:
    sys.exit(f"The service cannot start: {error}")


def _number(name: str, default: int, most: int) -> int:
    text = _ENVIRONMENT.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= most:
        sys.exit(f"The service cannot start: {name} must be a whole number from 1 to {most}")
    return int(text)


_HOST = _ENVIRONMENT.get("HOST", "127.0.0.1")
_PORT = _number("PORT", 8000, 65535)

# --- Application and address ------------------------------------------------------------------------------------------

wsgi_app = "wsgi:app"
# Only this machine can reach 127.0.0.1, so a service without a token or with open CORS is not exposed by accident.
bind = f"[{_HOST}]:{_PORT}" if ":" in _HOST else f"{_HOST}:{_PORT}"

# --- Processes and threads --------------------------------------------------------------------------------------------

# Threads, because a request waits (for the disk's flush, or up to 5 s for the model) much longer than it computes.
worker_class = "gthread"
# Two processes use two cores, and one goes on if the other dies. Render sets 1 on its smallest machine.
workers = _number("WEB_CONCURRENCY", 2, 64)
# Waiting threads cost little. At most 16 threads of a worker ask the model at once, so 8 are always left for ingest.
threads = 24
# Open connections of a worker, most of them idle and kept alive; more wait in the kernel's backlog.
worker_connections = 1000
# Without it a keep-alive client can land wholly on one worker: half the throughput in 6 of 16 runs, in 0 of 16 with it.
# Only the kernel of Linux distributes connections over such sockets.
reuse_port = sys.platform == "linux"

# --- Times (seconds) --------------------------------------------------------------------------------------------------

# Applies to a worker's main loop, which reports every second, and not to requests, which have their own deadlines.
timeout = 30
# The storefront script sends about every 5 s; a longer time would only keep sockets open.
keepalive = 5
# An upper bound: a worker exits as soon as its last request is answered. The slowest normal request takes 5 s (the
# model's deadline), so 8 s let all of them finish, and a client that stalls in a body cannot delay a restart past 10 s.
graceful_timeout = 8

# --- Limits on a request before the application sees it ---------------------------------------------------------------

# Paths contain session ids; the longest real request line is below 300 bytes.
limit_request_line = 4094
# A browser sends about 20 and proxies add about 15.
limit_request_fields = 64
# 8 KiB a header, as in common proxies; the application limits the body.
limit_request_field_size = 8190
# The client's address is determined in one place, by TRUSTED_PROXIES. By default Gunicorn trusts the addresses in
# FORWARDED_ALLOW_IPS ("*" on some hosts) and would take scheme and path from any client's headers.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

# --- Files ------------------------------------------------------------------------------------------------------------

# A worker's heartbeat touches a file every second: in memory it cannot be delayed by a busy disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  a directory, names are random
# No remote control: its socket is in the home directory, one for all services of the user.
control_socket_disable = True

# --- Logs -------------------------------------------------------------------------------------------------------------

# The application logs requests itself, as JSON and without addresses.
accesslog = None
# If GUNICORN_CMD_ARGS turns the access log on (Render's default does), it has no address and no query.
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"
loglevel = _CONFIG.log_level.lower()


class _JsonLogger(Logger):  # type: ignore[misc]  # Gunicorn has no types
    """Logs Gunicorn's own messages as JSON lines without client addresses.

    A logger class and not `logconfig_dict`, which would turn on the access log with addresses.
    """

    def setup(self, cfg: object) -> None:
        # Imported late, so that an invalid value above is reported before the web libraries are loaded.
        from tracker.web.observability import configure_logging  # noqa: PLC0415

        super().setup(cfg)
        configure_logging(_CONFIG.log_level, _CONFIG.secrets)

    def warning(self, msg: object, *args: object, **kwargs: object) -> None:
        """Log a warning; for a refused request only its kind, because the rest holds the client's address and bytes."""
        refused = re.match(r"Invalid request from ip=(?:.*?: ([A-Za-z][A-Za-z /-]*))?", str(msg), re.DOTALL)
        super().warning(f"Refused a request: {refused[1] or 'malformed'}" if refused else msg, *args, **kwargs)


logger_class = _JsonLogger

# --- Start ------------------------------------------------------------------------------------------------------------


def on_starting(server: Arbiter) -> None:
    """Stop with one line if the address is taken.

    With reuse_port each worker binds by itself: a second service would silently share the port of the first one, and
    if binding failed the master would start new workers for ever.
    """
    for address in server.cfg.address:
        if not isinstance(address, tuple):
            continue
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                server.log.error("Cannot listen on %s port %s: %s", *address, error.strerror)
                sys.exit(1)
