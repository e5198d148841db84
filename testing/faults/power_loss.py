"""What a disk may hold after the power failed: system calls recorded with strace, replayed into every legal state.

The model is that of POSIX with a disk whose sectors of 512 bytes are written whole. At the moment of the failure

- a write or a cut of a file is on the disk for sure if an fsync or fdatasync of the file began after it was over, and
  was over itself; of all later ones each sector may hold any of its versions since, and the size too, or any size
  between; what was never written inside the size reads as NUL;
- names (create, mkdir, link, rename, unlink) are there in their order, at least up to the folder's last fsync.

Everything is about moments, not about processes: a call that was under way may have happened or not.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

SECTOR = 512
_CUTS = 12
"""At how many sizes between the old and the new one a file is cut."""

CALLS = (
    "openat,close,dup,dup2,dup3,write,writev,pwrite64,pwritev,ftruncate,truncate,fallocate,fsync,fdatasync,"
    "rename,renameat,renameat2,link,linkat,symlink,unlink,unlinkat,mkdir,mkdirat,rmdir"
)
_UNKNOWN = {"writev", "pwritev", "truncate", "fallocate", "dup", "dup2", "dup3", "symlink", "rmdir"}
"""Calls that the model does not know: to meet one on a watched file is an error, not something to overlook."""

NOTE = "acknowledged"
"""The name of the file on which a recorded process writes what it was promised, one `write` a line."""

Files = dict[str, bytes]
"""What stands in the watched folder: content by path, folders left out."""


# --- recording --------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """One system call: between `begin` and `end` it happened."""

    name: str
    args: str
    begin: float
    end: float = math.inf
    result: int = 0

    @cached_property
    def texts(self) -> list[bytes]:
        """The arguments that are text, decoded from strace's -xx."""
        assert '"...' not in self.args, "strace cut a text short"
        return [bytes.fromhex(text.replace("\\x", "")) for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', self.args)]

    @cached_property
    def numbers(self) -> list[int]:
        return [int(number) for number in re.findall(r"(?:^|, )(-?\d+)(?=,|$)", re.sub(r'"[^"]*"', '""', self.args))]


_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*?)(?:( <unfinished \.\.\.>)|\) += (-?\d+|\?).*)$")


def record(command: list[str], log: Path, *, inject: str | None = None, cwd: Path) -> list[Call]:
    """Run a command under strace and give the calls it made; with `inject` it may be made to die at one."""
    options = ["-e", f"inject={inject}"] if inject else []
    done = subprocess.run(
        ["strace", "-f", "-xx", "-s", "9999999", "-o", str(log), "-e", f"trace={CALLS}", *options, *command],
        cwd=cwd,
        check=False,
    )
    assert done.returncode == (-9 if inject else 0), f"{command} ended with {done.returncode}"
    return parse(log.read_text())


def parse(log: str) -> list[Call]:
    """Read strace's log."""
    calls: list[Call] = []
    under_way: dict[str, Call] = {}
    for number, line in enumerate(log.splitlines()):
        if not (match := _LINE.match(line)):
            continue
        thread, resumed, name, args, unfinished, result = match.groups()
        if resumed:
            call = under_way.pop(thread)
            call.args += args
        else:
            call = Call(name, args, begin=2.0 * number)
            calls.append(call)
        if unfinished:
            under_way[thread] = call
        elif result != "?":
            call.end, call.result = 2.0 * number + 1, int(result)
    return calls


# --- the disk ---------------------------------------------------------------------------------------------------------


@dataclass
class Change:
    """What a call did to an inode: to a file a write or (data None) a cut at `place`; to a folder a renaming."""

    begin: float
    end: float
    place: int = 0
    data: bytes | None = None
    names: tuple[tuple[str, Inode | None], ...] = ()
    """Names in this folder and what they stand for from now on (None: for nothing)."""


