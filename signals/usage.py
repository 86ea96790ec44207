"""Bytes that an attempt moved from and to storage, and how often it was switched, by the kernel's counters.

A look takes a system call at both ends of an attempt: more than the rest of a short one costs. So an attempt is looked
at if the last look is 20 ms old, if its task is new here, or if its task has credit: each millisecond that an attempt
takes is good for one look. Of the others nothing is known.

A pool child's attempt has its process for itself, threads of the body included. In a solo worker our agent waits and
wakes beside it: its bytes are the process's, its switches its thread's. Elsewhere all are its thread's, and a pool of
threads or greenlets shows nothing of one attempt.
"""

from __future__ import annotations

import resource
import sys
from threading import get_ident, main_thread
from time import monotonic_ns, thread_time_ns
from typing import Any, Final, Protocol

from celery_monitor.signals import process

BRIEF_NS: Final = 1_000_000
Spent = tuple[int, int, int, int]
UNKNOWN: Final = (-1, -1, -1, -1)
_MOST_CREDIT: Final = 1000
_BLOCK: Final = 512  # the kernel's unit, whatever the disk's is
_COUNTED: Final = sys.platform == "linux"  # other systems count operations

credit: dict[str, int] = {}
"""How many attempts of a task will be looked at."""


class Opened(Protocol):
    """An attempt, as far as it matters here."""

    task: str
    counters: Any
    cpu_ns: int
    started_ns: int


def look(attempt: Opened) -> None:
    """Note where the counters stand as an attempt begins, whose clocks start after that."""
    attempt.counters = _counters()
    if attempt.counters is not None:
        attempt.cpu_ns, attempt.started_ns = thread_time_ns(), monotonic_ns()


def since(attempt: Opened, lasted_ns: int, cpu_ns: int) -> Spent:
    """Return bytes read and written, voluntary and involuntary switches of an attempt that ends, -1 where unknown."""
    name, was = attempt.task, attempt.counters
    if len(credit) > 5000:  # a task name per call would otherwise grow a worker without end
        credit.clear()
    counted = _counters() if was is not None else None
    if was is None or counted is None:
        credit[name] = max(credit.get(name, 0), 1)
        return UNKNOWN
    read, written, switches, involuntary = (now - before for now, before in zip(counted, was, strict=True))
    took = lasted_ns if switches else cpu_ns  # one that never slept was kept waiting by a busy machine
    credit[name] = min(max(credit.get(name, 0) + took // BRIEF_NS - 1, 0), _MOST_CREDIT)
    return read * _BLOCK, written * _BLOCK, switches, involuntary


def _counters() -> Spent | None:
    """Return blocks read and written, voluntary and involuntary switches of what the attempt has for itself."""
    if process.place.shared_memory or not _COUNTED:
        return None
    role = process.me.role
    alone = role in {"child", "worker"} and get_ident() == main_thread().ident
    whole = resource.getrusage(resource.RUSAGE_SELF if alone else resource.RUSAGE_THREAD)
    own = resource.getrusage(resource.RUSAGE_THREAD) if role == "worker" else whole
    return whole[9], whole[10], own[14], own[15]
