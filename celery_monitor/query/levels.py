"""History of levels: the points of a worker's or a host's gauges over a window."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery_monitor.model import Series
from celery_monitor.query import charts
from celery_monitor.query.rollups import Rollups, Want
from celery_monitor.query.window import Window
from celery_monitor.store.rollups.tiers import GAUGES


def want(window: Window) -> Want:
    """Return what `history` reads: buckets that lie within one point."""
    return Want(GAUGES, window.start_s, window.end_s, charts.steps_within(window.step_s))


def history(rollups: Rollups, window: Window, series: Series, names: Iterable[str]) -> dict[str, list[float | None]]:
    """Return the mean of each gauge at each point; None where there is no sample."""
    wanted = list(names)
    sums: list[dict[str, list[float]]] = [{} for _ in window.points]
    for bucket, found, gauges in rollups.levels(want(window)):
        if found == series:
            for name in wanted:
                if name in gauges and gauges[name][0]:
                    charts.add_mean(sums[window.slot(bucket)], name, gauges[name])
    return {name: [_mean(of.get(name)) for of in sums] for name in wanted}


def _mean(sums: Any) -> float | None:
    return round(sums[1] / sums[0], 4) if sums else None
