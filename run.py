"""The one command, standard library only: `python3 run.py` sets up and serves, `python3 run.py test` sets up and tests.

Every Python since 3.6 must be able to parse this file, so that an old one gets one clear line and not a trace.
"""

import argparse
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LEAST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"

NEITHER_VENV_NOR_PIP = (
    "Python's venv and pip are both missing. On Debian or Ubuntu:"
    " `sudo apt install python3-venv python3-pip`; then run this again."
)


class StopError(Exception):
    """The command cannot go on; the message is the one line that says why and what to do."""


def refusal(version: "tuple[int, ...]", os_name: str) -> "str | None":
    """Say why this Python or system cannot run the service, or give None where it can."""
    if tuple(version[:2]) < LEAST_PYTHON:
        return "Shopify Tracker needs Python {}.{} or newer; this is Python {}.{}.".format(*LEAST_PYTHON, *version[:2])
    if os_name == "nt":
        return "Shopify Tracker needs Linux or macOS, for Gunicorn does not run on Windows; there, use WSL."
    return None


if __name__ == "__main__" and refusal(sys.version_info[:3], os.name):
    sys.exit(refusal(sys.version_info[:3], os.name))


# --- Setting up -------------------------------------------------------------------------------------------------------


def interpreter() -> str:
    """Name the Python and the place that .venv is made of: another one means another .venv."""
    return "{} {} {}".format(sys.version, sys.base_prefix, VENV)


def digest(*requirements: Path) -> str:
    """Name the content of these requirements files."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in requirements)).hexdigest()


def read_stamp(path: Path) -> "dict[str, str]":
    """Read what a finished set-up left: requirements file -> digest; empty where none finished."""
    try:
        stamp = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(path: Path, stamp: "dict[str, str]") -> None:
    """Leave the stamp whole or not at all."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(stamp), "utf-8")
    beside.replace(path)


def has_module(*names: str) -> bool:
    """Say whether this Python has all these modules; Debian leaves out ensurepip, and more."""
    found = subprocess.run([sys.executable, "-c", "import " + ", ".join(names)], capture_output=True, check=False)
    return found.returncode == 0


def make_venv() -> "list[str]":
    """Make an empty .venv and give the command of a pip that installs into it."""
    if has_module("venv", "ensurepip"):
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, check=False)
        if made.returncode == 0:
            return [str(PYTHON), "-m", "pip"]
    if not has_module("venv", "pip"):
        raise StopError(NEITHER_VENV_NOR_PIP)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def find_pip() -> "list[str]":
    """Give the command of a pip that installs into the .venv there is."""
    inside = subprocess.run([str(PYTHON), "-c", "import pip"], capture_output=True, check=False)
    if inside.returncode == 0:
        return [str(PYTHON), "-m", "pip"]
    if has_module("pip"):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    raise StopError(NEITHER_VENV_NOR_PIP)