class Inode:
    """A file or folder with all that it was; `before` is a file's content at the beginning, which is on the disk."""

    def __init__(self, before: bytes = b"", *, is_folder: bool = False) -> None:
        self.is_folder = is_folder
        self.changes: list[Change] = []
        self.syncs: list[tuple[float, float]] = []
        self.contents = [before]
        """A file's content after none, one, two, ... of the changes."""
        self.names: list[dict[str, Inode]] = [{}]
        """A folder's names after none, one, two, ... of the changes."""

    def change(self, change: Change) -> None:
        self.changes.append(change)
        content, place, names = self.contents[-1], change.place, dict(self.names[-1])
        if change.data is not None:
            content = content.ljust(place, b"\0")
            content = content[:place] + change.data + content[place + len(change.data) :]
        elif not change.names:
            content = content[:place].ljust(place, b"\0")
        for name, inode in change.names:
            names.pop(name, None)
            if inode is not None:
                names[name] = inode
        self.contents.append(content)
        self.names.append(names)

    def range_at(self, moment: float) -> tuple[int, int]:
        """Return (how many changes are on the disk for sure, how many have begun) at a moment."""
        since = max((begin for begin, end in self.syncs if end < moment), default=-1.0)
        sure = begun = 0
        for count, change in enumerate(self.changes, 1):
            if change.end < since:
                sure = count
            if change.begin < moment:
                begun = count
        return sure, begun


@dataclass
class Disk:
    """A watched folder, what was done to it, and what was promised meanwhile."""

    root: Path
    top: Inode = field(default_factory=lambda: Inode(is_folder=True))
    promises: list[tuple[float, str]] = field(default_factory=list)
    """(moment at which it was made, its line) of every promise."""
    moments: list[float] = field(default_factory=list)
    """Moments of failure between which nothing differs."""

    @classmethod
    def watch(cls, root: Path) -> Disk:
        """Begin with the files that are there now, as on the disk."""
        disk = cls(root)
        for path in sorted(root.iterdir()):
            disk.top.change(Change(-3, -3, names=((path.name, Inode(path.read_bytes())),)))
        disk.top.syncs.append((-2, -2))
        return disk

    def replay(self, calls: list[Call]) -> None:
        """Take in what one run of a process (one table of descriptors) did, after all that came before."""
        start = max(self.moments, default=0.0) + 10
        descriptors: dict[int, Inode | str] = {}
        opened: list[tuple[Call, Inode | str]] = []
        for call in calls:
            for earlier, inode in [entry for entry in opened if entry[0].end < call.begin]:
                descriptors[earlier.result] = inode
                opened.remove((earlier, inode))
            if call.result < 0:
                continue
            step = Change(start + call.begin, start + call.end)
            if call.name == "openat":
                descriptors.pop(call.result, None)
                if (found := self._open(call, step)) is not None:
                    opened.append((call, found))
            elif call.name == "close":
                descriptors.pop(call.numbers[0], None)
            elif call.texts and self._local(call.texts[0]) is not None:
                self._change_names(call, step)
            elif (target := descriptors.get(call.numbers[0] if call.numbers else -1)) == NOTE:
                self.promises.append((step.begin, call.texts[0].decode().rstrip("\n")))
                self._note(step)
            elif isinstance(target, Inode):
                self._change_file(target, call, step)
        self.moments = sorted({moment for moment in self.moments if moment < math.inf})

    def _note(self, step: Change) -> None:
        self.moments += [step.begin + 0.5, step.end + 0.5]

    def _change_file(self, inode: Inode, call: Call, step: Change) -> None:
        assert call.name not in _UNKNOWN, call
        self._note(step)
        if call.name in {"fsync", "fdatasync"}:
            inode.syncs.append((step.begin, step.end))
            return
        if call.name == "ftruncate":
            step.place = call.numbers[1]
        else:
            # A call that was not finished may have done all or nothing. Only appending descriptors name no place.
            step.data = call.texts[0] if step.end == math.inf else call.texts[0][: call.result]
            step.place = call.numbers[-1] if call.name == "pwrite64" else len(inode.contents[-1])
        inode.change(step)

    def _change_names(self, call: Call, step: Change) -> None:
        assert call.name not in _UNKNOWN, call
        first = call.texts[0]
        if call.name.startswith("mkdir"):
            self._name(step, (first, Inode(is_folder=True)))
        elif call.name.startswith("unlink"):
            self._name(step, (first, None))
        elif call.name.startswith("link"):
            self._name(step, (call.texts[1], self._find(first)))
        elif call.name.startswith("rename"):
            self._name(step, (call.texts[1], self._find(first)), (first, None))

    def _local(self, path: bytes) -> tuple[str, ...] | None:
        try:
            return Path(path.decode()).relative_to(self.root).parts
        except ValueError:
            return None

    def _find(self, path: bytes) -> Inode | None:
        """Return what a path stands for at this point of the replay."""
        parts = self._local(path)
        inode: Inode | None = self.top if parts is not None else None
        for part in parts or ():
            inode = inode.names[-1].get(part) if inode is not None else None
        return inode

    def _open(self, call: Call, step: Change) -> Inode | str | None:
        path = call.texts[0]
        if Path(path.decode()).name == NOTE:
            return NOTE
        if self._local(path) is None:
            return None
        inode = self._find(path)
        if inode is None:
            inode = Inode()
            self._name(step, (path, inode))
        elif "O_TRUNC" in call.args:
            inode.change(step)
            self._note(step)
        return inode

    def _name(self, step: Change, *names: tuple[bytes, Inode | None]) -> None:
        """Take in names of one folder that change in one step."""
        local = [(self._local(path) or (), inode) for path, inode in names]
        assert len({parts[:-1] for parts, _inode in local}) == 1, "a renaming across folders"
        folder = self._find(str(Path(names[0][0].decode()).parent).encode())
        assert folder is not None
        step.names = tuple((parts[-1], inode) for parts, inode in local)
        folder.change(step)
        self._note(step)

    # --- the states ---------------------------------------------------------------------------------------------------

    def states_at(self, moment: float, chance: Random, at_most: int) -> Iterator[Files]:
        """Return the legal states of the disk after a failure at this moment: all, or a sample where they are more.

        A sample has the extremes (all old, all new) and is drawn anew with every call.
        """
        for names in self._namings(self.top, "", moment, chance, at_most):
            choices = [(path, _variants(inode, moment)) for path, inode in names.items()]
            per_file = [variants.count for _path, variants in choices]
            if math.prod(per_file) <= at_most:
                picks: Iterator[tuple[bytes, ...]] = itertools.product(*(variants.all() for _, variants in choices))
            else:
                picks = (tuple(variants.pick(chance, number) for _, variants in choices) for number in range(at_most))
            for pick in picks:
                yield {path: content for (path, _variants), content in zip(choices, pick, strict=True)}

    def _namings(
        self, folder: Inode, prefix: str, moment: float, chance: Random, at_most: int
    ) -> Iterator[dict[str, Inode]]:
        sure, begun = folder.range_at(moment)
        seen: list[dict[str, Inode]] = []
        for count in range(sure, begun + 1):
            if folder.names[count] in seen:
                continue
            seen.append(folder.names[count])
            files = {f"{prefix}{name}": inode for name, inode in seen[-1].items() if not inode.is_folder}
            inner = [
                list(self._namings(inode, f"{prefix}{name}/", moment, chance, at_most))
                for name, inode in seen[-1].items()
                if inode.is_folder
            ]
            for combination in itertools.product(*inner):
                yield files | {path: inode for names in combination for path, inode in names.items()}


