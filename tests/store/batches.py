"""Batches as agents make them, for the tests of the store and of the reader."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from celery_monitor.live_state import AgentState
from celery_monitor.model import PUBLISHED, Attempt, Batch, Cell, Gauge, Publish
from celery_monitor.signals.record import State, runtime_le, wait_le

NOW_US = 1_763_640_003_000_000
"""2025-11-20 12:00:03 UTC: three seconds into a bucket."""
BOOT = b"boot-of-an-agent"


def task_id(n: int) -> bytes:
    """Return a 16-byte id that looks random."""
    return hashlib.blake2b(b"%d" % n, digest_size=16).digest()


def attempt(n: int, *, at_us: int = NOW_US, **fields: Any) -> Attempt:
    """Return an attempt that ended at `at_us` after 20 ms of waiting and 100 ms of work."""
    values: dict[str, Any] = {
        "id": task_id(n), "root": b"", "parent": b"", "group": b"", "run": b"",
        "uid": b"ring-id-" + n.to_bytes(4, "little"), "task": "shop.charge", "queue": "payments",
        "worker": "celery@a", "pid": 901, "state": int(State.SUCCESS), "reason": 0, "flags": 0, "retries": 0,
        "priority": 0, "published_us": at_us - 120_000, "started_us": at_us - 100_000, "wait_us": 20_000,
        "runtime_us": 100_000, "cpu_us": 10_000, "rss_kib": 51_200, "growth_kib": 4, "workflow": "", "step": "",
        "exception": "", "message": "", "traceback": "",
    }  # fmt: skip
    return Attempt(**{**values, **fields})


def publish(n: int, *, at_us: int = NOW_US - 120_000, **fields: Any) -> Publish:
    """Return a message published at `at_us`."""
    values: dict[str, Any] = {
        "id": task_id(n), "root": b"", "parent": b"", "group": b"", "run": b"", "task": "shop.charge",
        "queue": "payments", "published_us": at_us, "due_us": 0, "retries": 0, "flags": 0, "workflow": "",
    }  # fmt: skip
    return Publish(**{**values, **fields})


def batch(
    n: int,
    attempts: Sequence[Attempt] = (),
    publishes: Sequence[Publish] = (),
    *,
    boot: bytes = BOOT,
    at_us: int = NOW_US,
) -> Batch:
    """Return a batch with its counters taken from its rows."""
    made = Batch(boot, n, "host-a", at_us, attempts=list(attempts), publishes=list(publishes))
    for row in attempts:
        for series in (("task", row.task, row.queue), ("worker", row.worker)):
            count(made, row, series)
    for message in publishes:
        cell = cell_of(made, message.published_us, ("task", message.task, message.queue))
        cell.counts[PUBLISHED] = cell.counts.get(PUBLISHED, 0) + 1
    return made


def cell_of(made: Batch, at_us: int, series: tuple[str, ...]) -> Cell:
    """Return the cell of a series at a time, made when it is missing."""
    bucket = at_us // 10_000_000 * 10
    return made.metrics.cells.setdefault(bucket, {}).setdefault(series, Cell())


def count(made: Batch, row: Attempt, series: tuple[str, ...]) -> None:
    """Add an attempt's end to a series."""
    cell = cell_of(made, row.started_us + row.runtime_us, series)
    cell.counts[row.state] = cell.counts.get(row.state, 0) + 1
    if row.exception:
        cell.errors[row.exception] = cell.errors.get(row.exception, 0) + 1
    cell.runtime.add(row.runtime_us)
    cell.wait.add(row.wait_us)
    cell.cpu.add(row.cpu_us)
    cell.memory.add(row.rss_kib)
    for buckets, at in ((cell.runtime_le, runtime_le(row.runtime_us)), (cell.wait_le, wait_le(row.wait_us))):
        buckets[at] = buckets.get(at, 0) + 1


def gauge(made: Batch, at_us: int, series: tuple[str, ...], **levels: float) -> None:
    """Add samples of a series."""
    row = made.metrics.gauges.setdefault(at_us // 10_000_000 * 10, {}).setdefault(series, {})
    for name, value in levels.items():
        row.setdefault(name, Gauge()).add(value, at_us)


def agent(boot: bytes = BOOT, **fields: Any) -> AgentState:
    """Return a worker's state as of `NOW_US`."""
    state: AgentState = {
        "v": 1, "boot": boot.hex(), "role": "worker", "hostname": "celery@a", "host": "a", "pid": 812, "app": "shop",
        "at_us": NOW_US, "started_us": NOW_US - 60_000_000, "interval_s": 1.0, "pool": "prefork", "slots": 8,
        "queues": ["payments"], "running": [], "prefetched": {"payments": 3}, "cpu_percent": 61.0,
        "rss_bytes": 536_870_912, "dropped": {}, "notes": [],
        "machine": {
            "cpu_percent": 70.0, "load1": 1.5, "cpus": 8.0, "memory_used_bytes": 55, "memory_total_bytes": 100,
            "disk_used_bytes": 40, "disk_total_bytes": 100,
        },
    }  # fmt: skip
    state.update(fields)  # type: ignore[typeddict-item]
    return state
