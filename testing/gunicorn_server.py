"""A real Gunicorn with the project's own gunicorn.conf.py, for whoever needs processes, sockets and signals.

In a test: `with GunicornServer(tmp_path, workers=4, env={...}) as server: server.client().post("/ingest", ...)`; then
`server.kill_workers()`, `server.restart()`, `server.stored()`, `server.log()`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

from testing.http_client import Client
from tracker.config import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
_START_PATIENCE_S = 90.0
_STOP_PATIENCE_S = 40.0
_READ_PATIENCE_S = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")


class GunicornServer:
    """The service on a free port of 127.0.0.1, with its session file in `folder`.

    A setting that `env` does not hold has its default, whatever the developer's environment and .env say; but nobody is
    held out, so that every visit may get its popup.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 2,
        env: Mapping[str, str] | None = None,
        args: tuple[str, ...] = (),
        open_files: int | None = None,
        as_script: bool = False,
        settings: str | None = None,
        root: Path = ROOT,
    ) -> None:
        """`open_files`: the most descriptors of each process, as `ulimit -n` sets it. `as_script`: start `gunicorn`.

        `settings`: a .env in `folder`, in which the server then starts; a setting that is there is not in its
        environment. `root`: the folder of the version that is served; another one than this has a .venv of its own.
        """
        self.folder = folder
        self.storage = folder / "sessions.json"
        self.port = 0
        self._workers = workers
        self._env = dict(env or {})
        self._args = args
        python = Path(sys.executable) if root == ROOT else root / ".venv" / "bin" / "python"
        self._program = [str(python.with_name("gunicorn"))] if as_script else [str(python), "-m", "gunicorn"]
        self._limit = [] if open_files is None else ["sh", "-c", f'ulimit -n {open_files}; exec "$@"', "sh"]
        self._root = root
        self._home = root
        self._in_file: set[str] = set()
        if settings is not None:
            self._home = folder
            self._in_file = {line.partition("=")[0] for line in settings.splitlines()}
            (folder / ".env").write_text(settings, "utf-8")
        self._log = folder / "server.log"
        self._parsed: tuple[tuple[int, ...], dict[str, Any]] = ((), {})
        self._process: subprocess.Popen[bytes] | None = None
        self.ended_by_itself = True
        """False where the last stop had to kill the server, because it did not end in time."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The master's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def client(self, timeout: float = 30) -> Client:
        return Client(self.port, timeout)

    def log(self) -> str:
        """Everything that the server has written to its log so far, over all its starts."""
        return self._log.read_text("utf-8") if self._log.exists() else ""

    def stored(self) -> dict[str, Any]:
        """The session file as any strict JSON parser reads it: without NaN, Infinity or bytes that are no UTF-8.

        A file that is read while a line is being added is no whole JSON: it is read again, as the README tells every
        reader to do. On a busy machine a writer can rest amid its write, so the file may even look unchanged meanwhile.
        A file that is as it was at the last call is not parsed again: tests ask until something is there, and the
        parsing would take the processor from the service. Nobody may change what is returned.
        """
        until = time.monotonic() + _READ_PATIENCE_S
        while True:
            before = self.storage.stat()
            version = before.st_ino, before.st_size, before.st_mtime_ns
            if version == self._parsed[0]:
                return self._parsed[1]
            text = self.storage.read_bytes()
            after = self.storage.stat()
            if (before.st_ino, before.st_size) == (after.st_ino, after.st_size):
                try:
                    sessions: dict[str, Any] = strict_json(text)
                except ValueError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.02)
                else:
                    self._parsed = version, sessions
                    return sessions

    # --- start and stop ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return as soon as /health answers 200 and all workers are there."""
        for _ in range(3):
            # Another process may take the port before Gunicorn binds it; then Gunicorn ends, and another port is tried.
            self.port = self.port or _free_port()
            environment = {
                **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
                **dict.fromkeys(SETTINGS, ""),
                "GUNICORN_CMD_ARGS": "",
                "HOST": "127.0.0.1",
                "PORT": str(self.port),
                "WEB_CONCURRENCY": str(self._workers),
                "TRACKER_STORAGE_FILE": str(self.storage),
                # All clients of a test have one address, and most tests do in a second what a shop does in an hour.
                "RATE_LIMITS": "off",
                # Browsers of tests are driven, and say so.
                "STORE_BOTS": "on",
                "HOLDOUT_PERCENT": "0",
                **self._env,
                "PYTHONPATH": str(self._root),
            }
            environment = {name: text for name, text in environment.items() if name not in self._in_file}
            command = [*self._limit, *self._program, "-c", str(self._root / "gunicorn.conf.py"), *self._args]
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    command, cwd=self._home, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            if self._is_up():
                return
            self.stop()
            self.port = 0
        raise AssertionError(f"the server did not start:\n{self.log()[-4000:]}")

    def _is_up(self) -> bool:
        until = time.monotonic() + _START_PATIENCE_S
        while time.monotonic() < until and self._process is not None and self._process.poll() is None:
            with contextlib.suppress(OSError), self.client(timeout=5) as client:
                if client.get("/health").status == 200 and len(self.worker_pids()) == self._workers:
                    return True
            time.sleep(0.05)
        return False

    def stop(self, by: signal.Signals = signal.SIGTERM) -> float:
        """Stop, and return the seconds that it took. A server that does not end in time is killed, workers first."""
        process, self._process = self._process, None
        if process is None:
            return 0.0
        workers = children_of(process.pid)
        began = time.monotonic()
        if process.poll() is None:
            process.send_signal(by)
        try:
            process.wait(_STOP_PATIENCE_S)
            self.ended_by_itself = True
        except subprocess.TimeoutExpired:
            self.ended_by_itself = False
            for pid in workers:
                _kill(pid)
            process.kill()
            process.wait()
        return time.monotonic() - began

    def restart(self) -> None:
        """Stop, and start again on the same port with the same file."""
        self.stop()
        self.start()

    # --- workers -----------------------------------------------------------------------------------------------------

    def worker_pids(self) -> list[int]:
        return children_of(self.pid)

    def kill_workers(self) -> list[int]:
        """Kill every worker with SIGKILL, as the system does when memory runs out; the master starts new ones."""
        killed = self.worker_pids()
        for pid in killed:
            _kill(pid)
        return killed

    def workers_cpu_s(self) -> float:
        """Processor time that the workers have used up to now, in seconds, as exactly as the system counts it."""
        return sum(map(_cpu_s, self.worker_pids()))

    def workers_rss(self) -> int:
        """Bytes of memory that the workers hold now, in sum; memory that they share counts for each of them."""
        return sum(map(_rss, self.worker_pids()))


def strict_json(text: bytes) -> Any:
    """Parse UTF-8 JSON without NaN and Infinity, as a strict reader does. Raises ValueError."""
    return json.loads(text.decode("utf-8"), parse_constant=_refuse)


def wait_until(condition: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    """Wait for a condition that comes true by itself. Raises AssertionError that names what did not."""
    until = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < until, f"waited {patience_s} s in vain until {what}"
        time.sleep(0.02)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _cpu_s(pid: int) -> float:
    schedstat = Path(f"/proc/{pid}/schedstat")
    if schedstat.exists():
        # Nanoseconds on the processor, of each thread; /proc/<pid>/stat counts in ticks of 10 ms.
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
