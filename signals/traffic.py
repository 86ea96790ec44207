"""Counts what the kernel does not tell of an attempt for nothing: network traffic, calls of I/O; when asked for.

Connections are seen by an audit hook (PEP 578), which Python calls for every audit event and which cannot be taken out
again; bytes by methods around those of Python's sockets (`sockets`). Both see what Python's own sockets do, not what a
C library does, in the attempt's own thread or greenlet and in threads that were started there, as long as it runs.
What another thread does, as one of a pool that an earlier attempt has started, is nobody's.
What Celery itself does for an attempt, as it publishes and stores results, is not the attempt's either.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection
from threading import get_ident
from time import time_ns
from typing import Any, Final

from celery import signals

from celery_monitor.signals import attempts, guard, owner, process, sockets
from celery_monitor.signals.inside import TRAFFIC
from celery_monitor.signals.record import Kind
from celery_monitor.signals.replaced import Method, Replaced

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


class _Counted:
    """What one thread did for an attempt: no two of them add to the same numbers."""

    __slots__ = ("connections", "received", "sent")

    def __init__(self) -> None:
        self.connections = self.sent = self.received = 0


_Parts = dict[int, _Counted]
"""By thread or greenlet."""

wanted = Wanted()
_seam: Final = guard.Seam("counting network traffic")
_threads: Final = Replaced()
_local = _Local()
_first: list[None] = []
"""Holds something until the first attempt of all threads has taken it."""
_open: dict[int, _Parts] = {}
"""Serial of an open attempt to what was counted for it."""


def use(asked: Collection[str]) -> None:
    """Count from now on what is named: ``network``, ``io``."""
    wanted.network, wanted.io = "network" in asked, "io" in asked
    _threads.restore()
    sockets.uninstall()
    if wanted.network:
        _first[:] = [None]
        signals.task_prerun.connect(on_first_attempt, weak=False, dispatch_uid="celery_monitor.network")
    else:
        signals.task_prerun.disconnect(on_first_attempt, dispatch_uid="celery_monitor.network")
    if wanted.io:
        signals.task_prerun.connect(on_task_prerun, weak=False, dispatch_uid="celery_monitor.traffic")
    else:
        signals.task_prerun.disconnect(on_task_prerun, dispatch_uid="celery_monitor.traffic")


@guard.guarded
def on_first_attempt(**_: Any) -> None:
    """Begin to look at sockets where attempts run: whoever only publishes pays nothing."""
    signals.task_prerun.disconnect(on_first_attempt, dispatch_uid="celery_monitor.network")
    try:
        _first.pop()
    except IndexError:  # another thread does it
        return
    sockets.install(_moved)
    _threads.put(threading.Thread, "start", _starts)
    if not wanted.hooked:
        wanted.hooked = True
        sys.addaudithook(_hear)


@guard.guarded
def on_task_prerun(**_: Any) -> None:
    """Begin to count; the record is written just before the attempt's end."""
    attempt = attempts.current()
    if attempt is not None and not attempts.flags_of(attempt.task):
        _begin(attempt, _calls())


def _begin(attempt: attempts.Open, before: tuple[int, int]) -> _Parts:
    serial, mine = attempt.serial, owner.of(attempt)
    parts = _open[serial] = {}

    def settle(_: bool) -> None:
        after = _UNKNOWN if before is _UNKNOWN else _calls()
        reads, writes = _UNKNOWN if after is _UNKNOWN else (after[0] - before[0] - 1, after[1] - before[1])
        network = _summed(_open.pop(serial, {}))
        if reads >= 0 or any(network):  # who has counted nothing writes nothing
            numbers = TRAFFIC.pack(time_ns() // 1000, *_known(network), reads, writes)
            owner.put(Kind.TRAFFIC, numbers + mine.block)

    mine.when_ended("traffic", settle)
    return parts


def _summed(parts: _Parts) -> tuple[int, int, int]:
    """Return connections, bytes sent and received of all threads."""
    each = list(parts.values())
    return sum(one.connections for one in each), sum(one.sent for one in each), sum(one.received for one in each)


def _known(network: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the same as it is recorded: -1 is unknown."""
    if not wanted.network:
        return -1, -1, -1
    opened, sent, received = min(network[0], _MOST), network[1], network[2]
    return (opened, sent, received) if sockets.watching() else (opened, -1, -1)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    """Count a connection to an address of the internet."""
    if event != "socket.connect" or not wanted.network:
        return
    with _seam:  # raised here it would keep the user from connecting
        address = args[1]
        if type(address) is tuple and len(address) > 1 and isinstance(address[0], str):
            _connected(args[0])


def _connected(sock: Any) -> None:
    attempt = _whose() if not sockets.connecting(sock) else None
    counted = _of(attempt) if attempt is not None and not sockets.celerys(sys._getframe(2)) else None  # noqa: SLF001 - who connects
    if counted is not None:
        counted.connections += 1


def _starts(real: Method) -> Method:
    """Have a thread remember for which attempt it was started; where it counts is ready before it runs."""

    def start(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _seam:
            attempt = _whose()
            if attempt is not None and not sockets.celerys(sys._getframe(1)) and _of(attempt) is not None:  # noqa: SLF001 - who starts it
                setattr(self, attempts.KEY, attempt)
        return real(self, *args, **kwargs)

    return start


def _moved(sent: int, received: int) -> None:
    """Add bytes to what is counted here."""
    attempt = _whose()
    if attempt is None:
        return
    try:
        counted: _Counted | None = _open[attempt.serial][get_ident()]
    except KeyError:
        counted = _of(attempt)
    if counted is not None:
        counted.sent += sent
        counted.received += received


def _whose() -> attempts.Open | None:
    """Return the attempt that runs in this thread or greenlet, or the one for which this thread was started."""
    return attempts.current() or getattr(threading.current_thread(), attempts.KEY, None)


def _of(attempt: attempts.Open) -> _Counted | None:
    """Return where this thread counts for an attempt; nowhere when it has ended, or is not the user's."""
    parts = _open.get(attempt.serial)
    if parts is None:
        if owner.of(attempt).closed or attempts.flags_of(attempt.task):
            return None
        parts = _begin(attempt, _UNKNOWN)  # who moves nothing pays nothing
    here = get_ident()
    counted = parts.get(here)
    if counted is None:
        counted = parts[here] = _Counted()
    return counted


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
