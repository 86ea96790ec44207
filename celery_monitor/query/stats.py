"""Statistics of workflows, steps, spans, waits, measures and labels over a window, from the rollups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from celery_monitor.analytics.figures import durations, success_ratio
from celery_monitor.analytics.shares import shares
from celery_monitor.model import WEIGHTED, Cell, Series
from celery_monitor.query import charts, tables
from celery_monitor.query.rollups import RollupReader, Rollups, Want
from celery_monitor.query.window import Window
from celery_monitor.signals.record import State
from celery_monitor.sketch import Sketch
from celery_monitor.store.rollups.tiers import INSIDES, LABELS, WORKFLOWS, Part

MOST_ROWS: Final = 500
_AGAIN: Final = frozenset({State.RETRY, State.REPLACED})
"""Ends after which an execution goes on."""
_TIMES: Final = ("total", "min", "max", "avg", "p50", "p95", "p99")


class Stats:
    """The cells of one part over a window, and when each series last ended something."""

    def __init__(self, reader: RollupReader, part: str, window: Window) -> None:
        whole = Want(part, window.start_s, window.end_s)
        fine = Want(part, window.start_s, window.end_s, charts.steps_within(window.spark_s))
        rollups = reader.read([whole, fine], window.now_us)
        self.cells: Part = rollups.total(whole)
        self._last, self._sparks = _course(rollups, fine, window)
        self._window = window

    def row(self, series: Series, cell: Cell | None = None) -> dict[str, Any]:
        """Return the statistics of a series; `cell` stands for its own when it is a sum."""
        return statistics(cell or self.cells[series]) | {"last_execution_at": self.last_at([series])}

    def last_at(self, of: list[Series]) -> str | None:
        """Return when the last of some series ended anything, at the latest."""
        return self._window.last_at(max((self._last.get(series, 0) for series in of), default=0))

    def spark(self, of: list[Series]) -> list[int]:
        """Return the executions of some series that were over at each point of a small chart."""
        known = [self._sparks[series] for series in of if series in self._sparks]
        return [sum(points) for points in zip(*known, strict=True)] if known else [0] * self._window.sparks

    def of(self, kind: str) -> dict[Series, Cell]:
        """Return the cells of a kind of series."""
        return {series: cell for series, cell in self.cells.items() if series[0] == kind}


def statistics(cell: Cell) -> dict[str, Any]:
    """Return the figures of a cell of executions.

    >>> cell = Cell(); cell.counts = {State.SUCCESS: 3, State.FAILURE: 1, State.RETRY: 2}
    >>> row = statistics(cell); row["execution_count"], row["success_rate"], row["p95_seconds"]
    (4, 0.75, None)
    """
    counts = cell.counts
    again = sum(counts.get(state, 0) for state in _AGAIN)
    of = durations(cell.runtime)
    return {
        "execution_count": cell.ended - again,
        "success_count": counts.get(State.SUCCESS, 0),
        "failure_count": cell.failed + counts.get(State.LOST, 0),
        "retry_count": counts.get(State.RETRY, 0),
        "success_rate": success_ratio(cell),
        **{f"{name}_seconds": of[name] for name in _TIMES},
    }


def workflows(reader: RollupReader, window: Window) -> list[dict[str, Any]]:
    """Return a row per workflow, those with most runs first."""
    stats = Stats(reader, WORKFLOWS, window)
    rows = [_workflow(stats, name) for name in sorted({s[1] for s in stats.cells})]
    rows.sort(key=lambda r: -r["execution_count"])
    return rows[:MOST_ROWS]


def workflow(reader: RollupReader, name: str, window: Window) -> dict[str, Any] | None:
    """Return one workflow with its steps, None when nothing of it ended in the window."""
    stats = Stats(reader, WORKFLOWS, window)
    if not any(series[1] == name for series in stats.cells):
        return None
    return _workflow(stats, name) | {"steps": _steps(stats, name)}


def _workflow(stats: Stats, name: str) -> dict[str, Any]:
    """Return a workflow's row: of its runs; of the attempts of its steps where no run of it was over yet."""
    steps = {series: cell for series, cell in stats.of("step").items() if series[1] == name}
    own = stats.cells.get(("workflow", name))
    cell = own if own is not None and own.ended else _sum(steps)
    row = statistics(cell) | {"last_execution_at": stats.last_at([("workflow", name), *steps])}
    turnaround = durations(own.turnaround) if own is not None else durations(Sketch())
    return {
        "workflow": name,
        "counts": "runs" if cell is own else "attempts",
        **row,
        "sampled": own is not None and own.reasons.get(WEIGHTED, 0) > 0,
        "turnaround_seconds": {key: turnaround[key] for key in ("avg", "p50", "p95")},
        "spark": stats.spark([("workflow", name)] if cell is own else list(steps)),
    }


