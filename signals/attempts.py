"""Records attempts: what is known at prerun goes into a start slot, the complete end into the ring at postrun."""

from __future__ import annotations

import os
import resource
import traceback as tracebacks
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from operator import itemgetter
from time import monotonic_ns, thread_time_ns, time_ns
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded
from celery._state import _task_stack, get_current_task  # type: ignore[attr-defined]
from celery.exceptions import MaxRetriesExceededError

from celery_monitor.signals import guard, header, process
from celery_monitor.signals.layout import BEGIN, END, NO_ERROR, pack_error, pack_ids, pack_series
from celery_monitor.signals.record import Flag, Kind, Reason, State
from celery_monitor.signals.run import Shape, derive

KEY: Final = "_celery_monitor"
"""Where an open attempt hangs on its request: overlapping attempts of threads and greenlets never mix."""
MACHINERY: Final = frozenset({"celery.chord_unlock", "celery.backend_cleanup", "celery.accumulate"})
_SKEW_US: Final = 50_000
# Enum arithmetic costs a microsecond per operator, so the hot path works on plain numbers.
_EAGER, _REDELIVERED, _MACHINERY = int(Flag.EAGER), int(Flag.REDELIVERED), int(Flag.INFRASTRUCTURE)
_FOREIGN, _SKEWED, _UNATTRIBUTED = int(Flag.FOREIGN), int(Flag.SKEWED), int(Flag.UNATTRIBUTED)
_SUCCESS, _OK, _ATTEMPT = int(State.SUCCESS), int(Reason.OK), int(Kind.ATTEMPT)
_RSS_EVERY_NS: Final = 20_000_000
_PAGE_KIB: Final = resource.getpagesize() // 1024
_NOWHERE: Final[dict[str, Any]] = {}
_STATES: Final = {
    "FAILURE": (State.FAILURE, Reason.ERROR),
    "RETRY": (State.RETRY, Reason.RETRY),
    "IGNORED": (State.IGNORED, Reason.IGNORED),
    "REJECTED": (State.REJECTED, Reason.REJECTED),
}


# An open attempt is a bare list on its request: making an object, once per task, costs four times as much.
_BEGUN, _SLOT, _CPU_NS, _STARTED_NS, _END_AT, _ID, _SERIAL, _TASK, _RUN, _WORKFLOW, _REPLACED = range(11)


class Open:
    """An attempt that began and has not ended, as its process knows it: names for what lies on its request."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[Any]) -> None:
        self._parts = parts

    task = property(lambda self: self._parts[_TASK])
    id = property(lambda self: self._parts[_ID])
    run = property(lambda self: self._parts[_RUN])
    workflow = property(lambda self: self._parts[_WORKFLOW])

    @property
    def replaced(self) -> bool:
        """Whether another task or workflow took its place."""
        replaced: bool = self._parts[_REPLACED]
        return replaced

    @replaced.setter
    def replaced(self, replaced: bool) -> None:
        self._parts[_REPLACED] = replaced


class Memory:
    """This process's resident memory, read at most once in 20 ms: an idle child's does not move between tasks."""

    def __init__(self) -> None:
        self.fd = -1
        self.kib = self.peak_kib = 0
        self.next_ns = 0

    def since_last(self, now_ns: int) -> tuple[int, int]:
        """Return peak and growth in KiB of the attempt that ends now; it lasted 20 ms, or the last look is so old."""
        before, first = self.kib, self.fd < 0
        self.kib = self._read()
        self.next_ns = now_ns + _RSS_EVERY_NS
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        risen, self.peak_kib = peak > self.peak_kib and not first, peak
        return max(self.kib, peak) if risen else self.kib, 0 if first else self.kib - before

    def _read(self) -> int:
        """Return the resident set in KiB from /proc/self/statm, 0 where there is none."""
        if self.fd < 0:
            try:
                self.fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return 0
        return int(os.pread(self.fd, 64, 0).split()[1]) * _PAGE_KIB

    def forget(self) -> None:
        """Start anew in a forked process: /proc/self was opened by the parent and means the parent."""
        if self.fd >= 0:
            os.close(self.fd)
        self.__init__()  # type: ignore[misc]


memory = Memory()
process.after_fork.append(memory.forget)
recent: deque[tuple[str, int]] = deque(maxlen=64)
"""Task id and serial of the last ends, for an internal error that follows one."""
_series: dict[tuple[str, str, str], bytes] = {}


class _Names(dict[str, int]):
    """What a task's name says of it, as flags."""

    def __missing__(self, name: str) -> int:
        if len(self) > 5000:
            self.clear()
        machinery = name in MACHINERY or name.startswith("celery_monitor.")
        flags = self[name] = _MACHINERY if machinery else 0
        return flags


