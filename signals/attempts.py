"""Records attempts: what is known at prerun goes into a start slot, the complete end into the ring at postrun."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from operator import itemgetter
from time import monotonic_ns, thread_time_ns, time_ns
from typing import Any, Final

from celery._state import _task_stack  # type: ignore[attr-defined]

from celery_monitor.signals import guard, header, labels, outcome, plans, process, resident, results, usage
from celery_monitor.signals.layout import (
    BEGIN,
    COUNTED,
    NO_ERROR,
    USED,
    pack_ids,
    pack_series,
    pack_unread,
    waited,
)
from celery_monitor.signals.record import Flag, Kind, Reason, ResultSize, State, fixed_id, pack_id
from celery_monitor.signals.requests import top
from celery_monitor.signals.run import Shape, derive

KEY: Final = "_celery_monitor"
"""Where an open attempt hangs on its request: overlapping attempts of threads and greenlets never mix."""
MACHINERY: Final = frozenset({"celery.chord_unlock", "celery.backend_cleanup", "celery.accumulate"})
# Enum arithmetic costs a microsecond per operator, so the hot path works on plain numbers.
_EAGER, _REDELIVERED, _MACHINERY = int(Flag.EAGER), int(Flag.REDELIVERED), int(Flag.INFRASTRUCTURE)
_FOREIGN, _UNATTRIBUTED = int(Flag.FOREIGN), int(Flag.UNATTRIBUTED)
_SUCCESS, _OK, _ATTEMPT = int(State.SUCCESS), int(Reason.OK), int(Kind.ATTEMPT)
_NO_RESULT = int(ResultSize.NONE)
_NOWHERE: Final[dict[str, Any]] = {}
_PLAIN: Final = header.SIZE
_LOOK_NS, memory = resident.EVERY_NS, resident.memory
_ELSEWHERE: Final = 1 << 63
"""Neither a place in a ring nor a slot."""


class Open:
    """An attempt that began and has not ended, as its process knows it.

    Attributes:
        inside: an `owner.Owner`, made when something is recorded inside it.
        scope: a `context.Scope`, made when its labels are asked for.
        header: of its message; its run is read from it when that is asked for, where `read` is None.
        counters: where the kernel's stood when it began (`usage`), None where nobody looked.
        end_at: where the ring stood when the end was about to be written, -1 before.
        replaced: whether another task or workflow took its place.

    """

    # Filled in by `begin`: a call of __init__, once per task, costs as much as everything else here. What few attempts
    # need is the class's until then.
    begun: bytes
    cpu_ns: int
    header: Any
    id: str
    serial: int
    slot: int
    started_ns: int
    task: str
    counters: Any = None
    end_at: int = -1
    inside: Any = None
    read: bytes | None = None
    replaced: bool = False
    scope: Any = None
    workflow: str = ""

    @property
    def run(self) -> bytes:
        """The run it belongs to, 16 bytes."""
        if self.read is None:
            known = _read_header(self.header)
            self.read = known[1] if known is not None else fixed_id(pack_id(self.id))
        return self.read


succeeded: deque[tuple[str, int]] = deque(maxlen=64)
"""Task id and serial of the last successes, for an internal error that follows one."""
_series: dict[tuple[str, ...], bytes] = {}


class _Names(dict[str, int]):
    """What a task's name says of it, as flags."""

    def __missing__(self, name: str) -> int:
        if len(self) > 5000:
            self.clear()
        machinery = name in MACHINERY or name.startswith("celery_monitor.")
        flags = self[name] = _MACHINERY if machinery else 0
        return flags


_of_name = _Names()
_request_parts = itemgetter("id", "root_id", "parent_id", "group", "retries", "eta", "cm", "is_eager", "delivery_info")
_delivery_parts = itemgetter("exchange", "routing_key", "priority", "redelivered")
# Bound once: a look-up in a struct costs as much as packing one of its numbers.
_pack_begin, _pack_used, _read_header = BEGIN.pack, USED.pack, header.read
_credit, _BRIEF_NS, _UNKNOWN = usage.credit.get, usage.BRIEF_NS, COUNTED.pack(*usage.UNKNOWN)


def by_routing_key(exchange: Any, routing_key: str) -> str:  # noqa: ARG001 - the Monitor's looks at both
    """Return the queue's name where nobody knows the bindings."""
    return routing_key


queue_of: Callable[[Any, str], str] = by_routing_key
"""Finds the queue behind an exchange and a routing key; the Monitor sets one that knows the app's bindings."""


def series(task: str, queue: str, workflow: str, routing_key: str = "", counted: str = "") -> bytes:
    """Return the packed series block, kept per distinct name; with the routing key only where it is not the queue."""
    key: tuple[str, ...] = (task, queue, workflow)
    if counted:
        key = (task, queue, workflow, routing_key, counted)
    elif routing_key not in {"", queue}:
        key = (task, queue, workflow, routing_key)
    packed = _series.get(key)
    if packed is None:
        if len(_series) > 5000:  # a task name per call would otherwise grow a worker without end
            _series.clear()
        packed = _series[key] = pack_series(*key)
    return packed


