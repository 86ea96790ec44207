"""Watches a beat from inside: what it sends goes into the ring, what it has to send into the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, Final

from celery.schedules import crontab, schedule, solar

from celery_monitor.errors import StoreError
from celery_monitor.live_state import Pace
from celery_monitor.schedule import TICK
from celery_monitor.signals import fires, guard
from celery_monitor.store import schedule as stored
from celery_monitor.store.connection import Store

Tick = Callable[[Pace | None], None]
MOST_ENTRIES: Final = 500
_LOOK_S: Final = 10.0
_WRITE_S: Final = 30.0
_MOST_SLOTS: Final = 10_000
_DATABASE_S: Final = 30.0


class BeatWatch:
    """Watches one beat service; made in its thread before it starts, written by the agent's.

    Parameters:
        service: Celery's beat service.
        boot: of this process, in hex.
    """

    def __init__(self, service: Any, boot: str, hostname: str) -> None:
        self._scheduler = service.scheduler
        self._head = {"boot": boot, "beat": hostname, "scheduler": type(self._scheduler).__name__}
        self._entries: list[dict[str, Any]] = []
        self._looked = self._written = float("-inf")
        self._loop_us, self._sleep_s = time.time_ns() // 1000, 0.0
        self._told: Any = None
        self._wrap()

    def _wrap(self) -> None:
        scheduler = self._scheduler
        send, tick = scheduler.apply_async, scheduler.tick

        def apply_async(entry: Any, *args: Any, **kwargs: Any) -> Any:
            return self._send(send, entry, *args, **kwargs)

        def watched_tick(*args: Any, **kwargs: Any) -> Any:
            self._look()
            self._loop_us, self._sleep_s = time.time_ns() // 1000, 0.0
            self._sleep_s = pause = tick(*args, **kwargs)
            return pause

        scheduler.apply_async, scheduler.tick = apply_async, watched_tick

    def _send(self, send: Callable[..., Any], entry: Any, *args: Any, **kwargs: Any) -> Any:
        """Send an entry and note it; a beat never notices a mistake of ours."""
        if entry.task == TICK:
            return send(entry, *args, **kwargs)
        due = _guarded(_due_of, entry)
        try:
            result = send(entry, *args, **kwargs)
        except Exception as error:
            _guarded(_note, entry, due, "", f"{type(error).__name__}: {error}")
            raise
        _guarded(_note, entry, due, str(getattr(result, "id", "") or ""), "")
        return result

    def _look(self) -> None:
        """Read the entries, now and then: in beat's own thread, for some schedulers keep them in a database."""
        model = getattr(self._scheduler, "Model", None)
        now = time.monotonic()
        if now - self._looked >= (_LOOK_S if model is None else _DATABASE_S):
            self._looked = now
            _guarded(self._read, model)

    def _read(self, model: Any) -> None:
        """Read them from the scheduler; of django-celery-beat's from its model: it keeps only what is due soon."""
        if model is None:
            entries = [entry for entry in list(self._scheduler.schedule.values()) if entry.task != TICK]
            self._entries = [described(entry) for entry in entries[:MOST_ENTRIES]]
        else:
            self._entries = [of_model(row) for row in model.objects.order_by("name")[:MOST_ENTRIES]]

    def write(self, store: Store) -> None:
        """Write the entries and the loop's last pass when they have changed or half a minute is over.

        Raises:
            StoreError: the store does not answer.
        """
        entries = self._entries
        told = [(e["entry"], e["text"], e["enabled"], e.get("last_us")) for e in entries]
        if told == self._told and time.monotonic() - self._written < _WRITE_S:
            return
        stored.write_beat(
            store,
            {
                **self._head, "at_us": time.time_ns() // 1000, "loop_us": self._loop_us,
                "sleep_s": float(self._sleep_s or 0.0), "entries": entries,
            },
        )  # fmt: skip
        self._told, self._written = told, time.monotonic()

    def before(self, tick: Tick | None, store: Store) -> Tick:
        """Return what an agent calls once per round: write, then whatever it called before."""

        def both(pace: Pace | None) -> None:
            try:
                self.write(store)
            except StoreError:  # the agent says already that the store is away
                self._told = None
            if tick is not None:
                tick(pace)

        return both


