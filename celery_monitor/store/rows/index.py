"""Which blocks mention an id: 4 bytes per id and block, in 16 parts per group of blocks, dropped with the group.

An entry is the id's bytes 1 to 3 and the block's place in its group; the upper half of byte 0 tells the part. So an id
is told from others by 28 bits within 128 blocks, and a wrong hit costs one block read, no wrong answer.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Collection
from itertools import pairwise
from typing import Final

from celery_monitor.signals.record import fixed_id

GROUP: Final = 128
"""Blocks per group: an eighth of a million rows or more."""
PARTS: Final = 16
"""Of 64 KB or more when a group is full: each commit of the fold adds to each part, so fewer cost the server less."""
ENTRY: Final = 4
_ID: Final = 16
_FIRST: Final = 256 // PARTS
"""Values of the first byte that share a part."""


def group_of(number: int) -> int:
    """Return the group of a block."""
    return number // GROUP


def entries(ids: Collection[bytes], number: int) -> dict[int, bytes]:
    """Return what to append for ids that a block mentions, by part."""
    whole = sorted(ids if {*map(len, ids)} <= {_ID} else map(fixed_id, ids))
    joined = b"".join(whole)
    found = bytearray(ENTRY * len(whole))
    for at in range(ENTRY - 1):
        found[at::ENTRY] = joined[at + 1 :: _ID]
    found[ENTRY - 1 :: ENTRY] = bytes((number % GROUP,)) * len(whole)
    bounds = [bisect_left(whole, bytes((_FIRST * part,))) for part in range(PARTS)] + [len(whole)]
    cut = ((part, a, b) for part, (a, b) in enumerate(pairwise(bounds)) if a < b)
    return {part: bytes(found[ENTRY * a : ENTRY * b]) for part, a, b in cut}


def label_id(key: str, value: str) -> bytes:
    """Return the 16 bytes by which the runs with a label are found."""
    return hashlib.blake2b(f"{key}={value}".encode(), digest_size=16, person=b"label").digest()


def search(part: bytes | None, packed: bytes, group: int) -> set[int]:
    """Return the blocks of a group that may mention an id, given the part of its first byte.

    >>> sorted(search(entries([bytes(range(16))], 300)[0], bytes(range(16)), group_of(300)))
    [300]
    """
    numbers = set()
    wanted = fixed_id(packed)[1:4]
    data = part or b""
    at = data.find(wanted)
    while 0 <= at <= len(data) - ENTRY:
        if at % ENTRY == 0:
            numbers.add(group * GROUP + data[at + ENTRY - 1])
        at = data.find(wanted, at + 1)
    return numbers


def part_of(packed: bytes) -> int:
    """Return the part an id lies in."""
    return fixed_id(packed)[0] // _FIRST
