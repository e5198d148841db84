"""The one command: `python3 run.py` sets up and serves, `python3 run.py test` sets up and tests.

Every other word is a command of the service: `python3 run.py sessions list` is `shopify-tracker sessions list`.

It needs the standard library only, and every Python since 3.6 can parse it: an old one prints one clear line.
"""

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
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
    """The command cannot continue; the message is one line that says why and what to do."""


def refusal(version: "tuple[int, ...]", os_name: str) -> "str | None":
    """Return why this Python or system cannot run the service, or None if it can."""
    if tuple(version[:2]) < LEAST_PYTHON:
        return "Shopify Tracker needs Python {}.{} or newer; this is Python {}.{}.".format(*LEAST_PYTHON, *version[:2])
    if os_name == "nt":
        return "Shopify Tracker needs Linux or macOS, because Gunicorn does not run on Windows; use WSL there."
    return None


if __name__ == "__main__" and refusal(sys.version_info[:3], os.name):
    sys.exit(refusal(sys.version_info[:3], os.name))


# --- Setting up -------------------------------------------------------------------------------------------------------


def interpreter() -> str:
    """Return a text that identifies this Python and the place of .venv; .venv is rebuilt when it changes."""
    return "{} {} {}".format(sys.version, sys.base_prefix, VENV)


def digest(*requirements: Path) -> str:
    """Return a hash of the content of these requirements files."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in requirements)).hexdigest()


def read_stamp(path: Path) -> "dict[str, str]":
    """Return what a finished set-up recorded: requirements file -> digest; empty if none has finished."""
    try:
        stamp = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(path: Path, stamp: "dict[str, str]") -> None:
    """Write the stamp completely or not at all."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(stamp), "utf-8")
    beside.replace(path)


def has_module(*names: str) -> bool:
    """Return whether this Python has all these modules; Debian leaves out ensurepip and others."""
    found = subprocess.run([sys.executable, "-c", "import " + ", ".join(names)], capture_output=True, check=False)
    return found.returncode == 0


def make_venv() -> "list[str]":
    """Create an empty .venv and return the command of a pip that installs into it."""
    has_ensurepip = has_module("venv", "ensurepip")
    if not has_ensurepip and not has_module("venv", "pip"):
        raise StopError(NEITHER_VENV_NOR_PIP)
    print("Making .venv", flush=True)
    if VENV.is_symlink():
        VENV.unlink()  # never empty a folder that is not ours
    if has_ensurepip:
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, check=False)
        if made.returncode == 0:
            return [str(PYTHON), "-m", "pip"]
    if not has_module("venv", "pip"):
        raise StopError(NEITHER_VENV_NOR_PIP)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def find_pip() -> "list[str]":
    """Return the command of a pip that installs into the existing .venv."""
    inside = subprocess.run([str(PYTHON), "-c", "import pip"], capture_output=True, check=False)
    if inside.returncode == 0:
        return [str(PYTHON), "-m", "pip"]
    if has_module("pip"):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    raise StopError(NEITHER_VENV_NOR_PIP)


