"""Notes when a worker's parent received each message: only with `monitor_capture_received`, as it costs every task."""

from __future__ import annotations

from time import time_ns
from typing import Any, Final

from celery import signals

from celery_monitor.signals import process
from celery_monitor.signals.guard import note

MOST: Final = 100_000
"""Messages remembered; what is held longer than so many others came in is forgotten, oldest first."""

times: dict[str, list[int]] = {}
"""Task id to when its messages came in (us), for those whose attempts have not ended."""


def on_task_received(request: Any, **_: Any) -> None:
    """Note the time; guarded in place, as it runs once per task."""
    try:
        task_id = request.id
        if task_id in times:
            times[task_id].append(time_ns() // 1000)
            return
        times[task_id] = [time_ns() // 1000]
        if len(times) > MOST:
            del times[next(iter(times))]
    except Exception as error:  # noqa: BLE001 - the seam: a user's worker must not notice us
        note("on_task_received", error)


def take(task_id: str, started_us: int) -> int | None:
    """Return when the message came in that an attempt began with at a time, and forget it; None when nobody knows."""
    known = times.get(task_id, [])
    before = [at for at in known if at <= started_us]
    for at in before:
        known.remove(at)
    if not known:
        times.pop(task_id, None)
    return before[-1] if before else None


def connect() -> None:
    """Connect the receiver, once per process."""
    process.after_fork.append(times.clear)
    signals.task_received.connect(on_task_received, weak=False, dispatch_uid="celery_monitor.task_received")


def disconnect() -> None:
    """Take the receiver off again, and forget."""
    signals.task_received.disconnect(dispatch_uid="celery_monitor.task_received")
    times.clear()
