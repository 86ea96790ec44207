"""Who this process is to the monitor, and its ring: made on the first record, new after every fork.

An *instance* is a process that has an agent (a worker's parent, a producer, beat) and the pool children that share its
agent. A fork starts a new instance of its own, unless `worker_process_init` says that it is a pool child.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from celery_monitor.signals import guard, ring
from celery_monitor.signals.record import Kind
from celery_monitor.signals.ring import Ring
from celery_monitor.signals.writer import Writer

CHILD_SLOTS: Final = 8
"""Start slots of a pool child: one attempt at a time, and eager ones nested in it."""
LEAST_RING: Final = 64 * 1024


@dataclass(slots=True)
class Place:
    """Where rings are made and how large; set once by the Monitor.

    Attributes:
        folder: a directory on a tmpfs that belongs to us, None when there is none: then memory shared over fork is used.
        size: bytes of a ring.
        slots: start slots of this process's own ring (its pool's concurrency and some).
    """

    folder: Path | None = None
    size: int = 256 * 1024
    slots: int = 16


@dataclass(slots=True)
class Process:
    """This process: its identity, its writer and the rings it made for children to come."""

    instance: bytes = field(default_factory=lambda: os.urandom(16))
    parent_instance: bytes = b""
    child: bool = False
    writer: Writer | None = None
    broken: bool = False  # no ring could be made; records are counted and dropped
    dropped: int = 0
    handed: Ring | None = None  # made by the parent before the fork that made us
    kept: list[Ring] = field(default_factory=list)  # anonymous rings made for our children
    notes: list[str] = field(default_factory=list)


place = Place()
me = Process()


def put(kind: Kind, payload: bytes) -> None:
    """Write one record into this process's ring, making it first if need be."""
    writer = me.writer or open_writer()
    if writer is None:
        me.dropped += 1
    else:
        writer.put(kind, payload)


def open_writer() -> Writer | None:
    """Return this process's writer, making its ring on first use; None when no memory can be had."""
    if me.writer is None and not me.broken:
        made = _make_ring()
        me.broken = made is None
        if made is not None:
            me.writer = Writer(made)
    return me.writer


def _make_ring() -> Ring | None:
    slots = CHILD_SLOTS if me.child else place.slots
    if place.folder is not None:
        for size in (place.size, LEAST_RING):
            try:
                _leave_room(place.folder, size)
                return ring.create(place.folder, size, slots, me.instance)
            except OSError as error:
                problem = f"{place.folder}: {error.strerror or error}"
        me.notes.append(f"ring in anonymous memory, which dies with the worker ({problem})")
    if me.handed is not None:
        return _adopt(me.handed)
    try:
        made = ring.create_anonymous(place.size, slots, me.instance)
    except (OSError, ValueError) as error:
        guard.note("ring", error)
        return None
    me.kept.append(made)
    return made


def _adopt(handed: Ring) -> Ring:
    """Put our pid into the ring that our parent made for us before the fork."""
    handed.map[ring.AT_PID : ring.AT_PID + 4] = os.getpid().to_bytes(4, "little")
    handed.pid = os.getpid()
    return handed


def _leave_room(folder: Path, size: int) -> None:
    """Raise OSError when our rings would take more than a quarter of what the tmpfs has free."""
    room = os.statvfs(folder)
    taken = sum(entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith(".ring"))
    free = room.f_bavail * room.f_frsize
    if taken + size > (taken + free) // 4:
        raise OSError(28, f"rings would take more than a quarter of the {free} bytes that are free")


def before_fork_of_child() -> None:
    """Make shared memory that the child to come can write into when it finds no room for a file."""
    if place.folder is None or not os.access(place.folder, os.W_OK):
        me.handed = ring.create_anonymous(place.size, CHILD_SLOTS, me.instance)
        me.kept.append(me.handed)
        del me.kept[:-1024]


def after_fork_in_child() -> None:
    """Become an instance of our own: nothing of the parent's ring, locks or threads is used any more."""
    old = me.writer
    handed, parent = me.handed, me.instance
    me.__init__()  # type: ignore[misc]
    me.parent_instance, me.handed = parent, handed
    if old is not None and old.ring.fd >= 0:
        with contextlib.suppress(BufferError, OSError, ValueError):
            old.ring.close()


def become_child() -> None:
    """We are a pool child: records go to the parent's agent."""
    if me.parent_instance and me.writer is None:
        me.instance, me.child = me.parent_instance, True


def mend() -> None:
    """Free the writer's lock if a soft time limit left it taken."""
    if me.writer is not None:
        me.writer.recover()


def _at_fork() -> None:
    os.register_at_fork(after_in_child=after_fork_in_child)
    guard.on_interrupt.append(mend)


_at_fork()