_of_name = _Names()
_request_parts = itemgetter("id", "root_id", "parent_id", "group", "retries", "eta", "cm", "delivery_info")
_delivery_parts = itemgetter("exchange", "routing_key", "priority", "redelivered")
# Bound once: a look-up in a struct costs as much as packing one of its numbers.
_pack_begin, _pack_end = BEGIN.pack, END.pack


def by_routing_key(exchange: Any, routing_key: str) -> str:  # noqa: ARG001 - the Monitor's looks at both
    """Return the queue's name where nobody knows the bindings."""
    return routing_key


queue_of: Callable[[Any, str], str] = by_routing_key
"""Finds the queue behind an exchange and a routing key; the Monitor sets one that knows the app's bindings."""


def series(task: str, queue: str, workflow: str) -> bytes:
    """Return the packed series block, kept per distinct name."""
    key = (task, queue, workflow)
    packed = _series.get(key)
    if packed is None:
        if len(_series) > 5000:  # a task name per call would otherwise grow a worker without end
            _series.clear()
        packed = _series[key] = pack_series(task, queue, workflow)
    return packed


def current() -> Open | None:
    """Return the attempt that is running in this thread or greenlet."""
    task = get_current_task()
    return of(task.request_stack.top) if task is not None else None


def of(request: Any) -> Open | None:
    """Return the attempt that is open on a request."""
    parts = request.__dict__.get(KEY) if request is not None else None
    return Open(parts) if parts is not None else None


def micros(eta: Any) -> int:
    """Return an ETA (ISO text, or a datetime of an eager call) in us since the epoch, 0 for none.

    >>> micros("1970-01-01T00:00:01+00:00"), micros(None), micros("soon")
    (1000000, 0, 0)
    """
    if not eta:
        return 0
    try:
        when = eta if isinstance(eta, datetime) else datetime.fromisoformat(str(eta).replace("Z", "+00:00"))
    except ValueError:
        return 0
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return round(when.timestamp() * 1e6)


def begin(task: Any) -> None:
    """Note that an attempt begins, at task_prerun, in the process and context of its body."""
    me = process.me
    writer = me.writer or process.open_writer()
    stack = task.request_stack.stack
    if writer is None or not stack:
        me.dropped += 1
        return
    about = stack[-1].__dict__
    if KEY in about:  # interrupted by a soft time limit just before its end, and called again
        return
    now = time_ns() // 1000
    name = task.name
    try:  # all at once: one by one they cost twice as much
        task_id, root, parent, group, retries, eta, text, delivery = _request_parts(about)
        exchange, queue, priority, redelivered = _delivery_parts(delivery)
    except (KeyError, TypeError):  # an eager call, or a publisher without a Monitor
        task_id, root, parent, group, retries, eta, text, exchange, queue, priority, redelivered = _lenient(about)
    known = None if about.get("is_eager") else header.parts(text)
    if known is not None:
        published, run, workflow = known
        flags = _of_name[name]
    else:
        flags, published, run, workflow = origin(name, about)
    wait = -1
    if published:
        wait = now - (max(published, micros(eta)) if eta else published)
        if wait < 0:
            flags |= _SKEWED if wait < -_SKEW_US else 0
            wait = 0
    if redelivered:
        flags |= _REDELIVERED
    flags |= _UNATTRIBUTED if process.place.shared_memory else 0
    queue = queue_of(exchange, queue or "") if exchange else queue or ""
    serial, slot = writer.serial(), writer.take_slot()
    begun = (
        _pack_begin(serial, slot, flags, (retries or 0) & 0xFFFF, (priority or 0) & 0xFF, now, published, wait)
        + pack_ids(task_id or "", root, parent, group, run)
        + (_series.get((name, queue, workflow)) or series(name, queue, workflow))
    )
    writer.mark(slot, serial, begun)
    about[KEY] = [begun, slot, thread_time_ns(), monotonic_ns(), -1, task_id, serial, name, run, workflow, False]
    if not me.agent:
        process.need_agent()


