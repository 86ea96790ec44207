"""Queues: what waits in the broker, what workers hold of it, how fast it comes and goes, and what looks wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from celery_monitor.alerts import ledger
from celery_monitor.analytics import queueing
from celery_monitor.analytics.figures import durations
from celery_monitor.analytics.queueing import Flow
from celery_monitor.live_state import AgentState
from celery_monitor.model import Cell, Gauge, Series
from celery_monitor.query import charts, levels, live, tables
from celery_monitor.query.rollups import RollupReader, Rollups, Want
from celery_monitor.query.times import iso
from celery_monitor.query.window import Window
from celery_monitor.store import broker
from celery_monitor.store import live as live_table
from celery_monitor.store.broker import Look
from celery_monitor.store.connection import Store
from celery_monitor.store.rollups.tiers import GAUGES, OTHER, TASKS, Part

RECENT_S: Final = 300
"""Rates and "empties in" are of the last so many seconds: over a long window a queue has been everything."""
_TREND_S: Final = 60.0
"""Samples that lie closer together tell no trend."""
_LEVELS: Final = ("backlog", "held", "eta_held", "unacked", "running")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of all queues at one moment."""

    window: Window
    rollups: Rollups
    cells: Part
    recent: dict[str, Cell]
    recent_s: float
    levels: dict[str, dict[str, Gauge]]
    agents: list[AgentState]
    look: Look
    firing: dict[str, str]  # queue to the worst severity
    ever: dict[str, Cell]

    @property
    def workers(self) -> list[AgentState]:
        """The workers that are alive."""
        return live.serving(self.agents, self.window.now_us)

    def level(self, name: str) -> dict[str, float]:
        """Return the last gauges of a queue, as far as they are of now."""
        return tables.fresh(self.levels.get(name, {}), self.window.at_us, broker.fresh_s(self.look))

    @property
    def names(self) -> list[str]:
        """Every queue that had tasks in the window, has a sample, or is consumed."""
        ended = {series[2] for series in self.cells}
        return sorted({*self.levels, *ended, *live.consumers(self.workers)} - {"", OTHER})


