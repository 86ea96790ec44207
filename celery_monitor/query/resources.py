"""Tasks ranked by what they cost: CPU, memory, its growth, I/O, network traffic or time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final

from celery_monitor.agent.usage import FAILED_GROWTH, GROWTH, SHARED, SQUARES, SUMS
from celery_monitor.analytics.figures import durations
from celery_monitor.analytics.leaks import Growth, leak, max_tasks_per_child
from celery_monitor.errors import BadRequest
from celery_monitor.model import Cell
from celery_monitor.query import tables
from celery_monitor.query.rollups import RollupReader, Rollups, Want
from celery_monitor.query.window import Window
from celery_monitor.signals.record import State
from celery_monitor.store.rollups.tiers import GAUGES, TASKS, Part

MOST_ROWS: Final = 500
_KIB: Final = 1024
Sums = Mapping[str, float]

ORDERS: Final[Mapping[str, Callable[[dict[str, Any]], Any]]] = {
    "cpu": lambda row: row["cpu_seconds"]["total"] or 0.0,
    "memory": lambda row: row["memory_bytes"]["peak"] or 0,
    "growth": lambda row: row["growth"]["bytes_per_1000_runs"] if row["growth"]["confidence"] != "none" else 0.0,
    "io": lambda row: (row["read_bytes"] or 0) + (row["written_bytes"] or 0),
    "network": lambda row: (
        (row["network_sent_bytes"] or 0) + (row["network_received_bytes"] or 0),
        row["connections"] or 0,
    ),
    "time": lambda row: row["runtime_seconds"]["total"] or 0.0,
}


def rows(reader: RollupReader, window: Window, by: str) -> list[dict[str, Any]]:
    """Return a row per task name, those that cost most first.

    Raises:
        BadRequest: `by` is no order.
    """
    order = ORDERS.get(by)
    if order is None:
        raise BadRequest("bad_by", f"by: {by[:40]!r} is no order; give one of {', '.join(ORDERS)}")
    wanted = Want(TASKS, window.start_s, window.end_s)
    levels = Want(GAUGES, window.start_s, window.end_s)
    rollups = reader.read([wanted, levels], window.now_us)
    cells = rollups.total(wanted)
    by_name, used = tables.grouped(cells, 1), usage(rollups, levels)
    growths = {name: _growth(cell, used.get(name, {})) for name, cell in by_name.items()}
    queues = _queues(cells)
    found = [_row(name, cell, used.get(name, {}), growths, queues) for name, cell in by_name.items() if cell.ended]
    _share(found, "cpu_seconds")
    _share(found, "runtime_seconds")
    found.sort(key=itemgetter("task"))
    found.sort(key=order, reverse=True)
    return found[:MOST_ROWS]


def usage(rollups: Rollups, want: Want) -> dict[str, dict[str, float]]:
    """Return the sums of each task name over a want of gauges."""
    found: dict[str, dict[str, float]] = {}
    for _, series, gauges in rollups.levels(want):
        if series[0] == "usage":
            sums = found.setdefault(series[1], {})
            for name, gauge in gauges.items():
                sums[name] = sums.get(name, 0.0) + gauge[3]
    return found


def _queues(cells: Part) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for _, name, queue in cells:
        found.setdefault(name, set()).add(queue)
    return found


def _growth(cell: Cell, sums: Sums) -> Growth:
    succeeded = min(max(cell.counts.get(State.SUCCESS, 0), 0), cell.runtime.count)
    beside = cell.runtime.count - succeeded
    return Growth(succeeded, sums.get(GROWTH, 0.0), sums.get(SQUARES, 0.0), beside)


def _note(growth: Growth, sums: Sums) -> str | None:
    """Say what the verdict leaves out, None when it is nothing."""
    kib = sums.get(FAILED_GROWTH, 0.0)
    if not growth.beside or kib / growth.beside < 1:
        return None
    took = f"{kib / growth.beside:.0f} KiB"
    many = f"{growth.beside} runs that did not succeed took {took} each and are left out"
    return (
        f"{many if growth.beside > 1 else f'a run that did not succeed took {took} and is left out'}: "
        "a traceback keeps what its frames hold until Python collects cycles"
    )


def _row(
    name: str, cell: Cell, sums: Sums, growths: Mapping[str, Growth], queues: Mapping[str, set[str]]
) -> dict[str, Any]:
    runs, found = cell.runtime.count, leak(growths[name])
    shared = sums.get(SHARED, 0.0)
    beside = [growth for other, growth in growths.items() if queues[other] & queues[name]]
    known = {field: int(sums[field]) if field in sums else None for field in SUMS}
    return {
        "task": name,
        "queues": sorted(queues[name]),
        "runs": runs,
        "attributed_ratio": round(max(1 - shared / runs, 0.0), 4) if runs else None,
        "cpu_seconds": _durations(cell.cpu),
        "runtime_seconds": _durations(cell.runtime),
        "memory_bytes": _memory(cell),
        "growth": {
            "bytes_per_1000_runs": round(found.kib_per_run * _KIB * 1000),
            "confidence": found.confidence,
            "max_tasks_per_child": max_tasks_per_child(beside, cell.memory.least) if found.leaks else None,
            "note": _note(growths[name], sums),
        },
        "read_bytes": known["read_bytes"],
        "written_bytes": known["write_bytes"],
        "reads": known["reads"],
        "writes": known["writes"],
        "switches": known["switches"],
        "involuntary_switches": known["involuntary_switches"],
        "connections": known["connections"],
        "network_sent_bytes": known["network_sent_bytes"],
        "network_received_bytes": known["network_received_bytes"],
    }


def _durations(sketch: Any) -> dict[str, Any]:
    of = durations(sketch)
    return {key: of[key] for key in ("total", "avg", "p50", "p95", "max")}


def _memory(cell: Cell) -> dict[str, Any]:
    if cell.memory.count <= 0:
        return {"peak": None, "p50": None, "p95": None}
    p50, p95 = (round(kib * _KIB) if kib is not None else None for kib in cell.memory.quantiles((0.5, 0.95)))
    return {"peak": cell.memory.most * _KIB, "p50": p50, "p95": p95}


def _share(found: list[dict[str, Any]], field: str) -> None:
    """Add to each row its part of what all of them took together."""
    whole = sum(row[field]["total"] or 0.0 for row in found)
    for row in found:
        row[field]["share"] = round((row[field]["total"] or 0.0) / whole, 4) if whole else None
