"""A hash table from session keys to line numbers, at a third of a dict's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator


class KeyTable:
    r"""A hash table from session keys to line numbers; a bucket is a byte string of entries `\n<key>\0<number>`.

    A key holds no control character, so a search for a whole entry finds no other. It grows by linear hashing: one more
    bucket at a time takes half of an older one's entries, so that no insertion takes long.
    """

    _FULL = 8

    def __init__(self, expected: int = 0) -> None:
        self._base = 64
        while self._base * self._FULL < expected:
            self._base *= 2
        self._split = 0
        self._buckets = [bytearray() for _ in range(self._base)]
        self._count = 0

    def _bucket(self, key: bytes) -> bytearray:
        where = hash(key) & (self._base - 1)
        if where < self._split:
            where = hash(key) & (2 * self._base - 1)
        return self._buckets[where]

    def get(self, key: bytes) -> int | None:
        bucket, entry = self._bucket(key), b"\n%b\0" % key
        begin = bucket.find(entry) + len(entry)
        if begin < len(entry):
            return None
        end = bucket.find(b"\n", begin)
        return int(bucket[begin:end] if end >= 0 else bucket[begin:])

    def put_all(self, keys: list[bytes], number: int, is_there: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
        """Number the keys, ascending from `number` on; return (place among the keys, old number) of known ones.

        `is_there`: whether the line of a number is. A prune leaves lines out without knowing their keys.
        """
        buckets, mask, split = self._buckets, self._base - 1, self._split
        for place, key in enumerate(keys, number):
            where = hash(key) & mask
            bucket = buckets[where] if where >= split else self._bucket(key)
            entry = b"\n%b\0" % key
            found = bucket.find(entry)
            if found < 0:
                bucket += b"%b%d" % (entry, place)
                self._count += 1
                if self._count > self._FULL * len(buckets):
                    self._grow(is_there)
                    mask, split = self._base - 1, self._split
                continue
            begin = found + len(entry)
            end = bucket.find(b"\n", begin)
            end = end if end >= 0 else len(bucket)
            old = int(bucket[begin:end])
            bucket[begin:end] = b"%d" % place
            yield place - number, old

    def remove(self, key: bytes) -> None:
        """Forget a key."""
        bucket, entry = self._bucket(key), b"\n%b\0" % key
        begin = bucket.find(entry)
        if begin >= 0:
            end = bucket.find(b"\n", begin + len(entry))
            del bucket[begin : end if end >= 0 else len(bucket)]
            self._count -= 1

    def _grow(self, is_there: Callable[[int], bool]) -> None:
        """Halve one more bucket, without the keys of lines that are gone."""
        entries = self._buckets[self._split].split(b"\n")[1:]
        self._buckets[self._split] = bytearray()
        self._buckets.append(bytearray())
        self._split += 1
        for entry in entries:
            key, _, number = entry.partition(b"\0")
            if is_there(int(number)):
                bucket = self._bucket(bytes(key))
                bucket += b"\n" + entry
            else:
                self._count -= 1
        if self._split == self._base:
            self._base, self._split = 2 * self._base, 0
