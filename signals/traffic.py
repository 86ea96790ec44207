"""Counts what the kernel does not tell of an attempt for nothing: connections it opens, calls of I/O; when asked for.

Connections are seen by an audit hook (PEP 578), which Python calls for every audit event and which cannot be taken out
again. It sees Python's own sockets, not those that a C library opens, and those of the attempt's own thread. Bytes are
not counted: the kernel counts them for all processes of a network namespace together, and no event tells of them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection
from time import time_ns
from typing import Any, Final

from celery import signals

from celery_monitor.signals import attempts, guard, owner, process
from celery_monitor.signals.inside import TRAFFIC
from celery_monitor.signals.record import Kind

_UNKNOWN: Final = (-1, -1)
_MOST: Final = 2**31 - 1


class Wanted:
    """What is asked for in this process."""

    network = False
    io = False
    hooked = False


class _Account:
    """The kernel's account of one thread, which is closed with the thread."""

    __slots__ = ("fd", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        try:
            self.fd = os.open("/proc/thread-self/io", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self.fd = -1

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


class _Local(threading.local):
    account: _Account | None = None


wanted = Wanted()
_local = _Local()
_open: dict[int, int] = {}
"""Serial of an open attempt to the connections that it has opened."""


def use(asked: Collection[str]) -> None:
    """Count from now on what is named: ``network``, ``io``."""
    wanted.network, wanted.io = "network" in asked, "io" in asked
    if wanted.network and not wanted.hooked:
        wanted.hooked = True
        sys.addaudithook(_hear)
    if wanted.io:
        signals.task_prerun.connect(on_task_prerun, weak=False, dispatch_uid="celery_monitor.traffic")
    else:
        signals.task_prerun.disconnect(on_task_prerun, dispatch_uid="celery_monitor.traffic")


@guard.guarded
def on_task_prerun(**_: Any) -> None:
    """Begin to count; the record is written just before the attempt's end."""
    attempt = attempts.current()
    if attempt is not None and not attempts.flags_of(attempt.task):
        _begin(attempt, _calls())


def _begin(attempt: attempts.Open, before: tuple[int, int]) -> None:
    serial, mine = attempt.serial, owner.of(attempt)
    _open[serial] = 0

    def settle(_: bool) -> None:
        opened, after = _open.pop(serial, 0), _UNKNOWN if before is _UNKNOWN else _calls()
        reads, writes = _UNKNOWN if after is _UNKNOWN else (after[0] - before[0] - 1, after[1] - before[1])
        numbers = TRAFFIC.pack(time_ns() // 1000, min(opened, _MOST) if wanted.network else -1, reads, writes)
        owner.put(Kind.TRAFFIC, numbers + mine.block)

    mine.when_ended("traffic", settle)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    """Count a connection to an address of the internet for the attempt that runs in this thread."""
    if event != "socket.connect" or not wanted.network:
        return
    try:
        address = args[1]
        if type(address) is tuple and len(address) > 1 and isinstance(address[0], str):
            _connected(attempts.current())
    except Exception as error:  # noqa: BLE001 - raised here it would keep the user from connecting
        guard.note("counting connections", error)


def _connected(attempt: attempts.Open | None) -> None:
    if attempt is None or attempts.flags_of(attempt.task):
        return
    if attempt.serial not in _open:  # who connects to nothing pays nothing
        _begin(attempt, _UNKNOWN)
    _open[attempt.serial] += 1


def _calls() -> tuple[int, int]:
    """Return the calls of this thread that read and that wrote; our own look is one that reads."""
    if not wanted.io or process.place.shared_cpu:
        return _UNKNOWN
    account = _local.account
    if account is None or account.pid != process.me.pid:  # opened by the parent it means the parent
        account = _local.account = _Account()
    if account.fd < 0:
        return _UNKNOWN
    numbers = os.pread(account.fd, 256, 0).split()
    return int(numbers[5]), int(numbers[7])


process.after_fork.append(_open.clear)