def _lenient(about: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what `begin` asks of a request and its delivery, whatever is missing."""
    get, delivery = about.get, about.get("delivery_info") or _NOWHERE
    return (
        get("id"), get("root_id"), get("parent_id"), get("group"), get("retries"), get("eta"), get("cm"),
        delivery.get("exchange"), delivery.get("routing_key"), delivery.get("priority"), delivery.get("redelivered"),
    )  # fmt: skip


def origin(name: str, about: Mapping[str, Any]) -> tuple[int, int, bytes, str]:
    """Return flags and publish time, run, workflow: from our header, else by the rule a publisher would have used."""
    flags = _of_name[name]
    if about.get("is_eager"):
        flags |= _EAGER
    else:
        known = header.parts(about.get("cm"))
        if known is not None:
            return flags, *known
        flags |= _FOREIGN
    shape = Shape(
        name, about.get("id") or "", about.get("root_id"), about.get("group"), about.get("chain"), about.get("chord"),
        about.get("args"),
    )  # fmt: skip
    return flags, 0, *derive(shape)


def end(task: Any, state: str | None, retval: Any) -> None:
    """Write the complete end of an attempt, at task_postrun, whatever its outcome."""
    now = monotonic_ns()
    cpu_now = thread_time_ns()
    stack = task.request_stack.stack
    writer = process.me.writer
    if not stack or writer is None:
        return
    about = stack[-1].__dict__
    attempt = about.get(KEY)
    if attempt is None:
        return
    place = process.place
    lasted, cpu_ns, end_at = now - attempt[_STARTED_NS], attempt[_CPU_NS], attempt[_END_AT]
    runtime = lasted // 1000 if lasted > 0 else 0
    cpu = -1 if place.shared_cpu else (cpu_now - cpu_ns) // 1000 if cpu_now > cpu_ns else 0
    if lasted < _RSS_EVERY_NS and now < memory.next_ns:
        rss, growth = memory.kib, 0
    else:
        rss, growth = memory.since_last(now)
        if place.shared_memory:
            growth = 0
    if state == "SUCCESS":
        code, reason, error = _SUCCESS, _OK, NO_ERROR
    else:
        code, reason, error = _explain(attempt, state, retval)
    if end_at < 0:
        attempt[_END_AT] = end_at = writer.head
    if end_at == writer.head:  # called again after a soft time limit: it may have been written
        writer.put(_ATTEMPT, _pack_end(code, reason, runtime, cpu, rss, growth) + attempt[_BEGUN] + error)
    writer.end(attempt[_SLOT])
    recent.append((attempt[_ID], attempt[_SERIAL]))
    del about[KEY]


def mend() -> None:
    """Put the writer right after a soft time limit: the slots that attempts of this thread hold are open, no others."""
    if process.me.writer is not None:
        stacks = [task.request_stack.stack for task in _task_stack.stack]
        held = (request.__dict__.get(KEY) for requests in stacks for request in requests)
        process.me.writer.recover({attempt[_SLOT] for attempt in held if attempt is not None})


guard.on_interrupt.append(mend)


def _explain(attempt: list[Any], name: str | None, retval: Any) -> tuple[int, int, bytes]:
    """Return state, reason and error block of an attempt that did not succeed."""
    state, reason = _STATES.get(name or "", (State.INTERRUPTED, Reason.SHUTDOWN))
    if state is State.IGNORED and attempt[_REPLACED]:
        return State.REPLACED, Reason.REPLACED, NO_ERROR
    if state is State.REJECTED and getattr(retval, "requeue", False):
        reason = Reason.REQUEUED
    error = retval if state is not State.RETRY else getattr(retval, "exc", None) or retval
    if not isinstance(error, BaseException):
        return state, reason, NO_ERROR
    if state is State.FAILURE:
        if isinstance(error, SoftTimeLimitExceeded):
            reason = Reason.SOFT_TIMEOUT
        elif isinstance(error, MemoryError):
            reason = Reason.OUT_OF_MEMORY
        elif isinstance(error, MaxRetriesExceededError):
            reason = Reason.MAX_RETRIES
    return state, reason, describe(error)


def describe(error: BaseException, traceback: str | None = None) -> bytes:
    """Return the error block of an exception whose own `__str__` may be broken."""
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - a user's __str__
        message = f"<unprintable: {type(broken).__name__}>"
    if traceback is None:
        traceback = "".join(tracebacks.format_tb(error.__traceback__, limit=-30))
    return pack_error(type(error).__name__, message, traceback)
