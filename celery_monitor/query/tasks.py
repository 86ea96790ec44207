"""Task names over a window, and everything about one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from celery_monitor.analytics.executions import end_of
from celery_monitor.analytics.figures import compared, durations, figures, sizes
from celery_monitor.analytics.heatmap import heatmap
from celery_monitor.model import Attempt, Cell, Series
from celery_monitor.query import charts, executions, failures, rows, tables
from celery_monitor.query.rollups import RollupReader, Want
from celery_monitor.query.rows import Blocks
from celery_monitor.query.times import iso
from celery_monitor.query.window import Window
from celery_monitor.signals.record import State
from celery_monitor.store.connection import Store
from celery_monitor.store.live import agents
from celery_monitor.store.rollups.tiers import TASKS

_BLOCKS: Final = 8
"""Blocks looked at for the workers of a task, the newest that have any of it: some 16,000 rows."""
_NEWEST: Final = 10
_BY_QUEUE: Final = (
    "published", "ended", "succeeded", "failed", "retried", "lost", "success_ratio", "rate_per_second",
    "runtime_seconds", "wait_seconds",
)  # fmt: skip


def table(reader: RollupReader, window: Window) -> list[dict[str, Any]]:
    """Return a row for each task name, those with most ends first.

    Raises:
        StoreError: the store does not answer.
    """
    wants = [Want(TASKS, window.start_s, window.end_s), tables.wants(window)[2]]
    rollups = reader.read(wants, window.now_us, lifetime=True)
    window = window.recorded_from(rollups.lifetime().since_us)
    cells = rollups.total(wants[0])
    by_name = tables.grouped(cells, 1)
    return [row | _resources(by_name[row["task"]]) for row in tables.tasks(rollups, window, cells)]


def one(store: Store, reader: RollupReader, name: str, window: Window) -> dict[str, Any] | None:
    """Return everything about a task name, None when it was never seen.

    Raises:
        StoreError: the store does not answer.
    """
    fine = Want(TASKS, window.start_s, window.end_s, charts.steps_within(window.step_s))
    whole, before = Want(TASKS, window.start_s, window.end_s), Want(TASKS, window.before_s, window.start_s)
    sparks = tables.wants(window)[2]
    rollups = reader.read([fine, whole, before, sparks], window.now_us, lifetime=True)
    cells, ever = rollups.total(whole, of=lambda series: series[1] == name), rollups.lifetime()
    if not cells and all(series[1] != name for series in ever.cells):
        return None
    window = window.recorded_from(ever.since_us)
    points = charts.points(rollups, fine, window, lambda series: series[1] == name)
    found = tables.tasks(rollups, window, cells or {("task", name, ""): Cell()})
    cell = _sum(cells.values())
    asked = executions.parse(task=name, state="FAILURE", limit=_NEWEST, **window.limits)
    return {
        **found[0],
        "queues": [_queue(series[2], of, window) for series, of in sorted(cells.items(), key=_busiest)],
        "lost": figures(cell, window.span_s)["lost"],
        **_resources(cell),
        "compare": _compare(rollups.total(before, ("runtime", "wait"), lambda series: series[1] == name), window),
        "series": charts.outcomes(points, window),
        "heatmap": {"t": window.points, **heatmap([point.runtime for point in points])},
        "workers": workers(store, name, window),
        "failures": failures.page(reader, window, name, 20, failures.taken(agents(store)))["failures"],
        "newest_failures": executions.page(store, asked, window.now_us)["executions"],
    }


def workers(store: Store, name: str, window: Window) -> dict[str, Any]:
    """Return where a task ran, from its newest attempts: the rollups do not cross workers with tasks.

    Returns:
        `attempts` looked at, `since` when, `complete` when these are all of the window, and `rows` by worker.
    """
    since = window.start_s * 1_000_000
    found = Blocks(store, rows.tail(store, window.now_us)).newest_of(name, since, _BLOCKS)
    by_worker: dict[str, Cell] = {}
    attempts = [
        row for row in found.attempts if _was_one(row) and (window.until_us is None or end_of(row) < window.until_us)
    ]
    for attempt in attempts:
        _add(by_worker.setdefault(attempt.worker, Cell()), attempt)
    shown = sorted(by_worker.items(), key=lambda item: (-item[1].ended, item[0]))[: tables.MOST_ROWS]
    return {
        "attempts": len(attempts),
        "since": iso(max(found.since_us, since)),
        "complete": found.complete,
        "rows": [{"worker": worker or None, **_worker(cell)} for worker, cell in shown],
    }


def _was_one(row: Attempt) -> bool:
    """Return False for a plan that came to nothing: no worker had it, and none failed."""
    return row.state != State.NEVER_PUBLISHED


def _worker(cell: Cell) -> dict[str, Any]:
    of = durations(cell.runtime)
    return {
        "ended": cell.ended,
        "failed": cell.failed + cell.counts.get(State.LOST, 0),
        "runtime_seconds": {name: of[name] for name in ("count", "avg", "max", "p50", "p95")},
    }


def _add(cell: Cell, attempt: Attempt) -> None:
    cell.counts[attempt.state] = cell.counts.get(attempt.state, 0) + 1
    if attempt.runtime_us >= 0 and attempt.state != State.LOST:
        cell.runtime.add(attempt.runtime_us)


def _resources(cell: Cell) -> dict[str, Any]:
    return {"turnaround_seconds": durations(cell.turnaround), "memory_bytes": sizes(cell.memory)}


def _queue(queue: str, cell: Cell, window: Window) -> dict[str, Any]:
    all_figures = figures(cell, window.span_s)
    return {"queue": queue or None} | {field: all_figures[field] for field in _BY_QUEUE}


def _compare(cells: Mapping[Series, Cell], window: Window) -> dict[str, Any] | None:
    return compared(_sum(cells.values()), window.before_span_s) if cells else None


def _busiest(item: tuple[Series, Cell]) -> tuple[int, str]:
    return -item[1].ended, item[0][2]


def _sum(cells: Iterable[Cell]) -> Cell:
    total = Cell()
    for cell in cells:
        total.merge(cell)
    return total