def current() -> Open | None:
    """Return the attempt that is running in this thread or greenlet."""
    attempt: Open | None = running().get(KEY)
    return attempt


def running() -> Mapping[str, Any]:
    """Return the attributes of the request whose attempt runs in this thread or greenlet, an empty mapping for none."""
    task = top(_task_stack)
    if task is None:
        return _NOWHERE
    request = top(task.request_stack)
    found: Mapping[str, Any] = request.__dict__ if request is not None else _NOWHERE
    return found if KEY in found else around()


def around() -> Mapping[str, Any]:
    """Return what `running` does where the innermost request has no attempt: of a task that is called directly, say.

    A task that is on the stack twice has two requests, the inner one last.
    """
    seen: Counter[int] = Counter()
    for task in reversed(_task_stack.stack):
        seen[id(task)] += 1
        requests = task.request_stack.stack
        if len(requests) >= seen[id(task)]:
            about: Mapping[str, Any] = requests[-seen[id(task)]].__dict__
            if KEY in about:
                return about
    return _NOWHERE


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


def begin(task: Any) -> None:  # noqa: C901 - it runs once per task: a call for each part costs as much as the part
    """Note that an attempt begins, at task_prerun, in the process and context of its body."""
    me = process.me
    writer = me.writer or process.open_writer()
    request = top(task.request_stack)
    if writer is None or request is None:
        me.dropped += 1
        return
    about = request.__dict__
    if KEY in about:  # interrupted by a soft time limit just before its end, and called again
        return
    now = time_ns() // 1000
    name = task.name
    try:  # all at once: one by one they cost twice as much
        task_id, root, parent, group, retries, eta, text, eager, delivery = _request_parts(about)
        exchange, routing_key, priority, redelivered = _delivery_parts(delivery)
    except (KeyError, TypeError):  # an eager call, or a publisher without a Monitor
        (
            task_id, root, parent, group, retries, eta, text, eager, exchange, routing_key, priority, redelivered
        ) = _lenient(about)  # fmt: skip
    ids = b""
    if root == task_id and type(text) is str and len(text) == _PLAIN and not (parent or group or eta or eager):
        ids = pack_unread(task_id, text)
    if ids:  # the agent reads them, many at once
        flags, published, wait, run, workflow, labelled = _of_name[name], 0, -1, None, "", ""
    else:
        flags, (published, run, workflow, labelled) = origin(name, about)
        wait, skewed = _wait(now, published, eta)
        flags |= skewed
        ids = pack_ids(task_id or "", root, parent, group, run)
    if redelivered:
        flags |= _REDELIVERED
    flags |= _UNATTRIBUTED if process.place.shared_memory else 0
    queue = routing_key or ""
    if exchange or labelled:
        names = _names(name, exchange, queue, workflow, labelled)
    else:
        names = _series.get((name, queue, workflow)) or series(name, queue, workflow)
    serial, slot = writer.serial(), writer.take_slot()
    try:
        retries, priority = (retries or 0) & 0xFFFF, (priority or 0) & 0xFF
    except TypeError:  # another client's, who writes them as texts
        retries, priority = _number(retries) & 0xFFFF, _number(priority) & 0xFF
    begun = _pack_begin(serial, slot, flags, retries, priority, now, published, wait) + ids + names
    writer.mark(slot, serial, begun)
    attempt = Open()
    attempt.begun, attempt.slot, attempt.serial = begun, slot, serial
    attempt.task, attempt.id, attempt.header = name, task_id or "", text
    attempt.read, attempt.workflow = run, workflow
    attempt.cpu_ns = thread_time_ns()
    attempt.started_ns = began = monotonic_ns()
    if began >= memory.next_ns or _credit(name, 1):
        usage.look(attempt)
    about[KEY] = attempt
    if not me.agent:
        process.need_agent()


def _number(value: Any) -> int:
    """Return a number of a message that may be none.

    >>> _number("2"), _number("many"), _number(None)
    (2, 0, 0)
    """
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _wait(now: int, published: int, eta: Any) -> tuple[int, int]:
    """Return how long an attempt that begins now was due, -1 when nobody knows, and what that says as flags."""
    return waited(now, max(published, micros(eta)) if eta and published else published)


def _names(name: str, exchange: Any, routing_key: str, workflow: str, labelled: str) -> bytes:
    """Return the series block of an attempt, with the labels of its message that are counted."""
    queue = queue_of(exchange, routing_key) if exchange else routing_key
    return series(name, queue, workflow, routing_key, labels.of_counted(labelled) if labelled else "")