@contextlib.contextmanager
def one_at_a_time() -> "Iterator[None]":
    """Hold a lock, so that a second start waits for the first; it is on the folder itself and leaves no file."""
    import fcntl  # noqa: PLC0415  absent on Windows, for which `refusal` has a message

    folder = os.open(str(ROOT), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def set_up(*names: str) -> None:
    """Install these requirements files into .venv, unless the stamp shows that they are installed.

    The stamp is written only after an installation has finished, and removed before the next one begins. If a set-up
    was killed there is no stamp, and .venv is rebuilt.
    """
    files = [ROOT / name for name in names]
    # A file is installed on top of the earlier ones, so its digest covers them too.
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
    """Copy .env.example to .env if there is none, readable by its owner only, because it will hold keys."""
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
    """Return the settings of .env, overridden by those of the environment."""
    # python-dotenv is installed in .venv only. Using it keeps one set of rules for quotes in .env.
    code = "import dotenv, json; print(json.dumps(dotenv.dotenv_values('.env')))"
    answer = subprocess.run([str(PYTHON), "-c", code], capture_output=True, check=False, cwd=str(ROOT))
    # The program that is started next says what is wrong with a file that cannot be read.
    return {**json.loads(answer.stdout or "{}"), **os.environ}


def run_program(words: "list[str]") -> int:
    """Set up, then replace this process with the service's program, so that signals reach it directly."""
    set_up("requirements.txt")
    if words == ["serve"]:
        make_env_file(ROOT)
    if (settings().get("DATABASE_URL") or "").strip():
        set_up("requirements.txt", "requirements-postgres.txt")
    os.chdir(str(ROOT))
    os.execv(str(PYTHON), [str(PYTHON), "-m", "tracker", *words])


def serve(arguments: argparse.Namespace, more: "list[str]") -> int:
    """Set up and serve."""
    return run_program(["serve"])


def checks(how_much: str, more: "list[str]") -> "list[tuple[str, list[str]]]":
    """Return (name, command) of every check, in order; `how_much` is fast, gate or thorough."""
    # worksteal: durations differ by a factor of a thousand, and a fixed split would leave one worker idle.
    tests = ["pytest", "-n", "2", "--dist", "worksteal"]
    quick = {"format": "ruff format --check .", "lint": "ruff check .", "spelling": "codespell"}
    first = [(name, command.split()) for name, command in quick.items()]
    if how_much == "fast":
        return [*first, ("unit tests", [*tests, "tests/unit", *more])]
    return [*first, ("types", ["mypy"]), ("imports", ["lint-imports", "--no-logo"]), ("tests", [*tests, *more])]


def verdict(summary: Path) -> str:
    """Return the last line of a run in which every check passed; `summary` is the file that the tests left."""
    try:
        content = json.loads(summary.read_text("utf-8"))
        skipped, why = int(content["skipped"]), "; ".join(map(str, content["why"]))
        again = list(map(str, content["again"]))
    except (OSError, ValueError, KeyError, TypeError):
        return "All good, but it is unknown how many tests were skipped: they left no summary."
    parts = ["{} skipped: {}".format(skipped, why)] if skipped else []
    if again:
        parts.append("{} passed at the second try only: {}".format(len(again), ", ".join(again)))
    return "All good, {}".format("; ".join(parts)) if parts else "All good."


def test(arguments: argparse.Namespace, more: "list[str]") -> int:
    """Set up with the development tools, then run every check in order and stop at the first that fails."""
    set_up("requirements.txt", "requirements-dev.txt")
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder, "summary.json")
        environment = {**os.environ, "TRACKER_TESTS": arguments.how_much, "TRACKER_TEST_SUMMARY": str(summary)}
        for name, command in checks(arguments.how_much, more):
            print("--- {}".format(name), flush=True)
            program = [str(VENV / "bin" / command[0]), *command[1:]]
            step = subprocess.run(program, cwd=str(ROOT), env=environment, check=False)
            if step.returncode:
                print("Stopped: {} failed.".format(name), file=sys.stderr)
                return step.returncode if step.returncode > 0 else 1
        print(verdict(summary))
    return 0


def bench(arguments: argparse.Namespace, more: "list[str]") -> int:
    """Set up with the development tools, then replace this process with the bench."""
    set_up("requirements.txt", "requirements-dev.txt")
    os.chdir(str(ROOT))
    os.execv(str(PYTHON), [str(PYTHON), "-m", "bench", *more])


def parser() -> argparse.ArgumentParser:
    """Return the parser. A command is a function of its parsed arguments and the list of unknown ones."""
    top = argparse.ArgumentParser(
        prog="python3 run.py",
        description="Sets up Shopify Tracker and serves or tests it.",
        epilog="Every other word is a command of the service, such as `python3 run.py sessions list`.",
    )
    top.set_defaults(command=serve, takes_more=False)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("serve", help="set up and serve (what happens without a command)").set_defaults(command=serve)
    testing = commands.add_parser(
        "test",
        help="set up and check format, lint, types, imports and all tests",
        usage="python3 run.py test [--fast | --thorough] [arguments of pytest ...]",
        allow_abbrev=False,
    )
    how_much = testing.add_mutually_exclusive_group()
    for name, text in (("fast", "format, lint and unit tests only"), ("thorough", "the long tests as well")):
        how_much.add_argument("--" + name, dest="how_much", action="store_const", const=name, help=text)
    testing.set_defaults(command=test, takes_more=True, how_much="gate")
    measuring = commands.add_parser("bench", add_help=False, help="set up and measure how fast the service is")
    measuring.set_defaults(command=bench, takes_more=True)
    return top


def main(argv: "list[str]") -> int:
    """Run one command and return its exit status."""
    top = parser()
    is_own = not argv or argv[0].startswith("-") or argv[0] in ("serve", "test", "bench")
    try:
        if not is_own:
            return run_program(argv)
        arguments, more = top.parse_known_args(argv)
        if more and not arguments.takes_more:
            top.error("unknown: {}".format(" ".join(more)))
        return int(arguments.command(arguments, more))
    except StopError as stop:
        print(stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
