"""The file a process writes its records into: one page of head, start slots, and a ring of bytes, on a tmpfs.

It outlives SIGKILL of its writer, because the pages belong to the file; whoever drains it finds every record whose head
had moved. The owner's `flock` on the file says that the writer lives (true across pid namespaces and pid reuse). The
file is allocated with `posix_fallocate`: a sparse one would end its writer with SIGBUS when the tmpfs is full.

Head page (little endian)::

      0  8s magic     8  I version    12  I bytes of the ring    16  I slots    20  I bytes per slot
     24  8s ring id  32  16s instance 48  I pid   52  I parent's pid            56  q started, us
     64  Q head (bytes ever written)  128  Q tail (bytes ever drained)
    192  Q records dropped, ring full 200  Q records dropped, too large         208  Q attempts without a slot
    216  Q details left out, as the ring was half full             224  Q log records over their budget

A slot: ``I ended`` (serial whose end the drainer read), ``I serial``, ``I length`` (0: free), the attempt's BEGIN part.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from pathlib import Path
from struct import Struct
from typing import Final

MAGIC: Final = b"CELMONRG"
VERSION: Final = 1
PAGE: Final = 4096
SLOT_BYTES: Final = 4288
"""Room for the longest BEGIN part there is: four text ids and four names of 200 characters of 4 bytes."""
SLOT_HEAD: Final = Struct("<III")
U64: Final = Struct("<Q")
HEAD: Final = Struct("<8sIIII8s16sIIq")
_pack_number = U64.pack
AT_PID: Final = 48
AT_HEAD, AT_TAIL, AT_FULL, AT_LARGE, AT_UNSLOTTED = 64, 128, 192, 200, 208
AT_DETAILS, AT_LOGS = 216, 224


def put_number(memory: mmap.mmap, at: int, value: int) -> None:
    """Write a 64-bit number in one piece: `pack_into` clears the bytes first, and SIGKILL may fall in between."""
    memory[at : at + 8] = _pack_number(value)


class Ring:
    """A mapped ring; `signals.writer` writes it, `agent.drain` reads it.

    Attributes:
        map: the shared memory.
        fd: the descriptor that holds the lock, -1 for anonymous memory.
        path: the file, None for anonymous memory.

    """

    __slots__ = ("capacity", "data", "fd", "instance", "map", "parent", "path", "pid", "ring_id", "slots", "started_us")
    capacity: int
    slots: int
    ring_id: bytes
    instance: bytes
    pid: int
    parent: int
    started_us: int

    def __init__(self, memory: mmap.mmap, fd: int, path: Path | None) -> None:
        magic, version, self.capacity, self.slots, size, *rest = HEAD.unpack_from(memory, 0)
        self.ring_id, self.instance, self.pid, self.parent, self.started_us = rest
        self.data = PAGE + self.slots * SLOT_BYTES
        if magic != MAGIC or version != VERSION or size != SLOT_BYTES or len(memory) < self.data + self.capacity:
            raise ValueError(f"{path}: not a ring of version {VERSION} (magic {magic!r}, version {version})")
        self.map, self.fd, self.path = memory, fd, path

    def number(self, at: int) -> int:
        """Return the 64-bit number at one of the AT_ offsets."""
        value: int = U64.unpack_from(self.map, at)[0]
        return value

    def close(self) -> None:
        """Unmap and close; the file stays."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)  # first: the lock must go even when somebody still looks at the map
        self.map.close()

    def owner_lives(self) -> bool:
        """Tell whether the writer still holds its lock; a free lock is taken by the asker and so stays ours."""
        if self.fd < 0:
            return True
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _format(memory: mmap.mmap, size: int, slots: int, instance: bytes, pid: int) -> None:
    started = time.time_ns() // 1000
    HEAD.pack_into(
        memory, 0, MAGIC, VERSION, size, slots, SLOT_BYTES, os.urandom(8), instance, pid, os.getppid(), started
    )


def create(folder: Path, size: int, slots: int, instance: bytes) -> Ring:
    """Make this process's ring in `folder`, visible to others only once it is whole and locked.

    Raises:
        OSError: the folder cannot be written or the tmpfs is full (ENOSPC); nothing is left behind.

    """
    pid = os.getpid()
    total = PAGE + slots * SLOT_BYTES + size
    hidden = folder / f".{pid}-{os.urandom(6).hex()}"
    fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(fd, 0, total)
        memory = mmap.mmap(fd, total)
        _format(memory, size, slots, instance, pid)
        ring = Ring(memory, fd, None)
        ring.path = folder / f"{instance.hex()}-{ring.ring_id.hex()}.ring"
        hidden.rename(ring.path)
    except BaseException:
        os.close(fd)
        hidden.unlink(missing_ok=True)
        raise
    return ring


def create_anonymous(size: int, slots: int, instance: bytes, pid: int = 0) -> Ring:
    """Make a ring in memory shared over fork: it survives a child's death only. Untouched pages cost nothing.

    Parameters:
        pid: of its writer; 0 for a child to come, which puts its own.
    """
    memory = mmap.mmap(-1, PAGE + slots * SLOT_BYTES + size)
    _format(memory, size, slots, instance, pid)
    return Ring(memory, -1, None)


def open_ring(path: Path) -> Ring:
    """Map a ring that another process made.

    Raises:
        OSError: it is gone or not ours to read.
        ValueError: it is not a ring of a version we know.

    """
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if size < PAGE:
            raise ValueError(f"{path}: not a ring ({size} bytes)")
        memory = mmap.mmap(fd, size)
        try:
            return Ring(memory, fd, path)
        except BaseException:
            memory.close()
            raise
    except BaseException:
        os.close(fd)
        raise
