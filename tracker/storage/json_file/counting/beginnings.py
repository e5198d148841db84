"""Tallies at the beginnings of lines: read without the rest of the line, where the line has one."""

from __future__ import annotations

import os
import re
from typing import Final

from tracker.sessions.counting import Sums
from tracker.storage.json_file.blocks import Block, Place
from tracker.storage.json_file.file import SessionFile

_BEGIN_BYTES: Final = 384
"""Nearly every tally ends before."""
_PIECE: Final = 1 << 18
_SHORT: Final = 2048
"""Lines that are shorter on average are read many at a time."""

_BEGIN: Final = re.compile(rb'"([A-Za-z0-9._-]{8,64})":\{"session":"\1","updatedAt":[0-9]{1,16},"tally":')
_BEHIND: Final = b',"itemsInCart":'
"""The key that follows the tally in every record: no text of a tally can hold it, because quotes are escaped there."""


def put_place(sums: Sums, file: SessionFile, place: Place, sign: int) -> None:
    """Put in or take out the session whose line stands at a place. Raises StoreDamagedError or OSError."""
    _put(sums, file, place, os.pread(file.fd, min(place.length, _BEGIN_BYTES), place.start), sign)


def put_block(sums: Sums, file: SessionFile, block: Block) -> None:
    """Put in all sessions whose live lines stand in a block, which is a copy."""
    block.settle()
    places = [block.place(position) for position, is_alive in enumerate(block.alive) if is_alive]
    if not places or block.size > _SHORT * len(places):
        for place in places:
            put_place(sums, file, place, 1)
        return
    first = 0
    while first < len(places):
        base, behind = places[first].start, first + 1
        while behind < len(places) and places[behind].start + places[behind].length - base <= _PIECE:
            behind += 1
        last = places[behind - 1]
        piece = file.read_bytes(base, last.start + last.length - base)
        for place in places[first:behind]:
            offset = place.start - base
            _put(sums, file, place, piece[offset : offset + min(place.length, _BEGIN_BYTES)], 1)
        first = behind


def _put(sums: Sums, file: SessionFile, place: Place, begin: bytes, sign: int) -> None:
    found = _BEGIN.match(begin)
    if found is not None:
        end = begin.find(_BEHIND, found.end())
        if end < 0:
            begin = file.read_bytes(place.start, place.length)
            end = begin.find(_BEHIND, found.end())
        try:
            sums.put(found[1].decode(), begin[found.end() : end], sign)
            return
        except (ValueError, TypeError, LookupError):
            pass  # a tally of another version, or changed by hand: the whole record is read
    session_id, record = file.read_any(place)
    sums.put_record(session_id, record, sign)
