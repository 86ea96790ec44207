"""Puts records into the process's ring: no I/O, no waiting, safe against threads, finalisers and soft time limits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Final
from zlib import adler32  # half of what crc32 costs for a record, and no tables for the task's cache to make room for

from celery_monitor.signals.record import ENVELOPE, MAX_PAYLOAD, VERSION, Kind
from celery_monitor.signals.ring import (
    AT_DETAILS,
    AT_FULL,
    AT_HEAD,
    AT_LARGE,
    AT_TAIL,
    AT_UNSLOTTED,
    PAGE,
    SLOT_BYTES,
    SLOT_HEAD,
    U64,
    Ring,
    put_number,
)

_WAITING: Final = 1000
"""Records kept aside while another thread holds the writer's lock; it holds it for microseconds."""
_SLOT_OWN: Final = Struct("<II")  # serial, length: the part of a slot's head that its writer sets
# Bound once: two attribute look-ups are a tenth of a record's cost.
# Packed and then copied: `pack_into` clears the bytes first, and a SIGKILL in between would leave a head of 0.
_pack_slot, _pack_envelope, _pack_number, _thread = _SLOT_OWN.pack, ENVELOPE.pack, U64.pack, threading.get_ident
_NOBODY: Final = bytes(8)
_HEAD: Final = slice(AT_HEAD, AT_HEAD + 8)
_ENVELOPE_BYTES: Final = ENVELOPE.size
_SLOTS: Final = PAGE + SLOT_HEAD.size - _SLOT_OWN.size
"""Where the first slot's own part begins."""
_SLOT_ROOM: Final = SLOT_BYTES - SLOT_HEAD.size


class Writer:
    """The only writer of one ring.

    The lock is tried, never waited for: who does not get it (another thread, or a finaliser or signal handler that
    interrupted the holder) leaves the record in `_aside`, which the holder empties.
    """

    __slots__ = (
        "_acquire", "_aside", "_capacity", "_data", "_limit", "_lock", "_memory", "_owner", "_refused",
        "_release", "_slots", "free", "head", "ring", "serial",
    )  # fmt: skip

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.head = ring.number(AT_HEAD)
        """Bytes ever written, whole records only."""
        self._limit = ring.number(AT_TAIL) + ring.capacity  # as last looked at: the tail only moves on
        self._lock = threading.Lock()
        self._acquire, self._release = self._lock.acquire, self._lock.release
        self._owner = 0
        self._aside: deque[tuple[int, bytes]] = deque()
        self._refused: deque[None] = deque()
        self.free: deque[int] = deque(range(ring.slots - 1, -1, -1))
        """Start slots nobody holds. The one freed last is taken first: its bytes are still in the processor's cache."""
        self._memory, self._capacity, self._data, self._slots = ring.map, ring.capacity, ring.data, ring.slots
        self.serial: Callable[[], int] = iter(range(1, 2**32)).__next__
        """Returns the next attempt's number in this ring: 1, 2, 3, ..."""

    def put(self, kind: int, payload: bytes) -> None:
        """Write one record, or set it aside for the thread that is writing right now."""
        if not self._acquire(False):  # by position: a keyword costs as much as the lock
            if len(self._aside) < _WAITING:
                self._aside.append((kind, payload))
            else:
                self._refused.append(None)  # for the holder to count: adding to a number is not atomic
            return
        try:
            self._owner = _thread()
            self._write(kind, payload)
            if self._aside:
                self._empty()
        finally:
            self._owner = 0
            self._release()

    def settle(self) -> None:
        """Write what was set aside after the last holder had looked; the agent and a leaving child call it."""
        if self._aside and self._lock.acquire(blocking=False):
            try:
                self._empty()
            finally:
                self._lock.release()

    def _empty(self) -> None:
        while self._aside:
            self._write(*self._aside.popleft())
        while self._refused:
            self._refused.popleft()
            self._count(AT_FULL)

    def recover(self, open_slots: set[int]) -> None:
        """Put right what a soft time limit interrupted: a lock left taken, a head or slot half moved."""
        if self._lock.locked() and self._owner in {0, threading.get_ident()}:
            self._owner = 0
            self._lock.release()
        put_number(self.ring.map, AT_HEAD, self.head)
        free = [slot for slot in range(self.ring.slots) if slot not in open_slots]
        for slot in free:
            at = _SLOTS + slot * SLOT_BYTES
            self._memory[at : at + 8] = _NOBODY
        self.free = deque(free)

    def take_slot(self) -> int:
        """Return a free start slot, or `slots` when none is free: the attempt then shows only once it has ended."""
        try:
            return self.free.pop()
        except IndexError:
            self._count(AT_UNSLOTTED)
            return self._slots

    def mark(self, slot: int, serial: int, payload: bytes) -> None:
        """Note in a start slot that an attempt began; the serial and length go last, in one piece."""
        if slot < self._slots:
            size = len(payload)
            if size > _SLOT_ROOM:
                payload, size = payload[:_SLOT_ROOM], _SLOT_ROOM
            at = _SLOTS + slot * SLOT_BYTES
            memory, begin = self._memory, at + 8
            memory[begin : begin + size] = payload
            memory[at:begin] = _pack_slot(serial, size)

    def end(self, slot: int) -> None:
        """Free a start slot; its attempt's end has been put."""
        if slot < self._slots:
            at = _SLOTS + slot * SLOT_BYTES
            self._memory[at : at + 8] = _NOBODY
            self.free.append(slot)

    def _write(self, kind: int, payload: bytes) -> None:
        size, head = len(payload), self.head
        at = head % self._capacity
        start, whole = self._data + at, _ENVELOPE_BYTES + size
        if head + whole > self._limit or at + whole > self._capacity or size > MAX_PAYLOAD:
            pad = self._make_room(size, at)
            if pad < 0:
                return
            if pad:
                head, start = head + pad, self._data
        self._memory[start : start + whole] = _pack_envelope(adler32(payload), size, kind, VERSION) + payload
        self.head = head = head + whole
        self._memory[_HEAD] = _pack_number(head)  # last: the reader believes what lies before it

    def _make_room(self, size: int, at: int) -> int:
        """Return how many bytes up to the ring's end the record leaves out, -1 when it is dropped, which is counted."""
        if size > MAX_PAYLOAD:  # no reader would believe its length
            self._count(AT_LARGE)
            return -1
        rest = self._capacity - at
        pad = rest if rest < _ENVELOPE_BYTES + size else 0
        end = self.head + pad + _ENVELOPE_BYTES + size
        if end > self._limit:
            self._limit = self.ring.number(AT_TAIL) + self._capacity
            if end > self._limit:
                self._count(AT_FULL)
                return -1
        if pad >= _ENVELOPE_BYTES:
            ENVELOPE.pack_into(self._memory, self._data + at, 0, 0, Kind.PAD, VERSION)
        return pad

    def crowded(self) -> bool:
        """Tell whether the ring is half full, and count what is left out for that: attempts need the rest."""
        half = self._capacity >> 1
        if self.head <= self._limit - half:
            return False
        self._limit = self.ring.number(AT_TAIL) + self._capacity
        if self.head <= self._limit - half:
            return False
        self.left_out(AT_DETAILS)
        return True

    def left_out(self, at: int) -> None:
        """Count what was not even tried to write, at one of the AT_ offsets; threads may lose a count to each other."""
        self._count(at)

    def _count(self, at: int) -> None:
        put_number(self.ring.map, at, self.ring.number(at) + 1)
