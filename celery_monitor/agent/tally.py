"""Adds ends and publishes to the additive part of the batch to come."""

from __future__ import annotations

from collections.abc import Iterable

from celery_monitor.agent import failures
from celery_monitor.model import (
    BUCKET_S,
    FAILED,
    FINAL,
    PUBLISHED,
    Attempt,
    Cell,
    Gauge,
    Metrics,
    Publish,
    Series,
    first_turnaround_us,
)
from celery_monitor.signals.record import Flag, State, runtime_le, wait_le

_BUCKET_US = BUCKET_S * 1_000_000
INFRASTRUCTURE = int(Flag.INFRASTRUCTURE)
_LOST = int(State.LOST)


def bucket_of(at_us: int) -> int:
    """Return the start in seconds of the bucket that holds a time.

    >>> bucket_of(25_000_000)
    20
    """
    return at_us // _BUCKET_US * BUCKET_S


def ended_us(row: Attempt) -> int:
    """Return when an attempt ended; its start when that is unknown."""
    return row.started_us + max(row.runtime_us, 0)


def count(metrics: Metrics, row: Attempt) -> None:
    """Add an end."""
    add(metrics, row, _series(row))
    if row.fingerprint and not row.flags & INFRASTRUCTURE:
        failures.book(metrics.cells[bucket_of(ended_us(row))], row, 1)


def add(metrics: Metrics, row: Attempt, into: Iterable[Series]) -> None:
    """Add an end to the cells of some series."""
    cells = metrics.cells.setdefault(bucket_of(ended_us(row)), {})
    for series in into:
        cell = cells.get(series)
        if cell is None:
            cell = cells[series] = Cell()
        _book(cell, row, 1)
        _measure(cell, row)


def correct(metrics: Metrics, booked: Attempt, row: Attempt) -> None:
    """Replace an end that was added, in its own bucket; its times stay in the sketches: the attempt did take them."""
    of = _series(booked)
    swap(metrics, booked, row, of)
    cells = metrics.cells[bucket_of(ended_us(booked))]
    if not booked.flags & INFRASTRUCTURE:
        for each, times in ((booked, -1), (row, 1)):
            if each.fingerprint:
                failures.book(cells, each, times)
    took = turnaround_us(row) if booked.state not in FINAL else -1
    if took >= 0:
        for series in of:
            cells[series].turnaround.add(took)


def swap(metrics: Metrics, booked: Attempt, row: Attempt, of: Iterable[Series]) -> None:
    """Replace an end in the cells of some series."""
    cells = metrics.cells.setdefault(bucket_of(ended_us(booked)), {})
    for series in of:
        cell = cells.setdefault(series, Cell())
        _book(cell, booked, -1)
        _book(cell, row, 1)


def _book(cell: Cell, row: Attempt, times: int) -> None:
    cell.counts[row.state] = cell.counts.get(row.state, 0) + times
    cell.reasons[row.reason] = cell.reasons.get(row.reason, 0) + times
    if row.exception and row.state in FAILED:
        cell.errors[row.exception] = cell.errors.get(row.exception, 0) + times


def _series(row: Attempt) -> tuple[Series, ...]:
    return series_of(row.flags & INFRASTRUCTURE, row.task, row.queue, row.workflow)


def series_of(machinery: int, task: str, queue: str, workflow: str) -> tuple[Series, ...]:
    """Return the series that an end belongs to; a workflow's step is named after its task."""
    if machinery:
        return (("infra", task),)
    if workflow:
        return ("task", task, queue), ("step", workflow, task)
    return (("task", task, queue),)


def turnaround_us(row: Attempt) -> int:
    """Return what `model.first_turnaround_us` does of an attempt."""
    return first_turnaround_us(row.state, row.reason, row.retries, row.published_us, ended_us(row))


def _measure(cell: Cell, row: Attempt) -> None:
    runtime = row.runtime_us
    if runtime >= 0 and row.state != _LOST:  # how long a lost one ran is a guess
        le = runtime_le(runtime)
        cell.runtime.add(runtime)
        cell.runtime_le[le] = cell.runtime_le.get(le, 0) + 1
        if row.cpu_us >= 0:
            cell.cpu.add(row.cpu_us)
        if row.rss_kib:
            cell.memory.add(row.rss_kib)
    wait = row.wait_us
    if wait >= 0:
        cell.wait.add(wait)
        at = wait_le(wait)
        cell.wait_le[at] = cell.wait_le.get(at, 0) + 1
    took = turnaround_us(row)
    if took >= 0:
        cell.turnaround.add(took)


def publish(metrics: Metrics, row: Publish) -> None:
    """Add a published message."""
    series: Series = ("infra", row.task) if row.flags & INFRASTRUCTURE else ("task", row.task, row.queue)
    cells = metrics.cells.setdefault(bucket_of(row.published_us), {})
    cell = cells.get(series)
    if cell is None:
        cell = cells[series] = Cell()
    cell.counts[PUBLISHED] = cell.counts.get(PUBLISHED, 0) + 1


def gauge(metrics: Metrics, series: Series, name: str, value: float, at_us: int) -> None:
    """Add one sample of a level."""
    levels = metrics.gauges.setdefault(bucket_of(at_us), {}).setdefault(series, {})
    levels.setdefault(name, Gauge()).add(value, at_us)
