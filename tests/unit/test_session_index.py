"""The index of the session file knows what a dict would, and after a compaction what reading the file would show."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.storage.json_file.index import Index

KEYS = [b"anna", b"bert", b":x", b"", "größe".encode(), b"a", b"aa", b"shopper-1", b"shopper-11"]
lines = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(2, 90), st.none() | st.integers(0, 50)), min_size=0, max_size=60
)


class Model:
    """A file as lists: what every index is compared with."""

    def __init__(self) -> None:
        self.lines: list[tuple[bytes, int, int | None]] = []

    def place(self, number: int) -> tuple[int, int]:
        return 2 + sum(length + 2 for _, length, _ in self.lines[:number]), self.lines[number][1]

    def live(self, count: int) -> dict[bytes, int]:
        """Return the number of the live line of each key, as of the first so many lines."""
        last: dict[bytes, int] = {}
        for number, (key, _, time) in enumerate(self.lines[:count]):
            last.pop(key, None)
            if time is not None:
                last[key] = number
        return last


def agrees(index: Index, model: Model) -> None:
    live = model.live(len(model.lines))
    places = {key: model.place(number) for key, number in live.items()}
    assert {key: index.find(key) for key in KEYS} == {key: places.get(key) for key in KEYS}
    assert index.sessions == len(live)
    assert index.live_bytes == sum(length for _, length in places.values())
    assert index.end == (sum(model.place(len(model.lines) - 1)) if model.lines else 1)
    for before in (None, 25):
        expected: dict[int, set[tuple[int, int]]] = {}
        for number in live.values():
            time = model.lines[number][2]
            assert time is not None
            if before is None or time <= before:
                expected.setdefault(time, set()).add(model.place(number))
        assert [set(group) for group in index.newest_first(before)] == [
            expected[time] for time in sorted(expected, reverse=True)
        ]


def put(index: Index, model: Model, some: list[tuple[bytes, int, int | None]], at_once: bool) -> None:
    model.lines += some
    for part in [some] if at_once else [[one] for one in some]:
        index.add([key for key, _, _ in part], [length for _, length, _ in part], [time for _, _, time in part])


@settings(deadline=None)
@given(lines, lines, lines, st.booleans(), st.sampled_from([0, 10, 40]), st.sampled_from([1, 2, 5, 512]))
@example([(key, 20, 7) for key in KEYS], [(KEYS[0], 9, 8)] * 2, [(KEYS[1], 5, None)], True, 0, 2)
@example([(key, 20, 7) for key in KEYS] * 2, [(KEYS[3], 9, 8)], [(KEYS[4], 5, 9)] * 4, True, 0, 5)
@example([(key, 20, time) for time, key in enumerate(KEYS)], [(KEYS[3], 9, 2)], [(KEYS[1], 5, 9)], True, 6, 3)
def test_an_index_knows_what_a_dict_knows_and_where_a_compaction_puts_it(
    first: list[tuple[bytes, int, int | None]],
    meanwhile: list[tuple[bytes, int, int | None]],
    afterwards: list[tuple[bytes, int, int | None]],
    at_once: bool,
    cutoff: int,
    lines_a_block: int,
) -> None:
    index, model = Index(lines_a_block), Model()
    put(index, model, first, at_once)
    agrees(index, model)
    end, count = index.end, len(model.lines)
    put(index, model, meanwhile, at_once)
    agrees(index, model)

    copy = Model()
    kept = sorted(model.live(count).values())
    copy.lines = [line for line in map(model.lines.__getitem__, kept) if line[2] is not None and line[2] >= cutoff]
    assert sum(block.alive.count(1) for block in index.live_at(end, cutoff)) == len(copy.lines)
    copy.lines += meanwhile
    moved = index.moved(end, cutoff)
    agrees(moved, copy)
    put(moved, copy, afterwards, at_once)
    agrees(moved, copy)
    agrees(moved.moved(moved.end, 0), compacted(copy))


def compacted(model: Model) -> Model:
    other = Model()
    other.lines = [model.lines[number] for number in sorted(model.live(len(model.lines)).values())]
    return other


def test_a_table_that_grows_and_forgets_finds_every_key() -> None:
    index, model = Index(), {}
    for number in range(5000):
        key = b"shopper-%d" % (number * 7919 % 3000)
        index.add([key], [number % 50 + 2], [None if number % 5 == 0 else number])
        model[key] = number % 5 != 0
    for _ in range(3):
        index = index.moved(index.end, 3000)
        index.add([b"shopper-%d" % number for number in range(100)], [20] * 100, [5000] * 100)
    assert all(index.find(b"shopper-%d" % number) for number in range(100))
    assert sum(index.find(b"shopper-%d" % number) is not None for number in range(3000)) == index.sessions
