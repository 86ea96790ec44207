"""Which blocks mention an id: 4 bytes per id and block, in 64 parts per group of blocks, dropped with the group.

An entry is the id's bytes 1 to 3 and the block's place in its group; byte 0 tells the part. So an id is told from
others by 30 bits within 128 blocks, and a wrong hit costs one block read, no wrong answer.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from celery_monitor.signals.record import fixed_id

GROUP: Final = 128
"""Blocks per group: an eighth of a million rows or more."""
PARTS: Final = 64
"""Of 8 KB or more when a group is full: each commit of the fold adds to each part, so fewer cost the server less."""
ENTRY: Final = 4


def group_of(number: int) -> int:
    """Return the group of a block."""
    return number // GROUP


def entries(ids: Iterable[bytes], number: int) -> dict[int, bytes]:
    """Return what to append for ids that a block mentions, by part."""
    place = bytes((number % GROUP,))
    parts: dict[int, list[bytes]] = defaultdict(list)
    for packed in ids:
        whole = packed if len(packed) == 16 else fixed_id(packed)
        parts[whole[0] % PARTS].append(whole[1:4])
    return {part: place.join(found) + place for part, found in parts.items()}


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
    while at >= 0:
        if at % ENTRY == 0:
            numbers.add(group * GROUP + data[at + ENTRY - 1])
        at = data.find(wanted, at + 1)
    return numbers


def part_of(packed: bytes) -> int:
    """Return the part an id lies in."""
    return fixed_id(packed)[0] % PARTS