def read(store: Store, reader: RollupReader, window: Window) -> Seen:
    """Read what the answers about queues are made of.

    Raises:
        StoreError: the store does not answer.
    """
    whole, fine, gauges = _wants(window)
    recent = _recent(window)
    rollups = reader.read([whole, fine, gauges, recent], window.now_us, lifetime=True)
    totals = rollups.lifetime()
    window = window.recorded_from(totals.since_us)
    at_s = window.at_us / 1e6
    since_s = max(recent.start, min(totals.since_us // 1_000_000, int(at_s) - 1))
    return Seen(
        window=window, rollups=rollups, cells=rollups.total(whole, ("runtime", "wait")),
        recent=tables.grouped(rollups.total(recent, ()), 2),
        recent_s=at_s - since_s, levels=tables.latest_levels(rollups, gauges, "queue"),
        agents=live_table.agents(store), look=broker.load(store),
        firing=ledger.firing(ledger.read(store)).queues,
        ever=tables.grouped(totals.loaded(), 2),
    )  # fmt: skip


def page(store: Store, reader: RollupReader, window: Window) -> dict[str, Any]:
    """Return every queue's row, and what the broker is."""
    seen = read(store, reader, window)
    by_queue = tables.grouped(seen.cells, 2)
    sparks = _sparks(seen)
    rows = []
    for name in seen.names[: tables.MOST_ROWS]:
        found = row(seen, name, by_queue.get(name, Cell()))
        rows.append(found | {"spark": sparks.get(name, [None] * window.sparks)})
    return {"broker": _broker(seen), "queues": rows}


def one(store: Store, reader: RollupReader, name: str, window: Window) -> dict[str, Any] | None:
    """Return one queue with its history, its workers and its tasks; None when nothing is known of it."""
    seen = read(store, reader, window)
    if name not in seen.names and name not in seen.ever:
        return None
    own = {series: cell for series, cell in seen.cells.items() if series[2] == name}
    return {
        "broker": _broker(seen),
        **row(seen, name, tables.grouped(own, 2).get(name, Cell())),
        "series": _series(seen, name),
        "workers": [_worker(agent, name) for agent in seen.workers if name in (agent.get("queues") or ())],
        "tasks": _tasks(own, seen.window),
    }


def row(seen: Seen, name: str, cell: Cell) -> dict[str, Any]:
    """Return a queue's row; the rates are those of the last minutes."""
    level = seen.level(name)
    workers = seen.workers
    serving = live.consumers(workers).get(name, 0)
    held, eta_held, running = _taken(seen, name, level)
    flow = _flow(seen, name)
    backlog = level.get("backlog")
    return {
        "queue": name,
        "state": seen.firing.get(name, "ok"),
        "backlog": _whole(backlog),
        "oldest_seconds": level.get("oldest_s"),
        "held": held,
        "eta_held": eta_held,
        "delivered_twice": live.summed(workers, "eta_beyond").get(name, 0),
        "running": running,
        "unacked": _whole(level.get("unacked")),
        "consumers": serving,
        "broker_consumers": _whole(level.get("consumers")),
        "published": cell.published,
        "ended": cell.ended,
        **flow.rates(),
        "empties_in_seconds": flow.empties_in_s(backlog),
        "wait_seconds": durations(cell.wait),
        "notes": notes(seen, name, level, held + eta_held + running),
    }


def _taken(seen: Seen, name: str, level: Mapping[str, float]) -> tuple[int, int, int]:
    """Return what workers hold, what of it has an ETA and what they run; of an end that is past, what samples say."""
    if seen.window.until_us is not None:
        return int(level.get("held", 0)), int(level.get("eta_held", 0)), int(level.get("running", 0))
    workers = seen.workers
    return live.held(workers).get(name, 0), live.eta_held(workers).get(name, 0), live.running(workers).get(name, 0)


def notes(seen: Seen, name: str, level: Mapping[str, float], taken: int) -> list[str]:
    """Return what a person should know of a queue, in sentences.

    Parameters:
        level: its last gauges.
        taken: messages that workers hold or run.
    """
    found = []
    consumed = live.consumers(seen.workers)
    ever, there = seen.ever.get(name, Cell()), level.get("backlog") or level.get("unacked") or taken
    serving = consumed.get(name, 0) or level.get("consumers")
    if not serving and (there or ever.published or ever.ended):
        near = _near(name, consumed)
        hint = f"; did you mean {near!r}, which is consumed?" if near and not ever.ended else ""
        found.append(f"no worker consumes this queue{hint}")
    if serving and not there and not ever.published and not ever.ended:
        near = _near(name, [other for other in seen.names if not consumed.get(other)])
        hint = f"; did you mean {near!r}, which nobody consumes?" if near else ""
        found.append(f"nobody has ever published to this queue{hint}")
    told = seen.look.get("notes", {}).get(name)
    return [*found, told] if told else found


def _near(name: str, others: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, [o for o in others if o != name], n=1, cutoff=0.75)), None)


def _flow(seen: Seen, name: str) -> Flow:
    """Return what came, was started and ended in the last minutes."""
    cell, level, first = seen.recent.get(name, Cell()), seen.level(name), _first(seen, name)
    running = first.get("running", Gauge())
    began = queueing.started(cell) + _taken(seen, name, level)[2] - running.total / max(running.count, 1)
    then, now = first.get("backlog", Gauge()), seen.levels.get(name, {}).get("backlog", Gauge())
    seconds = (now.last_us - then.last_us) / 1e6
    known = then.count > 0 and seconds >= _TREND_S
    return Flow(cell.published, began, cell.ended, seen.recent_s, (now.last - then.last) / seconds if known else None)


def _first(seen: Seen, name: str) -> dict[str, Gauge]:
    """Return the gauges of a queue as the last minutes began: in the first bucket with a sample."""
    start = seen.window.at_us / 1e6 - seen.recent_s
    rows = seen.rollups.levels(_wants(seen.window)[2])
    found = [(bucket, gauges) for bucket, series, gauges in rows if series == ("queue", name) and bucket >= start]
    _, gauges = min(found, key=itemgetter(0), default=(0, {}))
    return {gauge: Gauge.load(raw) for gauge, raw in gauges.items()}


