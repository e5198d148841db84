"""Real system calls of a store made to fail, or to kill it, one at a time, by strace: nothing of ours is patched.

`TracedStore` keeps one small process with the store imported; for each case that forks a child, strace is attached to
the child, and only then it acts. The child tells what became of its act, of a read and of a write after it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from testing.shoppers import NOON, adds, names, session
from tracker.sessions.store import StoreError
from tracker.storage.json_file import JsonFileStore

ROOT = Path(__file__).resolve().parents[2]
ANNA, BERT, CORA = "anna-0001", "bert-0002", "cora-0003"

NO_STRACE = None if shutil.which("strace") else "strace is missing: apt-get install strace"


# --- what the child does ----------------------------------------------------------------------------------------------


def _update(store: JsonFileStore) -> None:
    store.update(ANNA, adds(ANNA, "new", NOON + 5))


def _rewrite_behind(store: JsonFileStore) -> None:
    _update(store)
    # Many dead lines: this one's rewrite goes on in a thread, and is awaited by `close` only.
    for number in range(6):
        store.update(BERT, lambda stored, number=number: session(BERT, "old", at=NOON + number))  # type: ignore[misc]


ACTS: dict[str, Callable[[JsonFileStore], object]] = {
    "update": _update,
    "delete": lambda store: store.delete(BERT),
    "prune": lambda store: store.prune(NOON + 1),
    "compact": lambda store: store.compact(),
    "repair": lambda store: store.repair(),
    "rewrite behind": _rewrite_behind,
    "problem": lambda store: store.problem(),
}


@dataclass
class Outcome:
    act: str = "killed"
    """ok, or the name of the exception; "killed" when the child did not live to tell."""
    told: str = ""
    """The problem, for the act that asks for it."""
    found: dict[str, dict[str, int]] = field(default_factory=dict)
    """The events that the same store gave after the act, by session."""
    read: str = "killed"
    write: str = "killed"


def _attempt(work: Callable[[], object]) -> str:
    try:
        work()
    except StoreError as error:
        return f"StoreError {type(error).__name__}"
    except BaseException as error:  # noqa: BLE001 - that there is no other is what the test shows
        return repr(error)
    return "ok"


def _child(act: str, path: Path) -> Outcome:
    store = JsonFileStore(path, compact_from=500 if act == "rewrite behind" else 1 << 20)
    outcome = Outcome()

    def work() -> None:
        told = ACTS[act](store)
        outcome.told = told if isinstance(told, str) else ""

    outcome.act = _attempt(work)

    def read() -> None:
        outcome.found = {session_id: dict(names(store.get(session_id))) for session_id in (ANNA, BERT)}

    outcome.read = _attempt(read)
    outcome.write = _attempt(lambda: store.update(CORA, adds(CORA, "next", NOON + 9)))
    store.close()
    return outcome


def main() -> None:
    """Serve: a line `act<TAB>path` forks a child and answers its pid, `go` lets it act and answers its Outcome."""
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        act, _, path = line.rstrip("\n").partition("\t")
        ready, go = os.pipe()
        told, tell = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(go)
            os.read(ready, 1)
            os.write(tell, json.dumps(asdict(_child(act, Path(path)))).encode())
            os._exit(0)
        os.close(ready)
        os.close(tell)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(go, b"!")
        with os.fdopen(told) as answer:
            print(answer.read() or json.dumps(asdict(Outcome())), flush=True)
        os.close(go)
        os.waitpid(pid, 0)


def _in_one_piece(log: str) -> str:
    """Return strace's log without the breaks that it makes where calls of two threads overlap."""
    begun: dict[str, str] = {}
    lines = []
    for line in log.splitlines():
        thread = line.partition(" ")[0]
        if line.endswith(" <unfinished ...>"):
            begun[thread] = line.removesuffix(" <unfinished ...>")
        else:
            lines.append(re.sub(r"^\d+ +<\.\.\. \w+ resumed>", lambda _, thread=thread: begun.pop(thread, ""), line))  # type: ignore[misc]
    return "\n".join([*lines, *begun.values()])


# --- what the test does -----------------------------------------------------------------------------------------------


class TracedStore:
    """Runs acts under strace, one after the other. Use one a thread."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "testing.faults.traced_store"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()

    def _ask(self, question: str) -> str:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(question + "\n")
        self._server.stdin.flush()
        return self._server.stdout.readline()

    def act(self, act: str, path: Path, calls: str, inject: str | None = None) -> tuple[Outcome, str]:
        """Let a child act; tell what became of it, and strace's log of the calls (a comma-separated list)."""
        log = path.parent.with_name(f"{path.parent.name}.strace")
        pid = self._ask(f"{act}\t{path}").strip()
        options = ["-e", f"trace={calls}"] if inject is None else ["-e", f"trace={calls}", "-e", f"inject={inject}"]
        with subprocess.Popen(
            ["strace", "-f", "-o", str(log), *options, "-p", pid], stderr=subprocess.PIPE, text=True
        ) as strace:
            assert strace.stderr is not None
            attached = strace.stderr.readline()
            assert "attached" in attached, attached + strace.stderr.read()
            outcome = Outcome(**json.loads(self._ask("go")))
            strace.stderr.read()
        return outcome, _in_one_piece(log.read_text())

    def count(self, act: str, path: Path, calls: str) -> tuple[Outcome, Counter[str]]:
        """Let a child act undisturbed; tell how often its busiest thread made each call."""
        outcome, log = self.act(act, path, calls)
        by_thread = Counter(re.findall(r"^(\d+) +(\w+)\(", log, re.MULTILINE))
        most: Counter[str] = Counter()
        for (_thread, call), times in by_thread.items():
            most[call] = max(most[call], times)
        return outcome, most


if __name__ == "__main__":
    main()
