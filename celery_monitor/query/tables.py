"""The tables of the summary: task names, queues, workers, workflows with their steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from celery_monitor.alerts.ledger import Firing
from celery_monitor.analytics import shares
from celery_monitor.analytics.figures import counts, figures
from celery_monitor.live_state import AgentState
from celery_monitor.model import PUBLISHED, Cell, Gauge, Series
from celery_monitor.query import charts, live
from celery_monitor.query.rollups import Rollups, Segment, Want, cell_of, merged_counts
from celery_monitor.query.window import Window, of_workers
from celery_monitor.store.broker import FRESH_S, Look, fresh_s
from celery_monitor.store.rollups.tiers import GAUGES, TASKS, WORKERS, WORKFLOWS, Part

MOST_ROWS: Final = 500
_TASK_FIELDS: Final = (
    "published", "ended", "succeeded", "failed", "retried", "revoked", "lost", "other", "success_ratio",
    "rate_per_second", "runtime_seconds", "wait_seconds", "cpu_seconds", "memory_peak_bytes", "errors",
)  # fmt: skip
SKETCHES: Final = ("runtime", "wait", "cpu", "memory")
"""Of which the rows of tasks tell."""
Levels = Mapping[str, Mapping[str, Gauge]]


def wants(window: Window) -> list[Want]:
    """Return what the tables read: sums in the widest buckets, small charts in buckets within their points."""
    start, end = window.start_s, window.end_s
    sparks = charts.steps_within(window.spark_s)
    return [
        Want(TASKS, start, end),
        Want(WORKFLOWS, start, end),
        Want(TASKS, start, end, sparks),
        Want(WORKERS, start, end, charts.steps_within(of_workers(window).spark_s)),
        Want(GAUGES, start, end, sparks),
    ]


class Sparks:
    """Numbers per point of the small charts, by key."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._points: dict[str, list[int]] = {}
        self.last: dict[str, int] = {}  # end (s) of the last bucket with one
        self._bucket = self._slot = -1

    def add(self, key: str, segment: Segment, ended: int) -> None:
        """Add ends of a bucket."""
        points = self._points.get(key)
        if points is None:
            points = self._points[key] = [0] * self._window.sparks
        if segment.bucket != self._bucket:  # buckets come with all their series
            self._bucket, self._slot = segment.bucket, self._window.spark_slot(segment.bucket)
        points[self._slot] += ended
        if ended and segment.end > self.last.get(key, 0):
            self.last[key] = segment.end

    def of(self, key: str) -> list[int]:
        """Return a key's points."""
        return self._points.get(key) or [0] * self._window.sparks


def tasks(rollups: Rollups, window: Window, cells: Part) -> list[dict[str, Any]]:
    """Return the `tasks` rows, those with most ends first.

    Parameters:
        cells: ("task", name, queue) to the sum over the window.
    """
    sparks = Sparks(window)
    for segment, series, by_state in rollups.counts(wants(window)[2]):
        sparks.add(series[1], segment, _ended(by_state))
    by_name = grouped(cells, 1)
    queues: dict[str, set[str]] = {}
    for _, name, queue in cells:
        queues.setdefault(name, set()).add(queue)
    rows = []
    for name, cell in sorted(by_name.items(), key=lambda item: (-item[1].ended, item[0]))[:MOST_ROWS]:
        all_figures = figures(cell, window.span_s)
        rows.append(
            {"task": name, "queues": sorted(queues[name])}
            | {field: all_figures[field] for field in _TASK_FIELDS}
            | {"last_at": window.last_at(sparks.last.get(name, 0))}
            | {"spark": sparks.of(name)}
        )
    return rows


def queues(
    rollups: Rollups, window: Window, cells: Part, agents: list[AgentState], firing: Firing, look: Look
) -> list[dict[str, Any]]:
    """Return the `queues` rows: every queue that had tasks, has a sample, or is consumed."""
    levels = latest_levels(rollups, wants(window)[4], "queue")
    workers = live.serving(agents, window.now_us)
    consumers, held = live.consumers(workers), live.held(workers)
    by_queue = grouped(cells, 2)
    sparks = _backlog_sparks(rollups, window)
    rows = []
    for name in sorted({*levels, *by_queue, *consumers} - {""}):
        level = fresh(levels.get(name, {}), window.at_us, fresh_s(look))
        all_figures = figures(by_queue.get(name, Cell()), window.span_s)
        backlog = level.get("backlog")
        serving = max(consumers.get(name, 0), int(level.get("consumers", 0)))
        rows.append({
            "queue": name,
            "backlog": None if backlog is None else int(backlog),
            "oldest_seconds": level.get("oldest_s"),
            "held": held.get(name, 0) if window.until_us is None else int(level.get("held", 0)),
            "unacked": None if "unacked" not in level else int(level["unacked"]),
            "consumers": serving,
            "published": all_figures["published"],
            "ended": all_figures["ended"],
            "rate_per_second": all_figures["rate_per_second"],
            "wait_seconds": all_figures["wait_seconds"],
            "state": firing.queues.get(name, "ok"),
            "spark": sparks.get(name, [None] * window.sparks),
            "note": "no worker consumes this queue" if backlog and not serving else None,
        })  # fmt: skip
    return rows