def _lenient(about: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what `begin` asks of a request and its delivery, whatever is missing."""
    get, delivery = about.get, about.get("delivery_info") or _NOWHERE
    return (
        get("id"), get("root_id"), get("parent_id"), get("group"), get("retries"), get("eta"), get("cm"),
        get("is_eager"), delivery.get("exchange"), delivery.get("routing_key"), delivery.get("priority"),
        delivery.get("redelivered"),
    )  # fmt: skip


def origin(name: str, about: Mapping[str, Any]) -> tuple[int, tuple[int, bytes, str, str]]:
    """Return flags and publish time, run, workflow, labels: from our header, else by a publisher's own rule.

    What a message plans that nobody recorded is recorded here, as only this process has seen it.
    """
    flags = _of_name[name]
    if about.get("is_eager"):
        flags |= _EAGER
        around = around_eager(about)
        if around is not None:
            return flags, around
    else:
        known = _read_header(about.get("cm"))
        if known is not None:
            return flags, known
        flags |= _FOREIGN
    task_id = about.get("id") or ""
    shape = Shape(
        name, task_id, about.get("root_id"), about.get("group"), about.get("chain"), about.get("chord"),
        about.get("args"),
    )  # fmt: skip
    run, workflow = derive(shape)
    if flags & _FOREIGN and (shape.chain or shape.chord):
        plans.record(task_id, {}, about, run, workflow)
    return flags, (0, run, workflow, "")


def alone(about: Mapping[str, Any]) -> tuple[int, bytes, str, str] | None:  # noqa: ARG001 - the real one looks at it
    """Return nothing: no run is around an eager attempt."""
    return None


around_eager: Callable[[Mapping[str, Any]], tuple[int, bytes, str, str] | None] = alone
"""Finds what an eager attempt that begins inherits; `context` sets one that knows the open blocks."""


def flags_of(name: str) -> int:
    """Return what a task's name says of it, kept per name."""
    return _of_name[name]


def end(task: Any, state: str | None, retval: Any) -> None:
    """Write the complete end of an attempt, at task_postrun, whatever its outcome."""
    now = monotonic_ns()
    cpu_now = thread_time_ns()
    request = top(task.request_stack)
    writer = process.me.writer
    if request is None or writer is None:
        return
    about = request.__dict__
    attempt: Open | None = about.get(KEY)
    if attempt is None:
        return
    lasted, cpu_ns = now - attempt.started_ns, attempt.cpu_ns
    runtime = lasted // 1000 if lasted > 0 else 0
    cpu = -1 if process.place.shared_cpu else (cpu_now - cpu_ns) // 1000 if cpu_now > cpu_ns else 0
    size = _NO_RESULT
    if state == "SUCCESS":
        code, reason, error = _SUCCESS, _OK, NO_ERROR
        succeeded.append((attempt.id, attempt.serial))
        if retval is not None:
            size = results.class_of(task, about, retval)
    else:
        code, reason, error = outcome.explain(state, retval, attempt.task, replaced=attempt.replaced)
    # Before the end is begun, as nobody else writes between its two looks at the head; and before we read files.
    if attempt.inside is not None:
        attempt.inside.close(code)
    looked = lasted < _LOOK_NS and now < memory.next_ns
    rss, growth = (memory.kib, 0) if looked else memory.since_last(now)
    counted = _UNKNOWN
    if lasted >= _BRIEF_NS or attempt.counters is not None:
        counted = COUNTED.pack(*usage.since(attempt, lasted, cpu_now - cpu_ns))
    end_at = attempt.end_at
    if end_at < 0:
        attempt.end_at = end_at = writer.head
    if end_at == writer.head:  # called again after a soft time limit: it may have been written
        used = _pack_used(code, reason, size, runtime, cpu, rss, growth)
        writer.put(_ATTEMPT, used + counted + attempt.begun + error)
    writer.end(attempt.slot)
    del about[KEY]


def mend() -> None:
    """Put the writer right after a soft time limit: the slots that attempts of this thread hold are open, no others."""
    if process.me.writer is not None:
        stacks = [task.request_stack.stack for task in _task_stack.stack]
        held = (request.__dict__.get(KEY) for requests in stacks for request in requests)
        process.me.writer.recover({attempt.slot for attempt in held if attempt is not None})


guard.on_interrupt.append(mend)


def leave_to_parent() -> None:
    """In a process that was forked inside attempts, leave their ends to the parent: here they are never written."""
    for task in _task_stack.stack:
        for request in task.request_stack.stack:
            attempt = request.__dict__.get(KEY)
            if attempt is not None:
                attempt.end_at, attempt.slot, attempt.serial, attempt.inside = _ELSEWHERE, _ELSEWHERE, 0, None


process.after_fork.append(leave_to_parent)
