"""Puts records into the process's ring: no I/O, no waiting, safe against threads, finalisers and soft time limits."""

from __future__ import annotations

import threading
from collections import deque
from struct import Struct
from typing import Final
from zlib import crc32

from celery_monitor.signals.record import ENVELOPE, MAX_PAYLOAD, VERSION, Kind
from celery_monitor.signals.ring import (
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
)

_WAITING: Final = 1000
"""Records kept aside while another thread holds the writer's lock; it holds it for microseconds."""
_SLOT_OWN: Final = Struct("<II")  # serial, length: the part of a slot's head that its writer sets


class Writer:
    """The only writer of one ring.

    The lock is tried, never waited for: who does not get it (another thread, or a finaliser or signal handler that
    interrupted the holder) leaves the record in `_aside`, which the holder empties.
    """

    __slots__ = ("_aside", "_free", "_head", "_lock", "_owner", "_serial", "_tail", "ring")

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self._head = ring.number(AT_HEAD)
        self._tail = ring.number(AT_TAIL)  # as last looked at: the real one only moves on
        self._lock = threading.Lock()
        self._owner = 0
        self._aside: deque[tuple[int, bytes]] = deque()
        self._free: deque[int] = deque(range(ring.slots))
        self._serial = iter(range(1, 2**32)).__next__

    def serial(self) -> int:
        """Return the next attempt's number in this ring: 1, 2, 3, ..."""
        return self._serial()

    def put(self, kind: int, payload: bytes) -> None:
        """Write one record, or set it aside for the thread that is writing right now."""
        if not self._lock.acquire(blocking=False):
            if len(self._aside) < _WAITING:
                self._aside.append((kind, payload))
            else:
                self._count(AT_FULL)
            return
        try:
            self._owner = threading.get_ident()
            self._write(kind, payload)
            while self._aside:
                self._write(*self._aside.popleft())
        finally:
            self._owner = 0
            self._lock.release()

    def settle(self) -> None:
        """Write what was set aside after the last holder had looked; the agent and a leaving child call it."""
        if self._aside and self._lock.acquire(blocking=False):
            try:
                while self._aside:
                    self._write(*self._aside.popleft())
            finally:
                self._lock.release()

    def recover(self) -> None:
        """Free the lock when this thread holds it: a soft time limit was raised between taking and guarding it."""
        if self._lock.locked() and self._owner in {0, threading.get_ident()}:
            self._owner = 0
            self._lock.release()

    def take_slot(self) -> int:
        """Return a free start slot, or `slots` when none is free: the attempt then shows only once it has ended."""
        try:
            return self._free.popleft()
        except IndexError:
            self._count(AT_UNSLOTTED)
            return self.ring.slots

    def mark(self, slot: int, serial: int, payload: bytes) -> None:
        """Note in a start slot that an attempt began; the serial and length go last, in one piece."""
        if slot < self.ring.slots:
            at = PAGE + slot * SLOT_BYTES
            begin = at + SLOT_HEAD.size
            size = min(len(payload), SLOT_BYTES - SLOT_HEAD.size)
            self.ring.map[begin : begin + size] = payload[:size]
            _SLOT_OWN.pack_into(self.ring.map, at + 4, serial, size)

    def end(self, slot: int) -> None:
        """Free a start slot; its attempt's end has been put."""
        if slot < self.ring.slots:
            _SLOT_OWN.pack_into(self.ring.map, PAGE + slot * SLOT_BYTES + 4, 0, 0)
            self._free.append(slot)

    def _write(self, kind: int, payload: bytes) -> None:
        ring, size, head = self.ring, len(payload), self._head
        memory, capacity = ring.map, ring.capacity
        at = head % capacity
        whole = ENVELOPE.size + size
        pad = capacity - at if capacity - at < whole else 0
        if head + pad + whole - self._tail > capacity and not self._fits(head + pad + whole, size):
            return
        if pad:
            if pad >= ENVELOPE.size:
                ENVELOPE.pack_into(memory, ring.data + at, 0, 0, Kind.PAD, VERSION)
            head += pad
            at = 0
        start = ring.data + at
        ENVELOPE.pack_into(memory, start, crc32(payload), size, kind, VERSION)
        start += ENVELOPE.size
        memory[start : start + size] = payload
        self._head = head = head + whole
        U64.pack_into(memory, AT_HEAD, head)

    def _fits(self, head: int, size: int) -> bool:
        """Look at the tail again; count the record as dropped when it still does not fit."""
        if size > MAX_PAYLOAD:
            self._count(AT_LARGE)
            return False
        self._tail = self.ring.number(AT_TAIL)
        if head - self._tail > self.ring.capacity:
            self._count(AT_FULL)
            return False
        return True

    def _count(self, at: int) -> None:
        U64.pack_into(self.ring.map, at, U64.unpack_from(self.ring.map, at)[0] + 1)
