"""How Gunicorn serves the application: every value with its reason, checked against Gunicorn 27.0.

Opens nothing and starts nothing, so the service is fork-safe with and without --preload. GUNICORN_CMD_ARGS and the
command line beat this file; .env does not beat the environment.
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

# wsgi.py loads .env too, but only once a worker runs: HOST, PORT and WEB_CONCURRENCY are needed before. An empty value
# counts as absent, as it does in tracker.config.
_ENVIRONMENT = {
    name: value.strip()
    for name, value in {**dotenv_values(Path(__file__).with_name(".env")), **os.environ}.items()
    if value and value.strip()
}

try:
    # Read here as well, so that a wrong setting is one line from the master and not a trace from each worker.
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

# --- Where and what ---------------------------------------------------------------------------------------------------

wsgi_app = "wsgi:app"
# Nobody else can reach 127.0.0.1: a service without a token or with open CORS is not on the network by accident.
bind = f"[{_HOST}]:{_PORT}" if ":" in _HOST else f"{_HOST}:{_PORT}"

# --- Processes and threads --------------------------------------------------------------------------------------------

# Threads, because a request waits (for the disk's flush, or up to 5 s for the model) far more than it computes.
worker_class = "gthread"
# Two processes use two cores, and one remains when the other dies. Render sets 1 on its smallest machine.
workers = _number("WEB_CONCURRENCY", 2, 64)
# Waiting threads are cheap. At most 16 of a worker's threads ask the model at a time, so 8 are always left for ingest.
threads = 24
# Connections a worker holds, most of them kept alive and idle; the rest wait in the kernel's backlog.
worker_connections = 1000
# Without it a keep-alive client can land wholly on one worker: half the throughput in 6 of 16 runs, in 0 of 16 with it.
# Only on Linux does the kernel spread connections over such sockets.
reuse_port = sys.platform == "linux"

# --- Times (seconds) --------------------------------------------------------------------------------------------------

# Guards a worker's loop, which beats every second, and not a request: those have deadlines of their own.
timeout = 30
# The script sends about every 5 s; a longer wait only keeps sockets open.
keepalive = 5
# Only an upper bound: a worker leaves as soon as its last request is answered. The slowest honest one takes 5 s (the
# model's deadline), so 8 drains them all, and a client that stalls in mid-body cannot hold a restart beyond 10 s.
graceful_timeout = 8

# --- What a client may send before the application sees it ------------------------------------------------------------

# Ids stand in paths; the longest real request line is below 300 bytes.
limit_request_line = 4094
# A browser sends about 20 and proxies add about 15.
limit_request_fields = 64
# 8 KiB a header, as common proxies have it; the body's limits are the application's.
limit_request_field_size = 8190
# Who called is decided in one place, TRUSTED_PROXIES. Left alone, Gunicorn trusts what FORWARDED_ALLOW_IPS names ("*"
# on some hosts) and would take scheme and path from any client's headers.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

# --- Files ------------------------------------------------------------------------------------------------------------

# The worker's heartbeat touches a file every second: in memory it cannot be held up by a busy disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  a directory, names are random
# No remote control: the socket would stand in the home directory, one for all services of the user.
control_socket_disable = True

# --- Logs -------------------------------------------------------------------------------------------------------------

# The application logs its requests itself, as JSON and without addresses.
accesslog = None
# Should GUNICORN_CMD_ARGS switch the access log on all the same (Render's default does): no address, no query.
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"
loglevel = _CONFIG.log_level.lower()


class _JsonLogger(Logger):  # type: ignore[misc]  # Gunicorn has no types
    """Gunicorn's own messages, as JSON lines and without the caller's address.

    A logger class and not `logconfig_dict`: a dictionary switches the access log on, addresses and all.
    """

    def setup(self, cfg: object) -> None:
        # Late, so that a wrong value above is reported before the web stack is loaded.
        from tracker.web.observability import configure_logging  # noqa: PLC0415

        super().setup(cfg)
        configure_logging(_CONFIG.log_level, [_CONFIG.groq_api_key, _CONFIG.admin_token])

    def warning(self, msg: object, *args: object, **kwargs: object) -> None:
        """Log a warning; of a refused request only the kind: the rest is its address and the client's own bytes."""
        refused = re.match(r"Invalid request from ip=(?:.*?: ([A-Za-z][A-Za-z /-]*))?", str(msg), re.DOTALL)
        super().warning(f"Refused a request: {refused[1] or 'malformed'}" if refused else msg, *args, **kwargs)


logger_class = _JsonLogger

# --- Start ------------------------------------------------------------------------------------------------------------


def on_starting(server: Arbiter) -> None:
    """Stop with one line where the address cannot be had.

    With reuse_port each worker binds for itself: a second service would share the first one's port unseen, and where
    binding fails the master would start new workers for ever.
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