@dataclass
class _Variants:
    """What one file may hold: for each sector its possible contents, and the possible sizes."""

    sectors: list[list[bytes]]
    sizes: list[int]

    @property
    def count(self) -> int:
        return math.prod(map(len, self.sectors)) * len(self.sizes)

    def all(self) -> Iterator[bytes]:
        for size in self.sizes:
            for sectors in itertools.product(*self.sectors):
                yield b"".join(sectors)[:size]

    def pick(self, chance: Random, number: int) -> bytes:
        if number < 2:
            # All old and all new.
            return b"".join(versions[-number] for versions in self.sectors)[: self.sizes[-number]]
        size = chance.choice([*self.sizes, chance.randint(min(self.sizes), max(self.sizes))])
        return b"".join(map(chance.choice, self.sectors))[:size]


def _variants(inode: Inode, moment: float) -> _Variants:
    sure, begun = inode.range_at(moment)
    versions = inode.contents[sure : begun + 1]
    longest = max(map(len, versions))
    sectors = []
    for place in range(0, longest, SECTOR):
        held = (version[place : place + SECTOR].ljust(SECTOR, b"\0") for version in versions)
        sectors.append(list(dict.fromkeys(held)))
    sizes = list(dict.fromkeys(map(len, versions)))
    between = range(min(sizes) + 1, longest, max(1, (longest - min(sizes)) // _CUTS))
    return _Variants(sectors, [*sizes[:1], *between, *sizes[1:]])


def digest(files: Files) -> bytes:
    """Return a name of a state, so that the same one need not be looked at twice."""
    hashed = hashlib.blake2b(digest_size=16)
    for path, content in sorted(files.items()):
        hashed.update(f"{path}\0{len(content)}\0".encode() + content)
    return hashed.digest()
