"""The points of the big chart: ends and percentiles over time, backlog and busy share from the gauges."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from celery_monitor.analytics.figures import counts
from celery_monitor.model import Cell, Series
from celery_monitor.query.rollups import Rollups, Want
from celery_monitor.query.window import Window
from celery_monitor.store.rollups.tiers import ALL, GAUGES, STEPS, Part

Levels = Iterable[tuple[int, Series, dict[str, list[Any]]]]


def wants(window: Window) -> list[Want]:
    """Return what `series` reads: buckets that lie within one point."""
    fine = steps_within(window.step_s)
    return [Want(part, window.start_s, window.end_s, fine) for part in (ALL, GAUGES)]


def steps_within(step_s: int) -> list[int]:
    """Return the tiers whose buckets lie within points of a step."""
    return [s for s in STEPS if step_s % s == 0]


def series(rollups: Rollups, window: Window) -> dict[str, list[Any]]:
    """Return the `series` object of the JSON API; a point without a value is None."""
    all_cells, gauges = wants(window)
    out = outcomes(points(rollups, all_cells, window), window)
    levels = list(rollups.levels(gauges))
    out["backlog"] = backlog(levels, window)
    out["busy_ratio"] = _busy(levels, window)
    return out


def points(
    rollups: Rollups,
    want: Want,
    window: Window,
    of: Callable[[Series], bool] | None = None,
    sketches: Collection[str] = ("runtime", "wait"),
) -> list[Cell]:
    """Return the sum of some series for each point of the chart, with some of the sketches."""
    parts: list[Part] = [{} for _ in window.points]
    for segment in rollups.segments(want):
        segment.add_to(parts[window.slot(segment.bucket)], sketches, of)
    return [_sum(part) for part in parts]


def _sum(part: Part) -> Cell:
    """Return the sum of a part's cells, which may be changed by it."""
    total, *others = part.values() or (Cell(),)
    for cell in others:
        total.merge(cell)
    return total


def outcomes(cells: Iterable[Cell], window: Window) -> dict[str, list[Any]]:
    """Return ends by outcome and percentiles, point by point."""
    out: dict[str, list[Any]] = {"t": window.points}
    for name in ("published", "succeeded", "failed", "retried", "other"):
        out[name] = []
    for name in ("runtime_p50", "runtime_p95", "runtime_p99", "wait_p95"):
        out[name] = []
    for cell in cells:
        _add_point(out, cell)
    return out


def backlog(levels: Levels, window: Window) -> list[float | None]:
    """Return the messages waiting in all queues, per point: the mean of each queue, added up."""
    sums: list[dict[str, list[float]]] = [{} for _ in window.points]
    for bucket, series_, gauges in levels:
        gauge = gauges.get("backlog")
        if series_[0] == "queue" and gauge and gauge[0]:
            add_mean(sums[window.slot(bucket)], series_[1], gauge)
    return [round(sum(t / n for n, t in of.values()), 3) if of else None for of in sums]


def add_mean(into: dict[str, list[float]], key: str, gauge: list[Any]) -> None:
    """Add a gauge's dump to ``[samples, sum]`` of a key."""
    mean = into.setdefault(key, [0, 0.0])
    mean[0] += gauge[0]
    mean[1] += gauge[3]


def _busy(levels: Levels, window: Window) -> list[float | None]:
    sums: list[dict[str, list[float]]] = [{} for _ in window.points]
    for bucket, series_, gauges in levels:
        if series_[0] == "worker":
            for name in ("busy", "slots"):
                if name in gauges:
                    add_mean(sums[window.slot(bucket)], name, gauges[name])
    out: list[float | None] = []
    for of in sums:
        busy, slots = of.get("busy"), of.get("slots")
        out.append(round(min(1.0, busy[1] / slots[1]), 4) if busy and slots and slots[1] > 0 else None)
    return out


def _add_point(out: dict[str, list[Any]], cell: Cell) -> None:
    n = counts(cell)
    for name in ("published", "succeeded", "retried"):
        out[name].append(n[name])
    # What was lost failed; what was revoked is neither success nor failure.
    out["failed"].append(n["failed"] + n["lost"])
    out["other"].append(n["other"] + n["revoked"])
    run = cell.runtime.quantiles((0.5, 0.95, 0.99))
    for name, us in zip(("runtime_p50", "runtime_p95", "runtime_p99"), run, strict=True):
        out[name].append(_seconds(us))
    out["wait_p95"].append(_seconds(cell.wait.quantile(0.95)))


def _seconds(us: float | None) -> float | None:
    return None if us is None else round(us / 1e6, 6)