def described(entry: Any) -> dict[str, Any]:
    """Return what is told of an entry: never its arguments."""
    timing = entry.schedule
    return {
        "entry": str(entry.name), "task": str(entry.task), "enabled": True, **timed(timing),
        "queue": str((entry.options or {}).get("queue") or ""), "total": int(entry.total_run_count or 0),
        "last_us": _us(timing.maybe_make_aware(entry.last_run_at)) if entry.last_run_at else 0,
        "next_us": _guarded(_due_of, entry) or 0,
    }  # fmt: skip


def of_model(row: Any) -> dict[str, Any]:
    """Return what is told of a row of django-celery-beat's model."""
    timing, last = row.schedule, row.last_run_at
    entry = SimpleNamespace(schedule=timing, last_run_at=last or timing.now())
    return {
        "entry": str(row.name), "task": str(row.task), "enabled": bool(row.enabled), **timed(timing),
        "queue": str(row.queue or ""), "total": int(row.total_run_count or 0),
        "last_us": _us(timing.maybe_make_aware(last)) if last else 0,
        "next_us": (_guarded(_due_of, entry) or 0) if row.enabled else 0,
    }  # fmt: skip


def timed(timing: Any) -> dict[str, Any]:
    """Return what is told of a schedule, so that its times can be worked out elsewhere."""
    if isinstance(timing, crontab):
        fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        cron = [str(getattr(timing, f"_orig_{name}")) for name in fields]
        return {"kind": "crontab", "cron": cron, "zone": str(timing.tz), "text": ""}
    if isinstance(timing, schedule):
        return {"kind": "interval", "every_s": timing.seconds, "text": ""}
    if isinstance(timing, solar):
        return {"kind": "solar", "text": f"{timing.event.replace('_', ' ')} at {timing.lat}, {timing.lon}"}
    return {"kind": "other", "text": repr(timing)[:200]}


def _note(entry: Any, due_us: int | None, task_id: str, error: str) -> None:
    now_us = time.time_ns() // 1000
    timing = entry.schedule
    skipped = _skipped(timing, due_us, now_us) if due_us else 0
    fires.put(
        now_us, due_us or 0, _after(timing, _moment(now_us)), skipped, task_id, str(entry.name), str(entry.task), error
    )


def _due_of(entry: Any) -> int:
    """Return when an entry is due by its own schedule and its last run, in us."""
    return _after(entry.schedule, entry.schedule.maybe_make_aware(entry.last_run_at))


def _after(timing: Any, last: datetime) -> int:
    """Return when a schedule is due that was last met at a time, in us: to the dot, where Celery's own sums say it."""
    if isinstance(timing, crontab):
        begin, delta, _ = timing.remaining_delta(last)
        return _us(begin + delta)
    if isinstance(timing, schedule) and not timing.relative:
        return _us(last + timedelta(seconds=timing.seconds))
    left: timedelta = timing.remaining_estimate(last)
    return time.time_ns() // 1000 + round(left.total_seconds() * 1e6)


def _skipped(timing: Any, due_us: int, now_us: int) -> int:
    """Return how many more times it was due between then and now, one of which is what is sent now."""
    every_s = getattr(timing, "seconds", None)
    if every_s is not None:
        return int((now_us - due_us) / 1e6 / every_s) if every_s > 0 else 0
    count, at = 0, due_us
    while count < _MOST_SLOTS:
        at, before = _after(timing, _moment(at)), at
        if not before < at <= now_us:
            break
        count += 1
    return count


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, timezone.utc)


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def _guarded(step: Callable[..., Any], *args: Any) -> Any:
    try:
        return step(*args)
    except Exception as error:  # noqa: BLE001 - the seam: a user's beat must not notice us
        guard.note("watching beat", error)
        return None
