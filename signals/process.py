"""Who this process is to the monitor, and its ring: made on the first record, new after every fork.

An *instance* is a process that has an agent (a worker's parent, a producer, beat) and the pool children that share its
agent. A fork starts a new instance of its own, unless `worker_process_init` says that it is a pool child.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
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
        folder: a directory on a tmpfs that belongs to us, None when there is none: then memory shared over fork.
        size: bytes of a ring.
        slots: start slots of this process's own ring (its pool's concurrency and some).

    """

    folder: Path | None = None
    size: int = 256 * 1024
    slots: int = 16
    shared_memory: bool = (
        False  # several attempts at once in one process (threads, gevent): memory cannot be attributed
    )
    shared_cpu: bool = False  # several attempts in one thread (gevent): CPU time cannot be attributed
    start_agent: Callable[[], None] | None = None


@dataclass(slots=True)
class Process:
    """This process: its identity, its writer and the rings it made for children to come."""

    instance: bytes = field(default_factory=lambda: os.urandom(16))
    pid: int = field(default_factory=os.getpid)
    role: str = "producer"  # worker, beat, child; what the Monitor was told by Celery's signals
    parent_instance: bytes = b""  # of the worker's parent we were forked from, empty when it is none
    writer: Writer | None = None
    broken: bool = False  # no ring could be made; records are counted and dropped
    dropped: int = 0
    handed: Ring | None = None  # made by the parent before the fork that made us
    kept: list[Ring] = field(default_factory=list)  # anonymous rings we made, for ourselves and our children
    agent: bool = False  # an agent thread was started here, or our parent's drains us
    notes: list[str] = field(default_factory=list)


place = Place()
me = Process()
after_fork: list[Callable[[], None]] = []
"""What else must be let go of in a new process: the agent's files, which are its parent's."""


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
    slots = CHILD_SLOTS if me.role == "child" else place.slots
    if place.folder is not None:
        for size in (place.size, LEAST_RING):
            try:
                _leave_room(place.folder, size)
                return ring.create(place.folder, size, slots, me.instance)
            except OSError as error:
                problem = f"{place.folder}: {error.strerror or error}"
        me.notes.append(f"ring in anonymous memory, which dies with the worker ({problem})")
    if me.handed is not None and me.role == "child":  # a parent's own ring, or beat's, is never one made for a child
        return _adopt(me.handed)
    try:
        made = ring.create_anonymous(place.size, slots, me.instance, os.getpid())
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
        raise OSError(28, f"rings would take more than a quarter of the {taken + free} bytes there are for them")


def need_agent() -> None:
    """Start this process's agent thread if it has none; pool children are drained by their parent."""
    if not me.agent and me.role != "child" and place.start_agent is not None:
        me.agent = True
        place.start_agent()


def before_fork_of_child() -> None:
    """Make shared memory that the child to come can write into when it finds no room for a file."""
    me.handed = ring.create_anonymous(place.size, CHILD_SLOTS, me.instance)
    me.kept.append(me.handed)


def after_fork_in_child() -> None:
    """Become an instance of our own: nothing of the parent's ring, locks or threads is used any more."""
    global me
    old, me = me, Process()
    if old.role == "worker":
        me.parent_instance, me.handed = old.instance, old.handed
    for inherited in [*old.kept, *([old.writer.ring] if old.writer else [])]:
        if inherited is not me.handed:
            # A writer of the parent's may have been inside: its view keeps the map open, which does no harm.
            with contextlib.suppress(BufferError, OSError, ValueError):
                inherited.close()
    for forget in after_fork:
        with contextlib.suppress(Exception):
            forget()


def become_child() -> None:
    """We are a pool child: records go to the parent's agent, into a ring made before the first task."""
    if me.parent_instance and me.writer is None:
        me.instance, me.role, me.agent = me.parent_instance, "child", True
        open_writer()
        if me.handed is not None and (me.writer is None or me.writer.ring is not me.handed):
            me.handed.close()
        me.handed = None


def _at_fork() -> None:
    os.register_at_fork(after_in_child=after_fork_in_child)


_at_fork()
