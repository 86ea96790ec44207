"""The beat entry that calls the tick: sent only to a queue that live workers consume, and only if the last has run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from time import time
from typing import Any, Final

from celery.beat import PersistentScheduler, Scheduler
from celery.schedules import schedstate, schedule
from kombu.serialization import prepare_accept_content

from celery_monitor.live_state import Pace

TICK: Final = "celery_monitor.tick"
_RARELY: Final = 60
"""Intervals between two ticks that nobody runs: one may have expired or been purged, but none may pile up."""


class TickSchedule(schedule):
    """Due every interval, unless the last tick has not run or nobody would take it.

    Parameters:
        interval_s: seconds between ticks.
        pace: what beat's own agent last read, None before.
        queue_for: picks the queue to send to, None when no live worker consumes one that beat knows.
        options: the entry's options; the queue is written into them.
    """

    def __init__(
        self,
        interval_s: float,
        pace: Callable[[], Pace | None],
        queue_for: Callable[[Pace], str | None],
        options: dict[str, Any],
        app: Any = None,
    ) -> None:
        super().__init__(timedelta(seconds=interval_s), app=app)
        self._interval_s, self._pace, self._queue_for, self._options = interval_s, pace, queue_for, options
        self._sent = 0.0
        self._task_us = 0
        self._unanswered = 0

    def is_due(self, last_run_at: datetime) -> Any:  # noqa: ARG002 - Celery's signature
        """Return (due, seconds until asked again)."""
        now, pace = time(), self._pace()
        since = now - self._sent
        if since < self._interval_s:
            return schedstate(is_due=False, next=self._interval_s - since)
        queue = self._queue_for(pace) if pace is not None else None
        # Not who ticked last: while the task is late others step in, and would hide that it has run.
        ran = pace is not None and pace["task_us"] != self._task_us
        if queue is None or (not ran and since < self._interval_s * min(3 * 2**self._unanswered, _RARELY)):
            return schedstate(is_due=False, next=1.0)
        self._unanswered = 0 if ran or not self._sent else self._unanswered + 1
        self._sent, self._task_us = now, pace["task_us"] if pace is not None else 0
        self._options["queue"] = queue
        return schedstate(is_due=True, next=self._interval_s)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def add_entry(
    service: Any, interval_s: float, pace: Callable[[], Pace | None], queue_for: Callable[[Pace], str | None]
) -> bool:
    """Add the tick to a beat service; False under a scheduler that keeps entries elsewhere (a database).

    The entry is never persisted: a schedule file that outlives this package must not name it.
    """
    scheduler = service.scheduler
    if type(scheduler) not in {Scheduler, PersistentScheduler}:
        return False
    options = {
        "expires": 2 * interval_s, "ignore_result": True, "serializer": _serializer(service.app), "priority": 0,
        "retry": False,
    }  # fmt: skip
    timing = TickSchedule(interval_s, pace, queue_for, options, app=service.app)

    def put() -> None:
        scheduler.add(name=TICK, task=TICK, schedule=timing, options=options)

    persist, shut = scheduler.sync, scheduler.close
    closing = False

    def sync() -> None:
        with contextlib.suppress(ValueError):  # the shelf is closed: Celery syncs once more at its exit
            scheduler.schedule.pop(TICK, None)
        persist()
        if not closing:
            put()

    def close() -> None:
        nonlocal closing
        closing = True
        shut()

    scheduler.sync, scheduler.close = sync, close
    put()
    return True


def _serializer(app: Any) -> str:
    """Return JSON, or what the app's own tasks use where workers are told to take no JSON."""
    accepted = prepare_accept_content(app.conf.accept_content or ()) or ()
    return "json" if "application/json" in accepted else str(app.conf.task_serializer)