def workers(rollups: Rollups, window: Window, agents: list[AgentState], firing: Firing) -> list[dict[str, Any]]:
    """Return the `workers` rows."""
    sparks = Sparks(of_workers(window))
    sums: dict[str, dict[int, int]] = {}
    for segment, series, by_state in rollups.counts(wants(window)[3]):
        sparks.add(series[1], segment, _ended(by_state))
        merged_counts(sums.setdefault(series[1], {}), by_state)
    rows = []
    for agent in live.workers(agents):
        name = agent.get("hostname", "")
        n = counts(cell_of(sums.get(name, {})))
        rate = round(n["ended"] / window.span_s, 6)
        row = live.row(agent, window.now_us, firing)
        row |= {"ended": n["ended"], "failed": n["failed"] + n["lost"], "rate_per_second": rate}
        row["spark"] = sparks.of(name)
        rows.append(row)
    return rows


def workflows(cells: Part, window: Window) -> list[dict[str, Any]]:
    """Return the `workflows` rows, those with most ends first; steps by their share of the time."""
    steps: dict[str, dict[str, Cell]] = {}
    for series, cell in cells.items():
        if series[0] == "step":
            steps.setdefault(series[1], {})[series[2]] = cell
    whole = {name: _sum(of.values()) for name, of in steps.items()}
    rows = []
    for name in sorted(steps, key=lambda n: (-whole[n].ended, n))[:MOST_ROWS]:
        of = steps[name]
        share = shares.shares(of)
        parts = [_outcome(cell, window) | {"step": step, "share": round(share[step], 4)} for step, cell in of.items()]
        parts.sort(key=lambda p: (-p["share"], p["step"]))
        rows.append({"workflow": name} | _outcome(whole[name], window) | {"steps": parts})
    return rows


def _sum(cells: Iterable[Cell]) -> Cell:
    total = Cell()
    for cell in cells:
        total.merge(cell)
    return total


def grouped(cells: Mapping[Series, Cell], at: int) -> dict[str, Cell]:
    """Return the sums of cells by one item of their series."""
    sums: dict[str, Cell] = {}
    for series, cell in cells.items():
        sums.setdefault(series[at], Cell()).merge(cell)
    return sums


def latest_levels(rollups: Rollups, want: Want, kind: str) -> dict[str, dict[str, Gauge]]:
    """Return the merged gauges of every series of a kind; `last` is the newest sample."""
    found: dict[str, dict[str, Gauge]] = {}
    for _, series, gauges in rollups.levels(want):
        if series[0] == kind:
            row = found.setdefault(series[1], {})
            for name, raw in gauges.items():
                row.setdefault(name, Gauge()).merge(Gauge.load(raw))
    return found


def fresh(gauges: Mapping[str, Gauge], now_us: int, within_s: float = FRESH_S) -> dict[str, float]:
    """Return the last value of each gauge that was sampled lately: an old level is no level.

    The age of a queue's oldest message counts only with the depth that it was seen with: a message without our header
    may have come to stand first since.
    """
    known = {name: g.last for name, g in gauges.items() if now_us - g.last_us <= within_s * 1e6}
    if "oldest_s" in known and "backlog" in known and gauges["oldest_s"].last_us < gauges["backlog"].last_us:
        del known["oldest_s"]
    return known


def _backlog_sparks(rollups: Rollups, window: Window) -> dict[str, list[float | None]]:
    sums: list[dict[str, list[float]]] = [{} for _ in range(window.sparks)]
    names: set[str] = set()
    for bucket, series, gauges in rollups.levels(wants(window)[4]):
        gauge = gauges.get("backlog")
        if series[0] == "queue" and gauge and gauge[0]:
            charts.add_mean(sums[window.spark_slot(bucket)], series[1], gauge)
            names.add(series[1])
    return {name: [round(of[name][1] / of[name][0], 3) if name in of else None for of in sums] for name in names}


def _outcome(cell: Cell, window: Window) -> dict[str, Any]:
    all_figures = figures(cell, window.span_s)
    failed = all_figures["failed"] + all_figures["lost"]
    return {"ended": all_figures["ended"], "failed": failed, "runtime_seconds": all_figures["runtime_seconds"]}


def _ended(by_state: Mapping[int, int]) -> int:
    return sum(by_state.values()) - by_state.get(PUBLISHED, 0)