def _recent(window: Window) -> Want:
    """Return the tasks of the last minutes; of an end that is past in whole steps, finer ones may not be kept."""
    if window.until_us is None:
        now_s = window.now_us // 1_000_000
        return Want(TASKS, max(now_s - min(RECENT_S, window.seconds), 0) // 10 * 10, window.end_s)
    steps = -(-min(RECENT_S, window.seconds) // window.step_s)
    return Want(TASKS, window.end_s - steps * window.step_s, window.end_s, charts.steps_within(window.step_s))


def _wants(window: Window) -> tuple[Want, Want, Want]:
    """Return the tasks over the window, the same within points of a chart, and the gauges within them."""
    fine = charts.steps_within(min(window.step_s, window.spark_s))
    start, end = window.start_s, window.end_s
    return Want(TASKS, start, end), Want(TASKS, start, end, fine), Want(GAUGES, start, end, fine)


def _series(seen: Seen, name: str) -> dict[str, list[Any]]:
    """Return the history of a queue; a point without a value is None."""
    window = seen.window
    cells = charts.points(seen.rollups, _wants(window)[1], window, lambda series: series[2] == name)
    out: dict[str, list[Any]] = {"t": window.points}
    out |= levels.history(seen.rollups, window, ("queue", name), _LEVELS)
    out["oldest_seconds"] = _oldest(seen, name)
    widths = window.widths
    out["in_per_second"] = _rates((cell.published for cell in cells), widths)
    out["start_per_second"] = queueing.start_rates(list(map(queueing.started, cells)), out["running"], widths)
    out["out_per_second"] = _rates((cell.ended for cell in cells), widths)
    waits = [durations(cell.wait) for cell in cells]
    return out | {f"wait_{q}": [wait[q] for wait in waits] for q in ("p50", "p95", "p99")}


def _rates(counts: Iterable[int], widths: Sequence[float | None]) -> list[float | None]:
    return [round(n / s, 6) if s else None for n, s in zip(counts, widths, strict=True)]


def _oldest(seen: Seen, name: str) -> list[float | None]:
    """Return the age of the oldest message per point, the most of its samples."""
    points: list[float | None] = [None] * len(seen.window.points)
    for bucket, series, gauges in seen.rollups.levels(_wants(seen.window)[2]):
        gauge = gauges.get("oldest_s")
        if series == ("queue", name) and gauge and gauge[0]:
            at = seen.window.slot(bucket)
            points[at] = round(max(points[at] or 0.0, gauge[2]), 3)
    return points


def _sparks(seen: Seen) -> dict[str, list[float | None]]:
    """Return the mean backlog per point of the small charts, by queue."""
    window = seen.window
    sums: dict[str, list[list[float]]] = {}
    for bucket, series, gauges in seen.rollups.levels(_wants(window)[2]):
        gauge = gauges.get("backlog")
        if series[0] == "queue" and gauge and gauge[0]:
            of = sums.setdefault(series[1], [[0, 0.0] for _ in range(window.sparks)])[window.spark_slot(bucket)]
            of[0] += gauge[0]
            of[1] += gauge[3]
    return {name: [round(total / n, 3) if n else None for n, total in of] for name, of in sums.items()}


def _worker(agent: AgentState, queue: str) -> dict[str, Any]:
    running = agent.get("running") or []
    return {
        "worker": agent.get("hostname", ""),
        "slots": agent.get("slots"),
        "busy": len(running),
        "running": sum(run.get("queue") == queue for run in running),
        "held": (agent.get("prefetched") or {}).get(queue, 0),
        "eta_held": (agent.get("eta_held") or {}).get(queue, 0),
        "queues": sorted(agent.get("queues") or ()),
    }


def _tasks(cells: Mapping[Series, Cell], window: Window) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "task": series[1], "published": cell.published, "ended": cell.ended,
            "rate_per_second": round(cell.ended / window.span_s, 6), "wait_seconds": durations(cell.wait),
            "runtime_seconds": durations(cell.runtime),
        }
        for series, cell in cells.items()
    ]  # fmt: skip
    rows.sort(key=lambda r: (-r["ended"], r["task"]))
    return rows[: tables.MOST_ROWS]


def _broker(seen: Seen) -> dict[str, Any]:
    return {
        "kind": seen.look.get("kind") or None,
        "sampled_at": iso(seen.look.get("at_us")),
        "visibility_timeout_seconds": live.visibility_s(seen.workers, seen.look) or None,
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
