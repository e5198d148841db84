"""Gunicorn's settings for the application: every value with its reason, checked against Gunicorn 27.0.

`gunicorn -c gunicorn.conf.py` reads them in a checkout, `gunicorn -c python:tracker.serving.gunicorn_conf` wherever the
package is installed. .env is that of the folder in which the service is started. This file opens and starts nothing, so
the service is fork-safe with and without --preload. GUNICORN_CMD_ARGS and the command line override this file; the
environment overrides .env.
"""

import sys

if "gunicorn.app.wsgiapp" in sys.modules:
    # First of all, before any module takes a lock or a socket as it was. Only where Gunicorn serves: tests read this
    # file too, and go on with threads. `os` and `signal` stay as they are, because the master forks and waits as ever.
    from gevent import monkey

    monkey.patch_all(os=False, signal=False, subprocess=False)

import os
import re
import resource
from pathlib import Path

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from tracker.config import load_config
from tracker.environment import SERVER_SETTINGS, doubts
from tracker.metrics import workers as worker_counts
from tracker.serving import taken_settings
from tracker.serving.listening import instead_of, most_connections, why_not_listen

_ENV_FILE = Path(".env")
if _FAULTS := taken_settings.take(_ENV_FILE):
    # Told here, so that an invalid setting is one line from the master and not a traceback from each worker.
    sys.exit(f"The service cannot start: {' '.join(_FAULTS)}")
_ENVIRONMENT = taken_settings.taken(_ENV_FILE)
_CONFIG = load_config(_ENVIRONMENT.values)
_SERVER = {**SERVER_SETTINGS, **_ENVIRONMENT.values}
_HOST = _SERVER["HOST"]
_PORT = int(_SERVER["PORT"])

# --- Application and address ------------------------------------------------------------------------------------------

wsgi_app = "tracker.wsgi:app"
# Only this machine can reach 127.0.0.1, so a service without a token or with open CORS is not exposed by accident.
bind = f"[{_HOST}]:{_PORT}" if ":" in _HOST else f"{_HOST}:{_PORT}"

# --- Processes and connections ----------------------------------------------------------------------------------------

# A greenlet a connection, because a request waits (for the disk's flush, or 5 s for the model) much longer than it
# computes, and a client that stalls must not cost a thread: 24 of them stopped a worker with 24 threads.
worker_class = "tracker.serving.worker.ServiceWorker"
# Two processes use two cores, and one goes on if the other dies. Render sets 1 on its smallest machine.
workers = int(_SERVER["WEB_CONCURRENCY"])
# Open connections of a worker; beyond it the one that stalls longest is ended.
worker_connections = most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
# One listening socket for all workers, so that a reload or an upgrade loses nobody who waits in its queue.
reuse_port = False

# --- Times (seconds) --------------------------------------------------------------------------------------------------

# Applies to a worker's main loop, which reports every second, and not to requests, which have their own deadlines.
timeout = 30
# For the first byte of the next request. The storefront script sends about every 5 s; more would only hold sockets.
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

# The application logs requests itself, without addresses.
accesslog = None
# If GUNICORN_CMD_ARGS turns the access log on (Render's default does), it has no address and no query.
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"
loglevel = _CONFIG.log_level.lower()


class _Logger(Logger):  # type: ignore[misc]  # Gunicorn has no types
    """Logs Gunicorn's own messages as the service logs its own, without client addresses.

    A logger class and not `logconfig_dict`, which would turn on the access log with addresses.
    """

    def setup(self, cfg: object) -> None:
        # Imported late, so that an invalid value above is reported before the web libraries are loaded.
        from tracker.web.observability import configure_logging  # noqa: PLC0415

        super().setup(cfg)
        configure_logging(_CONFIG.log_level, _CONFIG.secrets, _CONFIG.log_format)

    def warning(self, msg: object, *args: object, **kwargs: object) -> None:
        """Log a warning; for a refused request only its kind, because the rest holds the client's address and bytes."""
        refused = re.match(r"Invalid request from ip=(?:.*?: ([A-Za-z][A-Za-z /-]*))?", str(msg), re.DOTALL)
        super().warning(f"Refused a request: {refused[1] or 'malformed'}" if refused else msg, *args, **kwargs)


logger_class = _Logger

# --- Start ------------------------------------------------------------------------------------------------------------


def on_starting(server: Arbiter) -> None:
    """Stop with one line if the address is taken; Gunicorn itself would try five times and log ten lines.

    Lines of .env that have no effect are logged. A master that an upgrade (SIGUSR2) started takes over the socket of
    the one before.
    """
    for doubt in doubts(_ENVIRONMENT):
        server.log.warning(doubt)
    if "GUNICORN_FD" in os.environ:
        return
    for address in server.cfg.address:
        if not isinstance(address, tuple):
            continue
        if why := why_not_listen(address[0], address[1]):
            server.log.error("Cannot listen on %s port %s: %s. %s", *address[:2], why, instead_of(address[1]))
            sys.exit(1)


def on_reload(server: Arbiter) -> None:
    """Take up .env as it is now (SIGHUP). Where it has faults, the new workers start with the settings before.

    Gunicorn does not import this file's module again, so what the master alone reads stays as it was.
    """
    if found := taken_settings.take(_ENV_FILE):
        server.log.error("The settings before stay in force, because .env has faults. %s", " ".join(found))
        return
    environment = taken_settings.taken(_ENV_FILE)
    for doubt in doubts(environment):
        server.log.warning(doubt)
    now = {**SERVER_SETTINGS, **environment.values}
    if waiting := [name for name in SERVER_SETTINGS if now[name] != _SERVER[name]]:
        server.log.warning("Stop the service and start it again for the new %s.", ", ".join(waiting))


def when_ready(server: Arbiter) -> None:
    """Begin what the workers count together, before the first of them is forked."""
    worker_counts.begin(worker_tmp_dir)


def pre_exec(server: Arbiter) -> None:
    """Start the next master (SIGUSR2) as this one was started, also by `python -m gunicorn`.

    Gunicorn would run the file `gunicorn/__main__.py`, whose folder then hides the standard library's `http`.
    """
    command = server.START_CTX["args"]
    if len(command) > 1 and Path(command[1]).name == "__main__.py":
        server.START_CTX["args"] = [command[0], "-m", "gunicorn", *command[2:]]


def post_worker_init(worker: Worker) -> None:
    """Load the model's SDK before the first request: it takes 400 ms, in which no other greenlet would run."""
    if _CONFIG.groq_api_key:
        import tracker.llm.groq_transport  # noqa: F401, PLC0415


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Keep what a worker counted that is gone."""
    worker_counts.bury(worker.pid)


def on_exit(server: Arbiter) -> None:
    """Remove what the workers counted."""
    worker_counts.end()
