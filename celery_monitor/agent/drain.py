"""Reads a ring that another thread or process writes: records in order, the attempts still open, and its tail."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final
from zlib import adler32

from celery_monitor.signals.record import ENVELOPE, MAX_PAYLOAD, VERSION, Kind
from celery_monitor.signals.ring import (
    AT_DETAILS,
    AT_FULL,
    AT_HEAD,
    AT_LARGE,
    AT_LOGS,
    AT_PID,
    AT_TAIL,
    AT_UNSLOTTED,
    PAGE,
    SLOT_BYTES,
    SLOT_HEAD,
    Ring,
    put_number,
)

_ENDED: Final = Struct("<I")
_LEAST_BEGIN: Final = 40
_ENVELOPE_BYTES: Final = ENVELOPE.size
_PAD: Final = int(Kind.PAD)
_ANYWHERE: Final = 2 * (_ENVELOPE_BYTES + MAX_PAYLOAD)


class RingReader:
    """The only reader of one ring.

    Attributes:
        read: bytes read so far, ahead of the tail until the batch that holds them is acknowledged.
        skipped: records of an unknown kind or version, and damaged ones.
        dead_since: monotonic seconds when the writer was first seen dead, 0 while it lives.

    """

    __slots__ = ("dead_since", "read", "ring", "skipped")

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.read = ring.number(AT_TAIL)
        self.skipped = 0
        self.dead_since = 0.0

    @property
    def pid(self) -> int:
        """The writer's pid; 0 while nobody has taken a ring made before a fork."""
        return int.from_bytes(self.ring.map[AT_PID : AT_PID + 4], "little")

    @property
    def head(self) -> int:
        """Bytes ever written."""
        return self.ring.number(AT_HEAD)

    @property
    def backlog(self) -> float:
        """Share of the ring that holds records whose batch is not acknowledged, 0..1."""
        return float(self.head - self.ring.number(AT_TAIL)) / self.ring.capacity

    @property
    def has_room(self) -> bool:
        """Whether any record fits, at whatever place of the ring it comes to lie."""
        used = self.head - self.ring.number(AT_TAIL)
        return not used or self.ring.capacity - used >= _ANYWHERE

    def take(self, most: int, upto: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (kind, payload) of at most `most` records, up to the head or to the offset `upto`."""
        memory, data, capacity, unpack = self.ring.map, self.ring.data, self.ring.capacity, ENVELOPE.unpack_from
        end = self.head if upto is None else min(upto, self.head)
        while self.read < end and most > 0:
            at = self.read % capacity
            rest = capacity - at
            if rest < _ENVELOPE_BYTES:
                self.read += rest
                continue
            check, size, kind, version = unpack(memory, data + at)
            if kind == _PAD:
                self.read += rest
                continue
            whole = _ENVELOPE_BYTES + size
            if whole > rest or size > MAX_PAYLOAD:
                self.skipped += 1
                self.read = end  # the length itself is damaged: nothing behind it can be found
                return
            start = data + at + _ENVELOPE_BYTES
            payload = memory[start : start + size]
            self.read += whole
            if adler32(payload) != check or version != VERSION:
                self.skipped += 1
                continue
            most -= 1
            yield kind, payload

    def open_attempts(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (slot, serial, BEGIN part) of attempts that began and whose end was neither written nor read."""
        memory = self.ring.map
        for slot in range(self.ring.slots):
            at = PAGE + slot * SLOT_BYTES
            ended, serial, size = SLOT_HEAD.unpack_from(memory, at)
            if size and _LEAST_BEGIN <= size <= SLOT_BYTES - SLOT_HEAD.size and serial != ended:
                begin = at + SLOT_HEAD.size
                yield slot, serial, memory[begin : begin + size]

    def saw_end(self, slot: int, serial: int) -> None:
        """Remember in the ring that the end of a slot's attempt was read, for a reader after us.

        Ends are told in any order: an older one never takes the place of a newer one.
        """
        at = PAGE + slot * SLOT_BYTES
        if slot < self.ring.slots and serial > _ENDED.unpack_from(self.ring.map, at)[0]:
            self.ring.map[at : at + 4] = _ENDED.pack(serial)  # in one piece

    def commit(self, upto: int) -> None:
        """Move the tail: what lies before it was acknowledged, or has become ours to keep."""
        if upto > self.ring.number(AT_TAIL):
            put_number(self.ring.map, AT_TAIL, upto)

    def losses(self) -> dict[str, int]:
        """Return what this ring could not hold, by reason."""
        found = {
            "ring_full": self.ring.number(AT_FULL),
            "record_too_large": self.ring.number(AT_LARGE),
            "start_not_noted": self.ring.number(AT_UNSLOTTED),
            "details_left_out": self.ring.number(AT_DETAILS),
            "logs_over_budget": self.ring.number(AT_LOGS),
            "record_unreadable": self.skipped,
        }
        return {reason: n for reason, n in found.items() if n}