@contextlib.contextmanager
def one_at_a_time() -> "Iterator[None]":
    """Let a second start wait while the first sets up; the lock is on the folder and leaves no file."""
    import fcntl  # noqa: PLC0415  absent on Windows, which must get its own line

    folder = os.open(str(ROOT), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def set_up(*names: str) -> None:
    """Make .venv hold what these requirements files pin; a second start finds the stamp and is done.

    A stamp is written only after an installation has finished, and taken away before the next begins: where a set-up
    was killed there is none, and .venv is made anew.
    """
    files = [ROOT / name for name in names]
    # A later file is installed over an earlier one, so it is done only for that very earlier one.
    wanted = {file.name: digest(*files[: place + 1]) for place, file in enumerate(files)}
    with one_at_a_time():
        stamp = read_stamp(STAMP)
        whole = stamp.get("interpreter") == interpreter() and PYTHON.exists()
        missing = [file for file in files if not whole or stamp.get(file.name) != wanted[file.name]]
        if not missing:
            return
        if whole:
            pip = find_pip()
            STAMP.unlink()
        else:
            print("Making .venv", flush=True)
            stamp = {"interpreter": interpreter()}
            pip = make_venv()
        for file in missing:
            print("Installing {} (once; this can take a minute)".format(file.name), flush=True)
            options = ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"]
            done = subprocess.run([*pip, *options, "-r", str(file)], check=False)
            if done.returncode:
                raise StopError("Could not install {}: pip says why above.".format(file.name))
        write_stamp(STAMP, {**stamp, **wanted})


def make_env_file(folder: Path) -> None:
    """Make .env from .env.example where there is none; only its owner may read it, for it will hold keys."""
    target = folder / ".env"
    if target.exists():
        return
    example = (folder / ".env.example").read_bytes()
    descriptor = os.open(str(target), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        copy.write(example)
    print("Made .env: the place for your keys and settings. All of them can wait.")


# --- Commands ---------------------------------------------------------------------------------------------------------


def settings() -> "dict[str, str]":
    """Give what the environment says, and below it .env."""
    # python-dotenv stands in .venv only; asking it keeps one reader of .env, and one set of rules for quotes.
    code = "import dotenv, json; print(json.dumps(dotenv.dotenv_values('.env')))"
    answer = subprocess.run([str(PYTHON), "-c", code], stdout=subprocess.PIPE, check=True, cwd=str(ROOT))
    return {**json.loads(answer.stdout), **os.environ}


def address(values: "dict[str, str]") -> "tuple[str, int]":
    """Give the host and port to serve at: from these settings, then as gunicorn.conf.py has them."""
    host = (values.get("HOST") or "").strip() or "127.0.0.1"
    port = (values.get("PORT") or "").strip() or "8000"
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise StopError("PORT must be a whole number from 1 to 65535")
    return host, int(port)


def demo_shop(values: "dict[str, str]", host: str) -> bool:
    """Say whether the demo shop is to be open: as set, and else where only this machine can reach it."""
    wanted = (values.get("DEMO_SHOP") or "").strip().lower()
    return wanted == "on" if wanted else host in ("127.0.0.1", "::1", "localhost")


def check_free(host: str, port: int) -> None:
    """Stop with one line where the address cannot be had: Gunicorn itself would share the port or try for ever."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        raise StopError(
            "Cannot listen on {} port {}: {}. Another port: `PORT={} python3 run.py`".format(
                host, port, (error.strerror or str(error)).lower(), port + 1 if port < 65535 else 8000
            )
        ) from None


def serve(arguments: argparse.Namespace, more: "list[str]") -> int:
    """Set up, then become Gunicorn: no process of ours remains, so signals reach it directly."""
    set_up("requirements.txt")
    make_env_file(ROOT)
    values = settings()
    host, port = address(values)
    check_free(host, port)
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, "[{}]".format(host) if ":" in host else host)
    pages = [("service", "/"), ("docs", "/docs"), ("health", "/health")]
    if demo_shop(values, host):
        os.environ["DEMO_SHOP"] = "on"
        pages.insert(0, ("demo", "/demo"))
    for name, path in pages:
        print("  {:<8} http://{}:{}{}".format(name, shown, port, path))
    print("Ctrl-C stops it.", flush=True)
    os.chdir(str(ROOT))
    os.execv(str(PYTHON), [str(PYTHON), "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"])


def test(arguments: argparse.Namespace, more: "list[str]") -> int:
    """Set up with the development tools, then run every check in order and stop at the first that fails."""
    set_up("requirements.txt", "requirements-dev.txt")
    # worksteal: the durations differ by a factor of a thousand, and a fixed split would leave one worker idle.
    parallel = ["-n", "2", "--dist", "worksteal"]
    steps = [
        ("format", ["ruff", "format", "--check", "."]),
        ("lint", ["ruff", "check", "."]),
        ("types", ["mypy"]),
        ("imports", ["lint-imports", "--no-logo"]),
        ("tests", ["pytest", *parallel, *more]),
    ]
    environment = dict(os.environ)
    if arguments.thorough:
        environment["TRACKER_THOROUGH"] = "1"
    for name, command in steps:
        print("--- {}".format(name), flush=True)
        step = subprocess.run(
            [str(VENV / "bin" / command[0]), *command[1:]], cwd=str(ROOT), env=environment, check=False
        )
        if step.returncode:
            print("Stopped: {} failed.".format(name), file=sys.stderr)
            return step.returncode if step.returncode > 0 else 1
    print("All good.")
    return 0


def bench(arguments: argparse.Namespace, more: "list[str]") -> int:
    """Set up with the development tools, then become the bench."""
    set_up("requirements.txt", "requirements-dev.txt")
    os.chdir(str(ROOT))
    os.execv(str(PYTHON), [str(PYTHON), "-m", "bench", *more])


def parser() -> argparse.ArgumentParser:
    """Describe the commands; each is a function that takes its arguments and those it does not know itself."""
    top = argparse.ArgumentParser(prog="python3 run.py", description="Sets up Shopify Tracker and serves or tests it.")
    top.set_defaults(command=serve, takes_more=False)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("serve", help="set up and serve (what happens without a command)").set_defaults(command=serve)
    testing = commands.add_parser(
        "test",
        help="set up and check format, lint, types, imports and all tests",
        usage="python3 run.py test [--thorough] [what pytest takes ...]",
        allow_abbrev=False,
    )
    testing.add_argument("--thorough", action="store_true", help="the long tests as well")
    testing.set_defaults(command=test, takes_more=True)
    measuring = commands.add_parser(
        "bench",
        help="set up and measure how fast the service is, beside the limit and its peers",
        usage="python3 run.py bench [--quick] [--large] [--only PART ...] [--out FILE] [--record]",
        add_help=False,
    )
    measuring.set_defaults(command=bench, takes_more=True)
    return top


def main(argv: "list[str]") -> int:
    """Run one command and give the exit status."""
    top = parser()
    arguments, more = top.parse_known_args(argv)
    if more and not arguments.takes_more:
        top.error("unknown: {}".format(" ".join(more)))
    try:
        return int(arguments.command(arguments, more))
    except StopError as stop:
        print(stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