def _steps(stats: Stats, name: str) -> list[dict[str, Any]]:
    cells = {series[2]: cell for series, cell in stats.of("step").items() if series[1] == name}
    share = shares(cells)
    rows = [{"step": step, **stats.row(("step", name, step)), "share": round(share[step], 4)} for step in cells]
    rows.sort(key=lambda r: (-r["share"], r["step"]))
    return rows[:MOST_ROWS]


def spans(reader: RollupReader, window: Window) -> list[dict[str, Any]]:
    """Return a row per name and kind of span, those with the most time first."""
    return _inside(reader, window, "span", lambda series: {"span": series[1], "kind": series[2]})


def waits(reader: RollupReader, window: Window) -> list[dict[str, Any]]:
    """Return a row per name of wait, those with the most time first."""
    return _inside(reader, window, "wait", lambda series: {"wait": series[1]})


def measures(reader: RollupReader, window: Window) -> list[dict[str, Any]]:
    """Return a row per measure, by name."""
    stats = Stats(reader, INSIDES, window)
    rows = []
    for series, cell in sorted(stats.of("measure").items()):
        names = dict(zip(("measure", "kind", "unit"), (*series[1:], "", "", ""), strict=False))
        rows.append({**names, "unit": names["unit"] or None, **_values(cell), "last_at": stats.last_at([series])})
    return rows[:MOST_ROWS]


def label(reader: RollupReader, key: str, value: str, window: Window) -> dict[str, Any] | None:
    """Return the statistics of a label whose key is counted, None for others."""
    stats = Stats(reader, LABELS, window)
    series = ("label", key, value)
    return stats.row(series) if series in stats.cells else None


def _inside(
    reader: RollupReader, window: Window, kind: str, names: Callable[[Series], dict[str, str]]
) -> list[dict[str, Any]]:
    stats = Stats(reader, INSIDES, window)
    rows = [names(series) | stats.row(series) for series in sorted(stats.of(kind))]
    rows.sort(key=lambda r: -(r["total_seconds"] or 0.0))
    return rows[:MOST_ROWS]


def _values(cell: Cell) -> dict[str, Any]:
    of = durations(cell.runtime)  # its values are in millionths, as durations are
    return {"count": of["count"], "sum": of["total"]} | {name: of[name] for name in _TIMES[1:]}


def _course(rollups: Rollups, want: Want, window: Window) -> tuple[dict[Series, int], dict[Series, list[int]]]:
    """Return the end of the last bucket in which each series ended something, and how many were over at each point."""
    last: dict[Series, int] = {}
    sparks: dict[Series, list[int]] = {}
    for segment, series, counts in rollups.counts(want):
        if any(n for state, n in counts.items() if state):
            last[series] = max(segment.end, last.get(series, 0))
            over = sum(n for state, n in counts.items() if state and state not in _AGAIN)
            sparks.setdefault(series, [0] * window.sparks)[window.spark_slot(segment.bucket)] += over
    return last, sparks


def _sum(cells: dict[Series, Cell]) -> Cell:
    return next(iter(tables.grouped({("", *series): cell for series, cell in cells.items()}, 0).values()), Cell())
